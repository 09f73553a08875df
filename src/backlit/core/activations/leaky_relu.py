"""ReLU with a little slope below 0, so that no unit dies."""

import numpy as np

from backlit.core.activations._record import INF, Activation, register_activation, step


@register_activation
def leaky_relu(alpha: float = 0.01) -> Activation:
    """Leaky ReLU with slope `alpha` below 0."""
    return Activation(
        "leaky_relu",
        lambda u: np.where(u.real <= 0, alpha * u, u),
        lambda u: step(u, below=alpha),
        range=(-INF if alpha > 0 else 0, INF),
        kinks=(0.0,),
        parameters={"alpha": alpha},
        formula=lambda u, f: f.max(u, 0) + f(alpha) * f.min(u, 0),
        derivative_formula=lambda u, f: f.holds(u, ">", 0) + f(alpha) * f.holds(u, "≤", 0),
        onnx=("LeakyRelu", {"alpha": alpha}),
        homogeneous=True,
        rectifier=True,
        source="Maas, Hannun & Ng 2013",
    )
