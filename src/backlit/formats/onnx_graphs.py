"""ONNX files whose graph is a chain: `Gemm` or `MatMul` and `Add`, norms, and nodes that compute an activation.

An exporter may write SiLU as x · σ(x) and GELU by erf.  So what stands between two linear maps is computed on a grid,
and is the activation of Backlit's that has those values.  Needs the package `onnx` (pip install "backlit[onnx]").
"""

from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from backlit.core.activations import get_activation
from backlit.errors import BacklitError, ModelError
from backlit.formats.chains import ACTIVATIONS, Criterion, Dropout, Linear, Norm, Part, Phi, assemble
from backlit.formats.models import Model

__all__ = ["from_onnx"]

NOTHING = ("Cast", "Flatten", "Identity")  # in front, where X is flat rows of floats already
GRID = np.linspace(-6, 6, 1201).reshape(-1, 1)
CLOSE = 1e-6
CANDIDATES = [ours for _, ours in ACTIVATIONS.values() if ours != "softmax"] + ["exp"]


def from_onnx(path: str | Path, *, loss: Any = None) -> Model:
    """The model that an ONNX file computes, if its graph is a chain of dense layers.

    Parameters
    ----------
    path : str or Path
        The file.  Of several outputs the first is read.
    loss : str or mapping, optional
        A loss of Backlit's; if not given, the one that goes with the output.

    Returns
    -------
    Model
        A model with the same outputs.

    Raises
    ------
    ModelError
        If the file is not ONNX, or a node is none of such a chain; the error names it.
    BacklitError
        If the package `onnx` is not installed.

    Examples
    --------
    >>> import tempfile
    >>> from backlit.core import Dense, Network
    >>> from backlit.core.parameters import Statistics
    >>> from backlit.formats.onnx import export_onnx
    >>> net = Network(2, [Dense(3, "silu"), Dense(1)])
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     export_onnx(Model(net.init(), Statistics(net)), f"{folder}/net.onnx")
    ...     from_onnx(f"{folder}/net.onnx").net == net
    True
    """
    graph = read(Path(path))
    chain = list(parts_of(graph))
    try:
        return assemble(chain, None if loss is None else Criterion(loss))
    except ModelError as error:
        raise ModelError(f"{path}: {error}") from None


@dataclass
class Graph:
    """A graph in the making: its nodes on the way to the output, in order, and its constants."""

    path: Path
    opset: Any
    input: str
    output: str
    nodes: list[Any]
    constants: dict[str, np.ndarray] = field(default_factory=dict)

    def computed(self, node: Any) -> list[str]:
        """The inputs of a node that are not constants."""
        return [name for name in node.input if name and name not in self.constants]

    def constant(self, node: Any, place: int) -> np.ndarray:
        """A constant input of a node, by its place."""
        name = node.input[place] if place < len(node.input) else ""
        if name not in self.constants:
            raise ModelError(f"{self.path}: node {called(node)} has no constant as its input {place}")
        return self.constants[name]


def read(path: Path) -> Graph:
    """The nodes of a file that its first output depends on."""
    try:
        import onnx
        from google.protobuf.message import DecodeError
        from onnx import numpy_helper
    except ImportError:
        raise BacklitError('reading ONNX needs the package onnx: pip install "backlit[onnx]"') from None
    try:
        model = onnx.load(path)
        onnx.checker.check_model(model)
        constants = {tensor.name: numpy_helper.to_array(tensor) for tensor in model.graph.initializer}
    except FileNotFoundError:
        raise ModelError(f"{path}: no such file: check the name and the folder") from None
    except IsADirectoryError:
        raise ModelError(f"{path}: is a folder: give an ONNX file") from None
    except OSError as error:
        raise ModelError(f"{path}: cannot be read: {error.strerror}") from None
    except (DecodeError, onnx.checker.ValidationError, ValueError, TypeError):
        raise ModelError(f"{path}: not a whole ONNX file: export it again") from None
    inputs = [value.name for value in model.graph.input if value.name not in constants]
    if len(inputs) != 1 or not model.graph.output:
        raise ModelError(f"{path}: its graph has {len(inputs)} inputs, and a chain of dense layers has one")
    for node in model.graph.node:
        if node.op_type == "Constant":
            constants[node.output[0]] = constant_of(node, path)
    graph = Graph(path, model.opset_import, inputs[0], model.graph.output[0].name, list(model.graph.node), constants)
    graph.nodes = list(needed(graph))
    return graph


def constant_of(node: Any, path: Path) -> np.ndarray:
    """The value of a Constant node."""
    from onnx import helper, numpy_helper

    value = helper.get_attribute_value(node.attribute[0])
    try:
        return numpy_helper.to_array(value) if hasattr(value, "data_type") else np.asarray(value)
    except (TypeError, ValueError):
        raise ModelError(f"{path}: node {called(node)} is a constant that is no array") from None


def needed(graph: Graph) -> list[Any]:
    """The nodes that the output depends on, in the order of the file, which is theirs."""
    wanted, kept = {graph.output}, []
    for node in reversed(graph.nodes):
        if node.op_type != "Constant" and wanted & set(node.output):
            kept.append(node)
            wanted |= set(node.input)
    return kept[::-1]


