"""The squared distance."""

from backlit.core.losses._record import Loss, register_loss

SQUARED_ERROR = register_loss(
    Loss(
        "squared_error",
        lambda a, y: ((a - y) ** 2).sum(axis=1),
        lambda a, y: 2 * (a - y),
        formula=lambda a, y, f: (a - y) ** 2,
        gradient_formula=lambda a, y, n, f: 2 * (a - y),
    )
)
