"""Activations, one record each: the function beside its derivative, formula, range and all else that is known of it.

Every function takes u of any shape and any of float32, float64 and complex128 (so that a complex step can pass
through it), never overflows where its value is finite, and lets NaN through.  φ' is a function of u, never of φ(u); at
a kink it is the slope from the left for the ReLU family and 0 for hard tanh.

The table loads every file of this folder, so one that is put here adds its activation; `register_activation` adds one
from anywhere else.

>>> import numpy as np
>>> relu = get_activation("relu")
>>> relu.function(np.array([-1.0, 2.0])), relu.derivative(np.array([-1.0, 2.0]))
(array([0., 2.]), array([0., 1.]))
"""

import sys

from backlit.core.activations import piecewise, smooth
from backlit.core.activations._record import (
    ACTIVATIONS,
    Activation,
    get_activation,
    log1p,
    magnitude,
    negative_part,
    positive_part,
    register_activation,
    step,
)
from backlit.core.activations.piecewise import elu, leaky_relu
from backlit.core.activations.smooth import normal_cdf, normal_pdf, sigmoid, sigmoid_slope, softplus, tanh_slope
from backlit.core.activations.softmax import log_softmax, softmax, softmax_diagonal, softmax_pull_back

ACTIVATIONS.load(__package__, shipped=(
    *("identity", "sigmoid", "tanh", "relu", "leaky_relu", "elu", "selu", "gelu", "silu"),
    *("softplus", "mish", "hard_tanh", "softsign", "exp", "softmax"),
))  # fmt: skip
# Pickles look for these functions in modules of their names, which would take the functions' place if they were loaded.
sys.modules.update({f"{__package__}.{name}": smooth for name in ("sigmoid", "softplus")})
sys.modules.update({f"{__package__}.{name}": piecewise for name in ("elu", "leaky_relu")})

__all__ = [
    "ACTIVATIONS",
    "Activation",
    "elu",
    "get_activation",
    "leaky_relu",
    "log1p",
    "log_softmax",
    "magnitude",
    "negative_part",
    "normal_cdf",
    "normal_pdf",
    "positive_part",
    "register_activation",
    "sigmoid",
    "sigmoid_slope",
    "softmax",
    "softmax_diagonal",
    "softmax_pull_back",
    "softplus",
    "step",
    "tanh_slope",
]
