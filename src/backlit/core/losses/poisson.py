"""The negative log-likelihood of a count y with mean a, less its constant ln y!."""

import numpy as np

from backlit.core.losses._pieces import clipped, log_slope, total
from backlit.core.losses._record import INF, Loss, register_loss

POISSON = register_loss(
    Loss(
        "poisson",
        lambda a, y: total(a - y * np.log(clipped(a))),
        lambda a, y: 1 - y * log_slope(a),
        outputs=(0, INF),
        targets=(0, INF),
        formula=lambda a, y, f: a - y * f.log(a),
        gradient_formula=lambda a, y, n, f: 1 - f.ratio(y, a),
    )
)
