"""The negative log-likelihood of classes, given their probabilities."""

import numpy as np

from backlit.core.activations import log_softmax
from backlit.core.losses._record import INF, Loss, ShortForm, clipped, log_slope, register_loss

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
