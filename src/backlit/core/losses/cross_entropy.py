"""The negative log-likelihood of classes, given their probabilities."""

import numpy as np

from backlit.core.losses._pieces import clipped, log_slope, total
from backlit.core.losses._record import INF, Loss, register_loss

CROSS_ENTROPY = register_loss(
    Loss(
        "cross_entropy",
        lambda a, y: -total(y * np.log(clipped(a))),
        lambda a, y: -y * log_slope(a),
        outputs=(0, INF),
        targets=(0, 1),
        classes=True,
        formula=lambda a, y, f: y * f.log(a),
        total=lambda s, n, f: -s,
        gradient_formula=lambda a, y, n, f: -f.ratio(y, a),
    )
)
