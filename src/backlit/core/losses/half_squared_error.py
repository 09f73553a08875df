"""Half the squared distance, whose gradient is a − y: no factor 2 is left over."""

from backlit.core.losses._record import Loss, ShortForm, register_loss

HALF_SQUARED_ERROR = register_loss(
    Loss(
        "half_squared_error",
        lambda a, y: ((a - y) ** 2).sum(axis=1) / 2,
        lambda a, y: a - y,
        formula=lambda a, y, f: (a - y) ** 2,
        total=lambda s, n, f: f(1) / 2 * s,
        gradient_formula=lambda a, y, n, f: a - y,
        short_forms={
            "identity": ShortForm(
                lambda u, y: ((u - y) ** 2).sum(axis=1) / 2,
                r"(p - y) \cdot 1 = p - y",
            )
        },
    )
)
