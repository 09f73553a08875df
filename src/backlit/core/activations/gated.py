"""Activations that weight u by a gate of its own: SiLU by its sigmoid, GELU by Φ(u), Mish by the tanh of softplus."""

import numpy as np

from backlit.core.activations._record import INF, Activation, Array, register_activation
from backlit.core.activations.smooth import sigmoid, softplus, tanh_slope

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
