"""The rectified linear unit."""

from backlit.core.activations._record import INF, Activation, positive_part, register_activation, step

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
