"""u weighted by the probability that a standard normal number is less."""

import numpy as np

from backlit.core.activations._record import INF, Activation, Array, register_activation


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
