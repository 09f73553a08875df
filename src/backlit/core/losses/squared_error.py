"""The squared distance."""

from backlit.core.losses._pieces import total
from backlit.core.losses._record import Loss, register_loss

SQUARED_ERROR = register_loss(
    Loss(
        "squared_error",
        lambda a, y: total((a - y) ** 2),
        lambda a, y: 2 * (a - y),
        formula=lambda a, y, f: (a - y) ** 2,
        gradient_formula=lambda a, y, n, f: 2 * (a - y),
    )
)
