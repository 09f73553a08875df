"""The logistic function, a probability of yes."""

import numpy as np

from backlit.core.activations._record import Activation, Array, magnitude, register_activation


def sigmoid(u: Array) -> Array:
    """1 / (1 + e^{−u}), written with e^{−|u|} so that nothing overflows.

    >>> sigmoid(np.array([-1e4, 0.0, 1e4]))
    array([0. , 0.5, 1. ])
    """
    e = np.exp(-magnitude(u))
    return np.where(u.real <= 0, e, 1) / (1 + e)


def sigmoid_slope(u: Array) -> Array:
    """σ(u) (1 − σ(u)), where 1 − σ(u) = σ(−u) keeps its digits for large u."""
    return sigmoid(u) * sigmoid(-u)


SIGMOID = register_activation(
    Activation(
        "sigmoid",
        sigmoid,
        sigmoid_slope,
        range=(0, 1),
        formula=lambda u, f: 1 / (1 + f.exp(-u)),
        derivative_formula=lambda u, f: f.sigmoid(u) * (1 - f.sigmoid(u)),
        derivative_of_output=lambda h, f: h * (1 - h),
        symbol=("σ", r"\sigma", "sigma"),
        onnx=("Sigmoid", {}),
    )
)
