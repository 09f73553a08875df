"""u weighted by the probability that a standard normal number is less."""

from backlit.core.activations._pieces import normal_cdf, normal_pdf
from backlit.core.activations._record import INF, Activation, register_activation

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
