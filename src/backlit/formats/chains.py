"""Networks of other programs: chains of modules, which become layers.

Each converter reads its program's modules into a chain, and a chain becomes a model here.  A layer is a linear map,
then a norm, an activation and dropout where there are such; `assemble` says by name what stands elsewhere.

| module | PyTorch | Keras | ONNX |
|---|---|---|---|
| linear map | `Linear` | `Dense` | `Gemm`, `MatMul` and `Add` |
| batch norm | `BatchNorm1d` | `BatchNormalization` | `BatchNormalization` |
| layer norm | `LayerNorm` | `LayerNormalization` | `LayerNormalization` |
| activation | `ReLU`, `Tanh`, … (`ACTIVATIONS`) | by name or as a layer | any nodes that compute one |
| dropout | `Dropout` | `Dropout` | `Dropout` |
| nothing | `Identity`, `Flatten` in front | `InputLayer`, `Flatten` in front | `Identity`, `Flatten` in front |
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from backlit.core.activations import get_activation
from backlit.core.network import Dense, Network
from backlit.core.parameters import Parameters, Statistics
from backlit.errors import ModelError, ShapeError
from backlit.formats.models import Model

ACTIVATIONS = {  # PyTorch's class → Keras's name → Backlit's
    "ELU": ("elu", "elu"),
    "GELU": ("gelu", "gelu"),
    "Hardtanh": (None, "hard_tanh"),
    "Identity": ("linear", "identity"),
    "LeakyReLU": ("leaky_relu", "leaky_relu"),
    "Mish": ("mish", "mish"),
    "ReLU": ("relu", "relu"),
    "SELU": ("selu", "selu"),
    "SiLU": ("silu", "silu"),
    "Sigmoid": ("sigmoid", "sigmoid"),
    "Softmax": ("softmax", "softmax"),
    "Softplus": ("softplus", "softplus"),
    "Softsign": ("softsign", "softsign"),
    "Tanh": ("tanh", "tanh"),
}
USUAL_LOSS = {"softmax": "cross_entropy", "sigmoid": "binary_cross_entropy", "exp": "poisson"}


@dataclass(frozen=True)
class Linear:
    """z = W a + b: W (n, n_in), b (n,) or None."""

    W: np.ndarray
    b: np.ndarray | None = None


@dataclass(frozen=True)
class Norm:
    """A norm of n numbers: its scale and shift, and batch norm's running moments; None stands for 1 and 0."""

    kind: str
    units: int
    eps: float
    gamma: np.ndarray | None = None
    beta: np.ndarray | None = None
    mean: np.ndarray | None = None
    variance: np.ndarray | None = None


@dataclass(frozen=True)
class Phi:
    """An activation, by Backlit's name."""

    spec: Any


@dataclass(frozen=True)
class Dropout:
    """The probability that a unit is dropped."""

    p: float


Part = Linear | Norm | Phi | Dropout
Chain = Sequence[tuple[str, Part]]  # what the source calls a module, for messages, and what it is
ORDER = {Linear: "a linear map", Norm: "a norm", Phi: "an activation", Dropout: "dropout"}
PLACE = {kind: place for place, kind in enumerate(ORDER)}


@dataclass(frozen=True)
class Criterion:
    """A loss of another program: the activation that it applies to the outputs, and the loss of what comes out."""

    loss: Any
    reduction: str = "mean"
    activation: str | None = None
    name: str = "the loss"


def assemble(chain: Chain, criterion: Criterion | None = None) -> Model:
    """The model that a chain of modules computes; without a criterion it has the loss that goes with its output.

    Raises ModelError naming the module that has no place in a layer.

    >>> chain = [("0", Linear(np.ones((3, 2)))), ("1", Phi("tanh")), ("2", Linear(np.ones((1, 3))))]
    >>> assemble(chain).net.n
    (2, 3, 1)
    """
    layers = [tuple(layer) for layer in in_layers(with_output(chain, criterion))]
    dense = [dense_of(layer) for layer in layers]
    inputs = layers[0][0].W.shape[1]
    usual = USUAL_LOSS.get(dense[-1].activation.name, "half_squared_error")
    loss, reduction = (usual, "mean") if criterion is None else (criterion.loss, criterion.reduction)
    net = Network(inputs, dense, loss=loss, reduction=reduction)
    dtype = np.result_type(*(part.W.dtype for part, *_ in layers))
    params, statistics = Parameters.zeros(net, dtype), Statistics(net, dtype)
    for l, (linear, *rest) in enumerate(layers, start=1):
        params.W[l][...] = linear.W
        params.b[l][...] = 0 if linear.b is None else linear.b
        for norm in (part for part in rest if isinstance(part, Norm)):
            params.gamma[l][...] = 1 if norm.gamma is None else norm.gamma
            params.beta[l][...] = 0 if norm.beta is None else norm.beta
            if norm.kind == "batch":
                statistics.mean[l][...] = 0 if norm.mean is None else norm.mean
                statistics.variance[l][...] = 1 if norm.variance is None else norm.variance
    return Model(params, statistics)


