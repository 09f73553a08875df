"""Activations put together from pieces, with a kink or a crease between them: ReLU and its kin, and hard tanh."""

import numpy as np

from backlit.core.activations._record import (
    INF,
    Activation,
    negative_part,
    positive_part,
    register_activation,
    step,
)

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


SELU_SCALE, SELU_ALPHA = 1.0507009873554804934193349852946, 1.6732632423543772848170429916717

# ELU scaled so that, with LeCun initialization, mean 0 and variance 1 are kept from layer to layer.
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


# u cut off at −1 and 1.
HARD_TANH = register_activation(
    Activation(
        "hard_tanh",
        lambda u: np.where(np.abs(u.real) < 1, u, np.sign(u.real)),
        lambda u: step(1 - np.abs(u)),
        range=(-1, 1),
        kinks=(-1.0, 1.0),
        formula=lambda u, f: f.min(f.max(u, -1), 1),
        derivative_formula=lambda u, f: f.holds(f.abs(u), "<", 1),
        source="Collobert 2004",
    )
)
