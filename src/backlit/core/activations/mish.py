"""u weighted by the tanh of its softplus."""

import numpy as np

from backlit.core.activations._record import INF, Activation, register_activation
from backlit.core.activations.sigmoid import sigmoid
from backlit.core.activations.softplus import softplus
from backlit.core.activations.tanh import tanh_slope

MISH = register_activation(
    Activation(
        "mish",
        lambda u: u * np.tanh(softplus(u)),
        lambda u: np.tanh(softplus(u)) + u * tanh_slope(softplus(u)) * sigmoid(u),
        range=(-0.30884341301725043, INF),
        formula=lambda u, f: u * f.tanh(f.softplus(u)),
        derivative_formula=lambda u, f: f.tanh(f.softplus(u)) + u * (1 - f.tanh(f.softplus(u)) ** 2) * f.sigmoid(u),
        onnx=("Mish", {}),
        source="Misra 2020",
    )
)
