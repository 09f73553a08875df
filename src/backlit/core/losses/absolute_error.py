"""The sum of absolute errors, least at the median of y given x."""

import numpy as np

from backlit.core.activations import magnitude
from backlit.core.losses._record import Loss, register_loss

ABSOLUTE_ERROR = register_loss(
    Loss(
        "absolute_error",
        lambda a, y: magnitude(a - y).sum(axis=1),
        lambda a, y: np.sign(a - y),
        kinked=True,
        formula=lambda a, y, f: f.abs(a - y),
        gradient_formula=lambda a, y, n, f: f.sign(a - y),
    )
)
