"""Activations, one a file: each function beside its derivative, formula, range and all else that is known of it.

Every function takes u of any shape and any of float32, float64 and complex128 (so that a complex step can pass
through it), never overflows where its value is finite, and lets NaN through.  φ' is a function of u, never of φ(u); at
a kink it is the slope from the left for the ReLU family and 0 for hard tanh.

A file that is put into this folder is an activation more; `register_activation` adds one from anywhere else.

>>> import numpy as np
>>> relu = get_activation("relu")
>>> relu.function(np.array([-1.0, 2.0])), relu.derivative(np.array([-1.0, 2.0]))
(array([0., 2.]), array([0., 1.]))
"""

from backlit.core.activations._loaded import ACTIVATIONS
from backlit.core.activations._pieces import (
    log1p,
    log_softmax,
    magnitude,
    negative_part,
    normal_cdf,
    normal_pdf,
    positive_part,
    sigmoid,
    sigmoid_slope,
    softmax,
    softmax_diagonal,
    softmax_pull_back,
    softplus,
    step,
    tanh_slope,
)
from backlit.core.activations._record import Activation, get_activation, register_activation
from backlit.core.activations.elu import elu
from backlit.core.activations.leaky_relu import leaky_relu

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
