"""The mean over the outputs of the squared error, as libraries define it."""

from backlit.core.losses._record import Loss, register_loss

MEAN_SQUARED_ERROR = register_loss(
    Loss(
        "mean_squared_error",
        lambda a, y: ((a - y) ** 2).sum(axis=1) / a.shape[1],
        lambda a, y: 2 * (a - y) / a.shape[1],
        formula=lambda a, y, f: (a - y) ** 2,
        total=lambda s, n, f: f(1) / n * s,
        gradient_formula=lambda a, y, n, f: f(2) / n * (a - y),
    )
)
