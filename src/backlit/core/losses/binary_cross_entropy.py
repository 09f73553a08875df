"""The negative log-likelihood of a yes or no for each output, given the probability of yes."""

import numpy as np

from backlit.core.activations import log1p, magnitude, positive_part
from backlit.core.losses._record import Loss, ShortForm, clipped, log_slope, register_loss

BINARY_CROSS_ENTROPY = register_loss(
    Loss(
        "binary_cross_entropy",
        lambda a, y: -(y * np.log(clipped(a)) + (1 - y) * np.log(clipped(1 - a))).sum(axis=1),
        lambda a, y: -y * log_slope(a) + (1 - y) * log_slope(1 - a),
        outputs=(0, 1),
        targets=(0, 1),
        formula=lambda a, y, f: y * f.log(a) + (1 - y) * f.log(1 - a),
        total=lambda s, n, f: -s,
        gradient_formula=lambda a, y, n, f: -f.ratio(y, a) + f.ratio(1 - y, 1 - a),
        short_forms={
            "sigmoid": ShortForm(
                lambda u, y: (positive_part(u) - y * u + log1p(np.exp(-magnitude(u)))).sum(axis=1),  # ln(1 + e^u) − y u
                r"\Bigl(-\frac{y}{p} + \frac{1 - y}{1 - p}\Bigr)\, p (1 - p) = p - y",
            )
        },
    )
)
