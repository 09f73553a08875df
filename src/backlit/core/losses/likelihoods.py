"""Losses that are negative log-likelihoods: of classes, of yes or no, and of counts."""

import numpy as np

from backlit.core.activations import log1p, log_softmax, magnitude, positive_part
from backlit.core.losses._record import INF, Loss, ShortForm, clipped, log_slope, register_loss

# Of classes, given their probabilities.
CROSS_ENTROPY = register_loss(
    Loss(
        "cross_entropy",
        lambda a, y: -(y * np.log(clipped(a))).sum(axis=1),
        lambda a, y: -y * log_slope(a),
        outputs=(0, INF),
        targets=(0, 1),
        classes=True,
        formula=lambda a, y, f: y * f.log(a),
        total=lambda s, n, f: -s,
        gradient_formula=lambda a, y, n, f: -f.ratio(y, a),
        short_forms={
            "softmax": ShortForm(
                lambda u, y: -(y * log_softmax(u)).sum(axis=1),
                r"\sum_k -\frac{y_k}{p_k}\, p_k ([k = j] - p_j) = p_j \sum_k y_k - y_j = p_j - y_j",
            )
        },
    )
)


# Of a yes or no for each output, given the probability of yes.
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


# Of a count y with mean a, less its constant ln y!.
POISSON = register_loss(
    Loss(
        "poisson",
        lambda a, y: (a - y * np.log(clipped(a))).sum(axis=1),
        lambda a, y: 1 - y * log_slope(a),
        outputs=(0, INF),
        targets=(0, INF),
        formula=lambda a, y, f: a - y * f.log(a),
        gradient_formula=lambda a, y, n, f: 1 - f.ratio(y, a),
        short_forms={
            "exp": ShortForm(
                lambda u, y: (np.exp(u) - y * u).sum(axis=1),
                r"\Bigl(1 - \frac{y}{p}\Bigr)\, p = p - y",
            )
        },
    )
)
