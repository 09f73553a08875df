"""A ReLU without a kink, whose slope is the sigmoid."""

import numpy as np

from backlit.core.activations._record import (
    INF,
    Activation,
    Array,
    log1p,
    magnitude,
    positive_part,
    register_activation,
)
from backlit.core.activations.sigmoid import sigmoid


def softplus(u: Array) -> Array:
    """ln(1 + e^u) = max(u, 0) + ln(1 + e^{−|u|})."""
    return positive_part(u) + log1p(np.exp(-magnitude(u)))


SOFTPLUS = register_activation(
    Activation(
        "softplus",
        softplus,
        sigmoid,
        range=(0, INF),
        formula=lambda u, f: f.softplus(u),
        derivative_formula=lambda u, f: f.sigmoid(u),
        derivative_of_output=lambda h, f: 1 - f.exp(-h),
        onnx=("Softplus", {}),
        source="Dugas, Bengio, Bélisle, Nadeau & Garcia 2001",
    )
)
