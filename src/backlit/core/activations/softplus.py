"""A ReLU without a kink, whose slope is the sigmoid."""

from backlit.core.activations._pieces import sigmoid, softplus
from backlit.core.activations._record import INF, Activation, register_activation

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
