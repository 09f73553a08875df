"""Probabilities of K classes from K scores; it mixes the units of an example, and is for outputs."""

from backlit.core.activations._pieces import softmax, softmax_diagonal, softmax_pull_back
from backlit.core.activations._record import Activation, register_activation

SOFTMAX = register_activation(
    Activation(
        "softmax",
        softmax,
        softmax_diagonal,
        latex=r"\frac{e^{u_k}}{\sum_j e^{u_j}}",
        derivative_latex=r"p_k\,([k = j] - p_j)",
        range=(0, 1),
        pull_back=softmax_pull_back,
        derivative_of_output=lambda h, f: h * (1 - h),
        onnx=("Softmax", {"axis": 1}),
        source="Bridle 1990",
    )
)
