"""Activations without a kink: identity, sigmoid, tanh, softsign, softplus and exp."""

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

# A layer of sums alone.
IDENTITY = register_activation(
    Activation(
        "identity",
        lambda u: u,
        np.ones_like,
        formula=lambda u, f: u,
        derivative_formula=lambda u, f: f(1),
        symbol=("id", r"\operatorname{id}", '"id"'),
        homogeneous=True,
    )
)


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


# A probability of yes.
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


# Comes to its ends slowly, and is a fraction where u is one.
SOFTSIGN = register_activation(
    Activation(
        "softsign",
        lambda u: u / (1 + magnitude(u)),
        lambda u: 1 / (1 + magnitude(u)) ** 2,
        range=(-1, 1),
        creases=(0.0,),
        formula=lambda u, f: u / (1 + f.abs(u)),
        derivative_formula=lambda u, f: 1 / (1 + f.abs(u)) ** 2,
        derivative_of_output=lambda h, f: (1 - f.abs(h)) ** 2,
        onnx=("Softsign", {}),
        source="Bergstra, Desjardins, Lamblin & Bengio 2009",
    )
)


def softplus(u: Array) -> Array:
    """ln(1 + e^u) = max(u, 0) + ln(1 + e^{−|u|})."""
    return positive_part(u) + log1p(np.exp(-magnitude(u)))


# A ReLU without a kink, whose slope is the sigmoid.
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


# For outputs that are rates.
EXP = register_activation(
    Activation(
        "exp",
        np.exp,
        np.exp,
        range=(0, INF),
        formula=lambda u, f: f.exp(u),
        derivative_formula=lambda u, f: f.exp(u),
        derivative_of_output=lambda h, f: h,
        symbol=("exp", r"\exp", "exp"),
        onnx=("Exp", {}),
        exponential=True,
    )
)