def with_output(chain: Chain, criterion: Criterion | None) -> Chain:
    """The chain with the activation that its loss applies at the end."""
    if not chain:
        raise ModelError("it has no modules: give a chain of linear layers")
    if criterion is None or criterion.activation is None:
        return chain
    name, last = chain[-1]
    if isinstance(last, Phi) and last.spec != "identity":
        raise ModelError(
            f"{criterion.name} applies {criterion.activation} itself, and module {name} is {spec_name(last.spec)} "
            f"already: leave out one of the two, or the outputs pass through both"
        )
    return [*chain, (criterion.name, Phi(criterion.activation))]


def in_layers(chain: Chain) -> Iterable[list[Any]]:
    """The parts of each layer: a linear map first, then at most one of each other kind, in order."""
    layer: list[Any] = []
    for name, part in chain:
        if isinstance(part, Linear):
            if layer:
                fits(name, part.W.shape[1], layer)
                yield layer
            layer = [part]
            continue
        if not layer:
            raise ModelError(f"module {name} is {ORDER[type(part)]} before the first linear map: apply it to X instead")
        if isinstance(part, Norm):
            fits(name, part.units, layer)
        layer = placed(name, part, layer)
    if not layer:
        raise ModelError("it has no linear map: give a chain of linear layers")
    yield layer


def placed(name: str, part: Part, layer: list[Any]) -> list[Any]:
    """The layer with one more part.  Dropout in front of a φ with φ(c u) = c φ(u) is dropout behind it."""
    last = layer[-1]
    if isinstance(part, Phi) and isinstance(last, Dropout) and not any(isinstance(p, Phi) for p in layer):
        if part.spec == "identity" or get_activation(part.spec).homogeneous:
            return [*layer[:-1], part, last]
    elif isinstance(part, Phi) and part.spec == "identity":
        return layer
    elif PLACE[type(part)] > PLACE[type(last)]:
        return [*layer, part]
    raise ModelError(
        f"module {name} is {ORDER[type(part)]} after {ORDER[type(last)]}, and a layer is a linear map, a norm, an "
        f"activation, dropout, in this order: no layer of Backlit's computes that"
    )


def fits(name: str, takes: int, layer: list[Any]) -> None:
    """Raise ShapeError unless a module takes what the layer before it gives."""
    gives = layer[0].W.shape[0]
    if takes != gives:
        raise ShapeError(f"module {name} takes {takes} numbers, and the one before it gives {gives}")


def dense_of(layer: Sequence[Any]) -> Dense:
    """The description of a layer's parts."""
    described: dict[str, Any] = {"units": layer[0].W.shape[0]}
    for part in layer[1:]:
        match part:
            case Norm():
                described |= {"norm": part.kind, "eps": part.eps}
            case Phi():
                described["activation"] = part.spec
            case Dropout():
                described["dropout"] = part.p
    return Dense(**described)


def spec_name(spec: Any) -> str:
    """An activation's name."""
    return spec if isinstance(spec, str) else str(spec["name"])


def scaled(chain: Chain, scale: np.ndarray, shift: np.ndarray) -> Chain:
    """The chain that first takes x to scale · x + shift, which goes into its first linear map."""
    (name, first), *rest = chain
    if not isinstance(first, Linear):
        raise ModelError(f"module {name} is {ORDER[type(first)]} before the first linear map: apply it to X instead")
    b = first.W @ shift + (0 if first.b is None else first.b)
    return [(name, replace(first, W=first.W * scale, b=b)), *rest]
