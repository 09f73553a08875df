"""The exponential linear unit."""

import numpy as np

from backlit.core.activations._record import INF, Activation, negative_part, positive_part, register_activation


@register_activation
def elu(alpha: float = 1.0) -> Activation:
    """ELU, which goes to −`alpha` far below 0."""
    return Activation(
        "elu",
        lambda u: positive_part(u) + alpha * np.expm1(negative_part(u)),
        lambda u: np.where(u > 0, 1, alpha * np.exp(negative_part(u))),
        range=(min(-alpha, 0), INF),
        kinks=() if alpha == 1 else (0.0,),
        creases=(0.0,),
        parameters={"alpha": alpha},
        formula=lambda u, f: f.max(u, 0) + f(alpha) * (f.exp(f.min(u, 0)) - 1),
        derivative_formula=lambda u, f: f.holds(u, ">", 0) + f(alpha) * f.exp(f.min(u, 0)) * f.holds(u, "≤", 0),
        onnx=("Elu", {"alpha": alpha}),
        rectifier=True,
        source="Clevert, Unterthiner & Hochreiter 2016",
    )
