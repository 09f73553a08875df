"""The logistic function, a probability of yes."""

from backlit.core.activations._pieces import sigmoid, sigmoid_slope
from backlit.core.activations._record import Activation, register_activation

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
