"""Activations as ONNX operators.

Most are one operator.  onnxruntime has some of those for float32 alone; in float64 they are made of operators that it
has for both: max(u, 0), |u|, exp, ln, tanh and arithmetic.  Φ(u) is made of erf in float32, the only one there is, so a
GELU in float64 is right to 1e-7 u.
"""

from collections.abc import Callable
from typing import Any

import numpy as np

from backlit.core.activations import SELU_ALPHA, SELU_SCALE, Activation
from backlit.core.groups import groups_of
from backlit.errors import ModelError
from backlit.io.exchange.onnx_graph import Graph

# activation: operator and attributes; those that take more than one operator are in `activate` and IN_FLOAT64
OPERATORS: dict[str, tuple[str, dict[str, Any]]] = {
    "sigmoid": ("Sigmoid", {}),
    "tanh": ("Tanh", {}),
    "relu": ("Relu", {}),
    "leaky_relu": ("LeakyRelu", {}),
    "elu": ("Elu", {}),
    "selu": ("Selu", {"alpha": SELU_ALPHA, "gamma": SELU_SCALE}),
    "gelu": ("Gelu", {"approximate": "none"}),
    "softplus": ("Softplus", {}),
    "mish": ("Mish", {}),
    "softsign": ("Softsign", {}),
    "exp": ("Exp", {}),
    "softmax": ("Softmax", {"axis": 1}),
}


def activate(graph: Graph, phi: Activation, u: str, name: str) -> str:
    """h from u.  Raises ModelError for an activation that is not one of Backlit's."""
    if phi.name == "identity":
        return u
    if phi.name == "silu":
        return graph.add("Mul", [u, graph.between("Sigmoid", u)], name)
    if phi.name == "hard_tanh":
        return graph.add("Clip", [u, graph.number(-1.0), graph.number(1.0)], name)
    if (groups := groups_of(phi)) is not None:
        parts = graph.split(u, groups.sizes, f"{name}_group")
        return graph.add("Concat", [graph.between("Softmax", part, axis=1) for part in parts], name, axis=1)
    if phi.name not in OPERATORS:
        raise ModelError(f"activation {phi.name} is not one of Backlit's, and ONNX has no operator for it")
    if graph.dtype == np.float64 and phi.name in IN_FLOAT64:
        return graph.add("Identity", [IN_FLOAT64[phi.name](graph, u, **phi.parameters)], name)
    operator, attributes = OPERATORS[phi.name]
    return graph.add(operator, [u], name, **attributes, **phi.parameters)


# --- what onnxruntime lacks in float64 ----------------------------------------------------------------------------


def parts(graph: Graph, u: str) -> tuple[str, str]:
    """max(u, 0) and max(−u, 0)."""
    return graph.between("Relu", u), graph.between("Relu", graph.between("Neg", u))


def leaky_relu(graph: Graph, u: str, alpha: float) -> str:
    """max(u, 0) − α max(−u, 0)."""
    up, down = parts(graph, u)
    return graph.between("Sub", up, graph.between("Mul", graph.number(alpha), down))


def elu(graph: Graph, u: str, alpha: float) -> str:
    """max(u, 0) + α (exp(−max(−u, 0)) − 1)."""
    up, down = parts(graph, u)
    below = graph.between("Sub", graph.between("Exp", graph.between("Neg", down)), graph.number(1.0))
    return graph.between("Add", up, graph.between("Mul", graph.number(alpha), below))


def selu(graph: Graph, u: str) -> str:
    """λ ELU."""
    return graph.between("Mul", graph.number(SELU_SCALE), elu(graph, u, SELU_ALPHA))


def softplus(graph: Graph, u: str) -> str:
    """max(u, 0) + ln(1 + exp(−|u|))."""
    small = graph.between("Exp", graph.between("Neg", graph.between("Abs", u)))
    return graph.between(
        "Add", graph.between("Relu", u), graph.between("Log", graph.between("Add", graph.number(1.0), small))
    )


def mish(graph: Graph, u: str) -> str:
    """u tanh(softplus(u))."""
    return graph.between("Mul", u, graph.between("Tanh", softplus(graph, u)))


def softsign(graph: Graph, u: str) -> str:
    """u / (1 + |u|)."""
    return graph.between("Div", u, graph.between("Add", graph.number(1.0), graph.between("Abs", u)))


def gelu(graph: Graph, u: str) -> str:
    """u (1 + erf(u/√2))/2."""
    from onnx import TensorProto

    scaled = graph.between("Mul", u, graph.number(0.5**0.5))
    single = graph.between("Erf", graph.between("Cast", scaled, to=TensorProto.FLOAT))
    erf = graph.between("Cast", single, to=TensorProto.DOUBLE)
    half = graph.between("Mul", graph.number(0.5), graph.between("Add", graph.number(1.0), erf))
    return graph.between("Mul", u, half)


IN_FLOAT64: dict[str, Callable[..., str]] = {
    "leaky_relu": leaky_relu,
    "elu": elu,
    "selu": selu,
    "gelu": gelu,
    "softplus": softplus,
    "mish": mish,
    "softsign": softsign,
}
