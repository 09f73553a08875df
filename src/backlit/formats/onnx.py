"""Write a model as ONNX, which other runtimes load: the same outputs, and labels where the model has classes.

The graph takes the features `X` (n, n_0), as the model's encoder makes them from a table.  It gives `outputs`, what the
last layer gives, (n, n_L); for classification also `probabilities` (n, K) and `label` (n,).  Where an example has
several labels: for a yes or no each, `probabilities` of yes and `label` of 0 and 1, both (n, k); for classes of their
own, `probabilities_0` (n, K_0) and `label_0` (n,), `probabilities_1` … for the columns of y.  Opset 20 of the standard
operators, which onnxruntime has since 1.17.  Needs the package `onnx` (pip install "backlit[onnx]").
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from backlit._version import __version__
from backlit.core.activations import Activation
from backlit.core.formulas import Arithmetic, Operand, Unsupported
from backlit.core.network import Dense
from backlit.core.norms import norm_of
from backlit.errors import BacklitError, ModelError
from backlit.files import atomic_write
from backlit.formats.models import Model
from backlit.tables.target import Label

__all__ = ["export_onnx"]

OPSET, IR_VERSION = 20, 9
Heads = Sequence[Sequence[Label]]


def export_onnx(model: Model, path: str | Path, heads: Heads = ()) -> None:
    """Write a model as ONNX; dropout is left out, and batch norm goes by its running moments.

    Parameters
    ----------
    model : Model
        The model.
    path : str or Path
        The file; one that is there is replaced.
    heads : sequence of sequences of labels, default ()
        The classes of each label, if an example has several labels.

    Raises
    ------
    ModelError
        If an activation is not one of Backlit's.
    BacklitError
        If the package `onnx` is not installed, or the file cannot be written.

    Examples
    --------
    >>> import onnx, os, tempfile
    >>> from backlit.core.network import Network
    >>> from backlit.core.parameters import Statistics
    >>> net = Network(2, [Dense(3, "relu"), Dense(1)])
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     export_onnx(Model(net.init(), Statistics(net)), f"{folder}/net.onnx")
    ...     os.listdir(folder)
    ['net.onnx']
    """
    require_onnx()
    write(build(model, heads), path)


def build(model: Model, heads: Heads = ()) -> Any:
    """The ONNX model; see `export_onnx`."""
    from onnx import TensorProto, helper

    net, params = model.net, model.params
    graph = Graph(params.theta.dtype)
    kind = helper.np_dtype_to_tensor_dtype(params.theta.dtype)
    a_L = network_output(graph, model, "X")
    outputs = [value("outputs", kind, net.outputs)]
    graph.add("Identity", [a_L], "outputs")
    if model.target is not None and model.target.task == "classification":
        outputs += classify(graph, model, a_L, kind)
    elif heads and net.layers[-1].activation.name == "sigmoid":
        outputs += yes_or_no(graph, a_L, kind, len(heads))
    elif heads:
        for k, p in enumerate(graph.split(a_L, [len(classes) for classes in heads], "head")):
            graph.add("Identity", [p], f"probabilities_{k}")
            outputs.append(value(f"probabilities_{k}", kind, len(heads[k])))
            outputs.append(choose(graph, p, heads[k], f"label_{k}"))
    content = file_of(graph, [value("X", kind, net.inputs)], outputs)
    if model.encoder is not None:
        helper.set_model_props(content, {"features": "\n".join(model.encoder.feature_names_out)})
    assert kind in (TensorProto.FLOAT, TensorProto.DOUBLE)
    return content


def network_output(graph: Graph, model: Model, X: str) -> str:
    """a_L (n, n_L) of features X (n, n_0)."""
    a = [X]
    for l, layer in model.net.numbered():
        W, b = graph.constant(model.params.W[l], f"W{l}"), graph.constant(model.params.b[l], f"b{l}")
        z = graph.add("Gemm", [a[l - 1], W, b], f"z{l}", transB=1)
        u = normalize(graph, model, l, layer, z)
        h = activate(graph, layer.activation, u, f"h{l}")
        a.append(skip(graph, layer, h, a, l))
    return a[-1]


def file_of(graph: Graph, inputs: list[Any], outputs: list[Any], *more: Any) -> Any:
    """The ONNX model of a graph.  more : sets of operators beside the standard ones."""
    from onnx import helper

    return helper.make_model(
        helper.make_graph(graph.nodes, "backlit", inputs, outputs, graph.constants),
        opset_imports=[helper.make_opsetid("", OPSET), *more],
        ir_version=IR_VERSION,
        producer_name="backlit",
        producer_version=__version__,
    )


def write(content: Any, path: str | Path) -> None:
    """Check an ONNX model and write it, whole or not at all."""
    import onnx

    onnx.checker.check_model(content, full_check=True)
    with atomic_write(path) as temporary:
        temporary.write_bytes(content.SerializeToString())


def require_onnx() -> None:
    """Raise BacklitError, in one line, if the package is not installed."""
    try:
        import onnx  # noqa: F401  whether it is there
    except ImportError:
        raise BacklitError('writing ONNX needs the package onnx: pip install "backlit[onnx]"') from None


def value(name: str, kind: int, columns: int | None) -> Any:
    """An input or output: n rows of `columns`, or (n,) where it has none."""
    from onnx import helper

    return helper.make_tensor_value_info(name, kind, ["n"] if columns is None else ["n", columns])


def normalize(graph: Graph, model: Model, l: int, layer: Dense, z: str) -> str:
    """u from z."""
    if layer.norm is None:
        return z
    gamma = graph.constant(model.params.gamma[l], f"gamma{l}")
    beta = graph.constant(model.params.beta[l], f"beta{l}")
    norm = norm_of(layer)
    if not norm.running:
        return graph.add(norm.onnx, [z, gamma, beta], f"u{l}", axis=norm.axis, epsilon=layer.eps)
    mean = graph.constant(model.statistics.mean[l], f"mean{l}")
    variance = graph.constant(model.statistics.variance[l], f"variance{l}")
    return graph.add(norm.onnx, [z, gamma, beta, mean, variance], f"u{l}", epsilon=layer.eps)


def skip(graph: Graph, layer: Dense, h: str, a: list[str], l: int) -> str:
    """The layer's output a from h."""
    if layer.skip_from is None:
        return h
    scaled = graph.add("Mul", [a[layer.skip_from], graph.constant(layer.skip_scale, f"s{l}")], f"skip{l}")
    return graph.add("Add", [h, scaled], f"a{l}")