def parts_of(graph: Graph) -> Iterator[tuple[str, Part]]:
    """The parts of the chain; what stands between two of the others is an activation."""
    current, between = graph.input, list[Any]()
    nodes = iter(enumerate(graph.nodes))
    for place, node in nodes:
        part = whole(graph, node)
        in_front = current == graph.input and not between
        if part is None and not (in_front and node.op_type in NOTHING):
            between.append(node)
            continue
        if between:
            yield activation(graph, between, current)
            current, between = between[-1].output[0], []
        if graph.computed(node) != [current]:
            raise ModelError(f"{graph.path}: node {called(node)} does not go on from the one before it: no chain")
        current = node.output[0]
        if part is None:
            continue
        if node.op_type == "MatMul" and place + 1 < len(graph.nodes):
            bias = bias_of(graph, graph.nodes[place + 1], current, part)
            if bias is not None:
                part, (_, added) = Linear(part.W, bias), next(nodes)
                current = added.output[0]
        yield called(node), part
    if between:
        yield activation(graph, between, current)


def whole(graph: Graph, node: Any) -> Any:
    """The part that one node is; None for those that an activation may be made of."""
    attributes = attributes_of(node)
    match node.op_type:
        case "Gemm":
            W = graph.constant(node, 1)
            W = W if attributes.get("transB", 0) else W.T
            given = graph.constant(node, 2) if len(node.input) > 2 else None
            b = None if given is None else np.ravel(attributes.get("beta", 1.0) * given)
            if attributes.get("transA", 0):
                raise ModelError(f"{graph.path}: node {called(node)} transposes what it takes, which no layer does")
            return Linear(W * attributes.get("alpha", 1.0), b)
        case "MatMul":
            return Linear(graph.constant(node, 1).T)
        case "BatchNormalization":
            gamma, beta, mean, variance = (graph.constant(node, place) for place in range(1, 5))
            return Norm("batch", len(gamma), attributes.get("epsilon", 1e-5), gamma, beta, mean, variance)
        case "LayerNormalization":
            gamma = graph.constant(node, 1)
            shift = graph.constant(node, 2) if len(node.input) > 2 else None
            return Norm("layer", gamma.size, attributes.get("epsilon", 1e-5), gamma, shift)
        case "Dropout":
            return Dropout(float(graph.constant(node, 1)) if len(node.input) > 1 and node.input[1] else 0.5)
        case "Softmax":
            return Phi("softmax")
        case "LeakyRelu":
            return Phi({"name": "leaky_relu", "alpha": attributes.get("alpha", 0.01)})
        case "Elu":
            return Phi({"name": "elu", "alpha": attributes.get("alpha", 1.0)})
    return None


def bias_of(graph: Graph, node: Any, current: str, linear: Linear) -> np.ndarray | None:
    """What an Add behind a MatMul adds, if that is a bias."""
    if node.op_type != "Add" or graph.computed(node) != [current]:
        return None
    added = next(graph.constants[name] for name in node.input if name in graph.constants)
    return np.ravel(added) if added.size == linear.W.shape[0] else None


def activation(graph: Graph, nodes: list[Any], current: str) -> tuple[str, Part]:
    """The activation that nodes compute together from `current`: the one that has their values on a grid."""
    import onnx
    from onnx import TensorProto, helper

    name = " ".join(node.op_type for node in nodes)
    known = {current, *(output for node in nodes for output in node.output)}
    stray = next((node for node in nodes if not known.issuperset(graph.computed(node))), None)
    if stray is not None:
        raise ModelError(f"{graph.path}: node {called(stray)} takes what is no layer's output before it: no chain")
    kind = next((array.dtype for array in graph.constants.values() if array.dtype.kind == "f"), np.dtype(np.float32))
    tensors = [onnx.numpy_helper.from_array(graph.constants[i], i) for i in used(graph, nodes)]
    element = helper.np_dtype_to_tensor_dtype(kind)
    ends = [helper.make_tensor_value_info(i, element, None) for i in (current, nodes[-1].output[0])]
    small = helper.make_model(
        helper.make_graph(nodes, "activation", ends[:1], ends[1:], tensors), opset_imports=graph.opset
    )
    assert element in (TensorProto.FLOAT, TensorProto.DOUBLE)
    values = evaluated(small, GRID.astype(kind), current)
    for spec in candidates(values):
        right = get_activation(spec).function(GRID)
        if values.shape == right.shape and np.abs(values - right).max() < CLOSE * np.abs(right).max():
            return name, Phi(spec)
    raise ModelError(f"{graph.path}: node {called(nodes[0])}: {name} is no layer and no activation of Backlit's")


def candidates(values: np.ndarray) -> list[Any]:
    """Activations that values on the grid may be those of; slopes below 0 are read from the values."""
    at = float(np.interp(-1, GRID[:, 0], values[:, 0])) if values.shape == GRID.shape else 0.0
    sloped = [{"name": "leaky_relu", "alpha": -at}, {"name": "elu", "alpha": at / np.expm1(-1)}]
    return [*CANDIDATES, *(sloped if np.isfinite(at) else [])]


def used(graph: Graph, nodes: list[Any]) -> list[str]:
    """The constants that nodes take."""
    return sorted({name for node in nodes for name in node.input if name in graph.constants})


def evaluated(model: Any, x: np.ndarray, name: str) -> np.ndarray:
    """What a small graph gives for x; nothing if it cannot be run on one column."""
    from onnx.reference import ReferenceEvaluator

    try:
        with np.errstate(all="ignore"):
            (values,) = ReferenceEvaluator(model).run(None, {name: x})
            return np.asarray(values)
    except Exception:  # whatever a strange graph makes the evaluator raise
        return np.empty(0)


def attributes_of(node: Any) -> dict[str, Any]:
    """A node's attributes by name."""
    from onnx import helper

    return {attribute.name: helper.get_attribute_value(attribute) for attribute in node.attribute}


def called(node: Any) -> str:
    """What a message calls a node."""
    return f"{node.name} ({node.op_type})" if node.name else node.op_type
