"""PyTorch's modules: a `torch.nn.Sequential` to a model, by what its modules are; PyTorch is not imported here."""

from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np

from backlit.core.losses import Loss
from backlit.errors import ModelError, near
from backlit.formats.chains import ACTIVATIONS, Criterion, Dropout, Linear, Norm, Part, Phi, assemble
from backlit.formats.models import Model

__all__ = ["from_torch"]

NAMED = {  # classes of torch.nn → what they are to Backlit
    **{theirs: ours for theirs, (_, ours) in ACTIVATIONS.items()},
    "LogSoftmax": "log_softmax",
}
REFUSED = "which Backlit has no layer for: it takes Linear, BatchNorm1d, LayerNorm, Dropout, Flatten and"


def from_torch(module: Any, *, loss: Any = None) -> Model:
    """The model that a `torch.nn.Sequential` computes, in its dtype.

    Parameters
    ----------
    module : torch.nn.Sequential
        `Linear` modules with, after each, a `BatchNorm1d` or `LayerNorm`, an activation and `Dropout` where there are
        such; Sequentials in it are opened, and `Flatten` may stand at the front.
    loss : torch.nn loss, str or mapping, optional
        A loss of PyTorch's, such as `torch.nn.CrossEntropyLoss()`, or one of Backlit's.  One that takes logits puts its
        softmax, σ or exp at the model's output, which then gives probabilities or rates.  If not given, the one that
        goes with the output: cross-entropy after softmax, half the squared error after no activation, and so on.

    Returns
    -------
    Model
        A model with the same outputs, loss and gradients.

    Raises
    ------
    ModelError
        If a module or the loss is one that Backlit cannot express; the error names it.

    Examples
    --------
    >>> import torch
    >>> module = torch.nn.Sequential(torch.nn.Linear(4, 8), torch.nn.ReLU(), torch.nn.Linear(8, 3))
    >>> model = from_torch(module, loss=torch.nn.CrossEntropyLoss())
    >>> model.net.n, model.net.layer(2).activation.name
    ((4, 8, 3), 'softmax')
    """
    chain = list(parts_of(module, ""))
    outputs = next((part.W.shape[0] for _, part in reversed(chain) if isinstance(part, Linear)), 0)
    criterion = None if loss is None else criterion_of(loss, outputs)
    if chain and chain[-1][1] == Phi("log_softmax"):
        if criterion is None or criterion.activation != "log_softmax":
            raise ModelError(f"module {chain[-1][0]} is LogSoftmax: give loss=torch.nn.NLLLoss(), which goes with it")
        chain.pop()
        criterion = Criterion("cross_entropy", criterion.reduction, "softmax", criterion.name)
    elif criterion is not None and criterion.activation == "log_softmax":
        raise ModelError(f"{criterion.name} takes logarithms of probabilities: end the module with LogSoftmax")
    return assemble(chain, criterion)


def is_torch_module(source: Any) -> bool:
    """Whether something is a module of PyTorch's, or made of one."""
    return any(base.__module__.startswith("torch.nn.modules") for base in type(source).__mro__)


def parts_of(module: Any, name: str) -> Iterator[tuple[str, Part]]:
    """The parts of a module and of those in it, under the names that its state dict has for them."""
    kind = type(module).__name__
    if runs_in_order(module):
        for child, inner in module.named_children():
            yield from parts_of(inner, f"{name}.{child}" if name else child)
    elif not type(module).__module__.startswith("torch.nn.modules"):
        raise ModelError(
            f"{where(name, kind)} has a forward of its own, which says no chain of layers: give a torch.nn.Sequential"
        )
    elif kind == "Flatten":
        if module.start_dim != 1 or module.end_dim != -1 or name.strip("0."):
            raise ModelError(f"{where(name, kind)}: only a Flatten() at the front is understood: X has flat rows then")
    else:
        yield f"{name} ({kind})" if name else kind, part_of(module, where(name, kind))


def runs_in_order(module: Any) -> bool:
    """Whether a module is a Sequential, and its forward that of Sequential."""
    bases = type(module).__mro__
    base = next((b for b in bases if b.__name__ == "Sequential" and b.__module__.startswith("torch.nn.modules")), None)
    return base is not None and vars(base)["forward"] is getattr(type(module), "forward", None)


def where(name: str, kind: str) -> str:
    """What a message calls a module."""
    return f"module {name} ({kind})" if name else kind


