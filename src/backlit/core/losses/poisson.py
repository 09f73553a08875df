"""The negative log-likelihood of a count y with mean a, less its constant ln y!."""

import numpy as np

from backlit.core.losses._record import INF, Loss, ShortForm, clipped, log_slope, register_loss

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
