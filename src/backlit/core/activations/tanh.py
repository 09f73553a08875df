"""The hyperbolic tangent."""

import numpy as np

from backlit.core.activations._record import Activation, Array, register_activation


def tanh_slope(u: Array) -> Array:
    """1 − tanh² u = 4 e^{−2|u|} / (1 + e^{−2|u|})², which keeps its digits for large u."""
    e = np.exp(np.where(u.real <= 0, 2 * u, -2 * u))  # e^{−2|u|}
    return 4 * e / (1 + e) ** 2


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
