"""The hyperbolic tangent."""

import numpy as np

from backlit.core.activations._pieces import tanh_slope
from backlit.core.activations._record import Activation, register_activation

TANH = register_activation(
    Activation(
        "tanh",
        np.tanh,
        tanh_slope,
        range=(-1, 1),
        formula=lambda u, f: f.tanh(u),
        derivative_formula=lambda u, f: 1 - f.tanh(u) ** 2,
        meaning=lambda u, f: (f.exp(u) - f.exp(-u)) / (f.exp(u) + f.exp(-u)),
        derivative_of_output=lambda h, f: 1 - h**2,
        symbol=("tanh", r"\tanh", "tanh"),
        onnx=("Tanh", {}),
    )
)