def classify(graph: Graph, model: Model, a: str, kind: int) -> list[Any]:
    """Probabilities of the classes and the likeliest label."""
    assert model.target is not None
    classes = model.target.classes
    if model.net.outputs == 1:
        other = graph.add("Sub", [graph.constant(1.0, "one"), a], "other")
        p = graph.add("Concat", [other, a], "probabilities", axis=1)
    elif model.net.layers[-1].activation.name == "sigmoid":  # a class against the rest: made to sum to 1
        total = graph.add("ReduceSum", [a, graph.constant(np.array([1]), "columns")], "total", keepdims=1)
        least = graph.constant(float(np.finfo(graph.dtype).tiny), "least")
        p = graph.add("Div", [a, graph.add("Max", [total, least], "divisor")], "probabilities")
    else:
        p = graph.add("Identity", [a], "probabilities")
    return [value("probabilities", kind, len(classes)), choose(graph, p, classes, "label")]


def choose(graph: Graph, p: str, classes: Sequence[Label], name: str) -> Any:
    """The likeliest label of probabilities (n, K)."""
    from onnx import TensorProto

    best = graph.add("ArgMax", [p], f"best_{name}", axis=1, keepdims=0)
    label_kinds = {
        bool: (TensorProto.BOOL, np.bool_),
        int: (TensorProto.INT64, np.int64),
        float: (TensorProto.DOUBLE, np.float64),
        str: (TensorProto.STRING, np.object_),
    }
    label_kind, dtype = label_kinds[type(classes[0])]
    graph.add("Gather", [graph.constant(np.array(classes, dtype=dtype), f"classes_{name}"), best], name, axis=0)
    return value(name, label_kind, None)


def yes_or_no(graph: Graph, a: str, kind: int, k: int) -> list[Any]:
    """Probabilities of yes, and 1 if they are above one half."""
    from onnx import TensorProto

    graph.add("Identity", [a], "probabilities")
    above = graph.add("Greater", [a, graph.constant(0.5, "half")], "above")
    graph.add("Cast", [above], "label", to=TensorProto.INT64)
    return [value("probabilities", kind, k), value("label", TensorProto.INT64, k)]


# --- the graph in the making, and activations as operators ------------------------------------------------------------


class Graph:
    """Collects nodes and constants; each method gives the name of its result.

    dtype : of constants that are floats.  prefix : of the names that are given here.
    """

    def __init__(self, dtype: Any, prefix: str = ""):
        self.dtype, self.prefix = np.dtype(dtype), prefix
        self.nodes: list[Any] = []
        self.constants: list[Any] = []

    def part(self, prefix: str, dtype: Any) -> Graph:
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

    def combined(self, sign: str, *operands: Any) -> Node:
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
