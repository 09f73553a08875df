"""Activations without a kink: identity, sigmoid, tanh, softsign, softplus and exp; and u times a gate of its own.

SiLU's gate is the sigmoid, GELU's Φ, Mish's the tanh of softplus.
"""

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

# --- u times a gate --------------------------------------------------------------------------------------------------

# Also called swish.
SILU = register_activation(
    Activation(
        "silu",
        lambda u: u * sigmoid(u),
        lambda u: sigmoid(u) * (1 + u * sigmoid(-u)),
        range=(-0.27846454276107379, INF),
        formula=lambda u, f: u * f.sigmoid(u),
        derivative_formula=lambda u, f: f.sigmoid(u) * (1 + u * (1 - f.sigmoid(u))),
        source="Elfwing, Uchibe & Doya 2018",
    )
)


def normal_cdf(u: Array) -> Array:
    """Φ(u) = ½ erfc(−u/√2), accurate in both tails."""
    from scipy.special import erfc  # loaded when first needed: half of SciPy comes with it

    return 0.5 * erfc(-u * u.dtype.type(0.5**0.5))


def normal_pdf(u: Array) -> Array:
    """e^{−u²/2} / √(2π)."""
    return np.exp(-0.5 * u * u) * u.dtype.type((2 * np.pi) ** -0.5)


GELU = register_activation(
    Activation(
        "gelu",
        lambda u: u * normal_cdf(u),
        lambda u: normal_cdf(u) + u * normal_pdf(u),
        range=(-0.16997120747990369, INF),
        formula=lambda u, f: u * f.Phi(u),
        derivative_formula=lambda u, f: f.Phi(u) + u * f.phi(u),
        onnx=("Gelu", {"approximate": "none"}),
        source="Hendrycks & Gimpel 2016",
    )
)


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
