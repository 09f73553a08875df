"""The negative log-likelihood of a yes or no for each output, given the probability of yes."""

import numpy as np

from backlit.core.losses._pieces import clipped, log_slope, total
from backlit.core.losses._record import Loss, register_loss

BINARY_CROSS_ENTROPY = register_loss(
    Loss(
        "binary_cross_entropy",
        lambda a, y: -total(y * np.log(clipped(a)) + (1 - y) * np.log(clipped(1 - a))),
        lambda a, y: -y * log_slope(a) + (1 - y) * log_slope(1 - a),
        outputs=(0, 1),
        targets=(0, 1),
        formula=lambda a, y, f: y * f.log(a) + (1 - y) * f.log(1 - a),
        total=lambda s, n, f: -s,
        gradient_formula=lambda a, y, n, f: -f.ratio(y, a) + f.ratio(1 - y, 1 - a),
    )
)
