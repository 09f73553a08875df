"""ELU scaled so that, with LeCun initialization, mean 0 and variance 1 are kept from layer to layer."""

import numpy as np

from backlit.core.activations._record import INF, Activation, negative_part, positive_part, register_activation

SELU_SCALE, SELU_ALPHA = 1.0507009873554804934193349852946, 1.6732632423543772848170429916717

SELU = register_activation(
    Activation(
        "selu",
        lambda u: SELU_SCALE * (positive_part(u) + SELU_ALPHA * np.expm1(negative_part(u))),
        lambda u: SELU_SCALE * np.where(u > 0, 1, SELU_ALPHA * np.exp(negative_part(u))),
        range=(-SELU_SCALE * SELU_ALPHA, INF),
        kinks=(0.0,),
        creases=(0.0,),
        formula=lambda u, f: f(SELU_SCALE) * (f.max(u, 0) + f(SELU_ALPHA) * (f.exp(f.min(u, 0)) - 1)),
        derivative_formula=lambda u, f: (
            f(SELU_SCALE) * (f.holds(u, ">", 0) + f(SELU_ALPHA) * f.exp(f.min(u, 0)) * f.holds(u, "≤", 0))
        ),
        onnx=("Selu", {"alpha": SELU_ALPHA, "gamma": SELU_SCALE}),
        rectifier=True,
        source="Klambauer, Unterthiner, Mayr & Hochreiter 2017",
    )
)
