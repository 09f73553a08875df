"""Activations as ONNX operators, and the graph in the making that they go into."""

from collections.abc import Sequence
from typing import Any

import numpy as np

from backlit.core.activations import Activation
from backlit.core.formulas import Arithmetic, Operand, Unsupported
from backlit.errors import ModelError


class Graph:
    """Collects nodes and constants; each method gives the name of its result.

    dtype : of constants that are floats.  prefix : of the names that are given here.
    """

    def __init__(self, dtype: Any, prefix: str = ""):
        self.dtype, self.prefix = np.dtype(dtype), prefix
        self.nodes: list[Any] = []
        self.constants: list[Any] = []

    def part(self, prefix: str, dtype: Any) -> "Graph":
        """The same graph for what has names of its own."""
        part = Graph(dtype, prefix)
        part.nodes, part.constants = self.nodes, self.constants
        return part

    def constant(self, value: Any, name: str) -> str:
        """A constant array, floats in the model's dtype."""
        from onnx import numpy_helper

        array = np.asarray(value)
        array, name = array.astype(self.dtype) if array.dtype.kind == "f" else array, self.prefix + name
        self.constants.append(numpy_helper.from_array(np.ascontiguousarray(array), name))
        return name

    def add(self, operator: str, inputs: list[str], name: str, **attributes: Any) -> str:
        """An operator's output."""
        from onnx import helper

        name = self.prefix + name
        self.nodes.append(helper.make_node(operator, inputs, [name], name=f"node_{name}", **attributes))
        return name

    def between(self, operator: str, *inputs: str, **attributes: Any) -> str:
        """The output of an operator on the way to another one's, under a name of its own."""
        return self.add(operator, list(inputs), f"step{len(self.nodes)}", **attributes)

    def number(self, x: float) -> str:
        """A number."""
        return self.constant(x, f"number{len(self.constants)}")

    def split(self, a: str, sizes: Sequence[int], name: str) -> list[str]:
        """The columns of each group."""
        from onnx import helper

        names = [f"{self.prefix}{name}{k}" for k in range(len(sizes))]
        lengths = self.constant(np.array(sizes, np.int64), f"{name}_sizes")
        self.nodes.append(helper.make_node("Split", [a, lengths], names, name=f"node_{self.prefix}{name}", axis=1))
        return names


FLOAT32_ALONE = ("LeakyRelu", "Elu", "Selu", "Gelu", "Softplus", "Mish", "Softsign")
SIGNS = {"+": "Add", "-": "Sub", "*": "Mul", "/": "Div", "**": "Pow", "neg": "Neg"}
NAMES = {
    "exp": "Exp",
    "ln": "Log",
    "tanh": "Tanh",
    "sigmoid": "Sigmoid",
    "sqrt": "Sqrt",
    "abs": "Abs",
    "sign": "Sign",
    "max": "Max",
    "min": "Min",
}


def activate(graph: Graph, phi: Activation, u: str, name: str) -> str:
    """h from u.  Raises ModelError for an activation whose record says neither an operator nor a formula for it."""
    if (groups := phi.groups) is not None:
        parts = graph.split(u, groups.sizes, f"{name}_group")
        return graph.add("Concat", [graph.between("Softmax", part, axis=1) for part in parts], name, axis=1)
    if phi.onnx is not None and not (graph.dtype == np.float64 and phi.onnx[0] in FLOAT32_ALONE):
        return graph.add(phi.onnx[0], [u], name, **phi.onnx[1])
    if phi.formula is None:
        raise ModelError(f"activation {phi.name} is not one of Backlit's, and ONNX has no operator for it")
    try:
        made = phi.formula(Node(graph, u), arithmetic(graph)).name
        return u if made == u else graph.add("Identity", [made], name)
    except Unsupported as missing:
        raise ModelError(f"activation {phi.name} is made of {missing}, and ONNX has no operator for that") from None


class Node(Operand):
    """What a node of the graph gives."""

    def __init__(self, graph: Graph, name: str):
        self.graph, self.name = graph, name

    def combined(self, sign: str, *operands: Any) -> "Node":
        """The operator of a sign."""
        return Node(self.graph, self.graph.between(SIGNS[sign], *(name_of(self.graph, x) for x in operands)))


def name_of(graph: Graph, x: Any) -> str:
    """The name of a node, or of a constant for a number."""
    return x.name if isinstance(x, Node) else graph.number(float(x))


def arithmetic(graph: Graph) -> Arithmetic:
    """Formulas as nodes of this graph."""

    def function(name: str, *args: Any) -> Node:
        if name in MADE:
            return MADE[name](graph, *args)
        if name not in NAMES:
            raise Unsupported(name)
        return Node(graph, graph.between(NAMES[name], *(name_of(graph, x) for x in args)))

    return Arithmetic(lambda value: Node(graph, graph.number(value)), function)


def softplus(graph: Graph, u: Node) -> Node:
    """max(u, 0) + ln(1 + exp(−|u|)), which overflows nowhere."""
    f = arithmetic(graph)
    return f.max(u, 0) + f.ln(1 + f.exp(-f.abs(u)))


def normal_cdf(graph: Graph, u: Node) -> Node:
    """(1 + erf(u/√2))/2, with erf in float32."""
    from onnx import TensorProto

    single = graph.between("Erf", graph.between("Cast", (u * 0.5**0.5).name, to=TensorProto.FLOAT))
    kind = TensorProto.DOUBLE if graph.dtype == np.float64 else TensorProto.FLOAT
    return (1 + Node(graph, graph.between("Cast", single, to=kind))) * 0.5


MADE = {"softplus": softplus, "Phi": normal_cdf}
