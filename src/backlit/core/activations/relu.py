"""The rectified linear unit."""

from backlit.core.activations._pieces import positive_part, step
from backlit.core.activations._record import INF, Activation, register_activation

RELU = register_activation(
    Activation(
        "relu",
        positive_part,
        step,
        range=(0, INF),
        kinks=(0.0,),
        formula=lambda u, f: f.max(u, 0),
        derivative_formula=lambda u, f: f.holds(u, ">", 0),
        onnx=("Relu", {}),
        homogeneous=True,
        rectifier=True,
        source="Nair & Hinton 2010",
    )
)
