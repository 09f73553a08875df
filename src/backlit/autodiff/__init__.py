"""Reverse-mode automatic differentiation of plain NumPy code.

Read `graph` for the graph and the chain rule, and `rules` for what each function does to a gradient.

>>> import numpy as np
>>> gradient(lambda x: np.sum(np.tanh(x) ** 2), np.array([0.0, 1.0]))
array([0.        , 0.63970001])
"""

from backlit.autodiff.draw import to_svg
from backlit.autodiff.functions import Graph, derivative, gradient, record, value_and_gradient, value_and_slope
from backlit.autodiff.graph import Gradients, Var, backward, topological_order
from backlit.autodiff.rules import RULES, AutodiffError, Rule, elementwise
from backlit.autodiff.steps import primitive

__all__ = [
    "RULES",
    "AutodiffError",
    "Gradients",
    "Graph",
    "Rule",
    "Var",
    "backward",
    "derivative",
    "elementwise",
    "gradient",
    "primitive",
    "record",
    "to_svg",
    "topological_order",
    "value_and_gradient",
    "value_and_slope",
]
