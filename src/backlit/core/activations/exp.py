"""The exponential, for outputs that are rates."""

import numpy as np

from backlit.core.activations._record import INF, Activation, register_activation

EXP = register_activation(
    Activation(
        "exp",
        np.exp,
        np.exp,
        range=(0, INF),
        formula=lambda u, f: f.exp(u),
        derivative_formula=lambda u, f: f.exp(u),
        derivative_of_output=lambda h, f: h,
        symbol=("exp", r"\exp", "exp"),
        onnx=("Exp", {}),
        exponential=True,
    )
)