def part_of(module: Any, where: str) -> Part:
    """One module of torch.nn as a part."""
    kind = type(module).__name__
    match kind:
        case "Linear":
            W = array(module.weight)
            assert W is not None
            return Linear(W, array(module.bias))
        case "BatchNorm1d":
            if module.running_mean is None:
                raise ModelError(f"{where} keeps no running moments, by which Backlit predicts: track_running_stats")
            arrays = (module.weight, module.bias, module.running_mean, module.running_var)
            return Norm("batch", module.num_features, module.eps, *map(array, arrays))
        case "LayerNorm":
            if len(module.normalized_shape) != 1:
                raise ModelError(
                    f"{where} goes over {module.normalized_shape}, and Backlit's over the units of a layer"
                )
            units = module.normalized_shape[0]
            return Norm("layer", units, module.eps, array(module.weight), array(getattr(module, "bias", None)))
        case "Dropout":
            return Dropout(module.p)
    if kind not in NAMED:
        raise ModelError(f"{where} is a module {REFUSED} {', '.join(sorted(ACTIVATIONS))}")
    check_options(module, where)
    match kind:
        case "LeakyReLU":
            return Phi({"name": "leaky_relu", "alpha": module.negative_slope})
        case "ELU":
            return Phi({"name": "elu", "alpha": module.alpha})
    return Phi(NAMED[kind])


Options = dict[str, tuple[Any, ...]]
OPTIONS: dict[str, Options] = {  # options that change what an activation computes: the values that Backlit's has
    "GELU": {"approximate": ("none",)},
    "Hardtanh": {"min_val": (-1.0,), "max_val": (1.0,)},
    "Softplus": {"beta": (1.0,)},
    "Softmax": {"dim": (1, -1, None)},
    "LogSoftmax": {"dim": (1, -1, None)},
}


def check_options(module: Any, where: str) -> None:
    """Raise ModelError if an option makes an activation another function than Backlit's of that name."""
    for option, allowed in OPTIONS.get(type(module).__name__, {}).items():
        value = getattr(module, option)
        if value not in allowed:
            raise ModelError(f"{where} has {option}={value!r}, and Backlit's has {option}={allowed[0]!r} alone")


def array(tensor: Any) -> np.ndarray | None:
    """A tensor as an array of its own."""
    if tensor is None:
        return None
    found = tensor.detach().cpu()
    return np.array(found.float().numpy() if found.dtype.itemsize < 4 else found.numpy())


AVERAGED = {  # losses that average over the outputs: Backlit's sum of them, which is the same where there is one
    "L1Loss": "absolute_error",
    "HuberLoss": "huber",
    "SmoothL1Loss": "huber",
    "BCELoss": "binary_cross_entropy",
    "BCEWithLogitsLoss": "binary_cross_entropy",
    "PoissonNLLLoss": "poisson",
}
ALONE = ("MSELoss", "CrossEntropyLoss", "NLLLoss")
UNWEIGHTED = {"weight": None, "pos_weight": None, "label_smoothing": 0.0, "full": False}


def criterion_of(loss: Any, outputs: int) -> Criterion:
    """A loss of PyTorch's, by class, instance or name, or of Backlit's."""
    kind = loss if isinstance(loss, str) else loss.__name__ if isinstance(loss, type) else type(loss).__name__
    if isinstance(loss, Mapping | Loss) or (isinstance(loss, str) and loss not in (*AVERAGED, *ALONE)):
        return Criterion(loss)
    if kind not in (*AVERAGED, *ALONE):
        raise ModelError(f"loss {kind} is not one that Backlit has: {near(kind, [*AVERAGED, *ALONE])}")
    for option, plain in UNWEIGHTED.items():
        if getattr(loss, option, plain) != plain:
            raise ModelError(f"{kind} has {option}, which no loss of Backlit's has: leave it out")
    reduction = getattr(loss, "reduction", "mean")
    if reduction not in ("mean", "sum"):
        raise ModelError(f'{kind} has reduction={reduction!r}, and a cost is one number: "mean" or "sum"')
    return criterion_named(kind, loss, reduction, outputs)


def criterion_named(kind: str, loss: Any, reduction: str, outputs: int) -> Criterion:
    """A loss of PyTorch's by its class."""
    match kind:
        case "MSELoss":
            return Criterion("mean_squared_error" if reduction == "mean" else "squared_error", reduction, name=kind)
        case "CrossEntropyLoss":
            return Criterion("cross_entropy", reduction, "softmax", kind)
        case "NLLLoss":
            return Criterion("cross_entropy", reduction, "log_softmax", kind)
    if reduction == "mean" and outputs > 1:
        raise ModelError(
            f"{kind} averages over the {outputs} outputs, and Backlit's {AVERAGED[kind]} is their sum: give it "
            f'reduction="sum", which both understand alike'
        )
    if kind == "SmoothL1Loss" and getattr(loss, "beta", 1.0) != 1:
        raise ModelError(f"{kind} has beta={loss.beta}, and only beta=1 is a Huber loss")
    spec: Any = (
        {"name": "huber", "delta": float(getattr(loss, "delta", 1.0))} if kind == "HuberLoss" else AVERAGED[kind]
    )
    exp = kind == "PoissonNLLLoss" and getattr(loss, "log_input", True)
    applied = "sigmoid" if kind == "BCEWithLogitsLoss" else "exp" if exp else None
    return Criterion(spec, reduction, applied, kind)
