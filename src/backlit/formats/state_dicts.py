"""PyTorch's weights: the state dict of an `nn.Sequential` to and from parameters.

The Sequential is, layer by layer, `Linear`, then `BatchNorm1d` or `LayerNorm` where the layer has a norm, then the
activation's module and `Dropout` where there is one; only the order of the modules with weights matters, not their
numbers.  A state dict maps names to arrays or tensors, so PyTorch itself is not needed here.  The order of its keys is
not trusted, since files sort them as text (0, 10, 2): numbers in names and shapes say which module is which.
"""

import re
from collections.abc import Mapping
from itertools import pairwise, starmap
from pathlib import Path
from typing import Any

import numpy as np

from backlit.core.network import EPS, Network
from backlit.core.parameters import Parameters, Statistics
from backlit.errors import ModelError
from backlit.formats.chains import Criterion, Linear, Norm, Part, Phi, assemble
from backlit.formats.models import Model

__all__ = ["from_safetensors", "from_state_dict", "to_state_dict"]

Module = dict[str, np.ndarray]  # its arrays by their part: "weight", "bias" and so on
Wanted = list[tuple[str, Module]]  # in the order of the layers, what a module is called and the views it is copied into
SUFFIXES = {"W": "weight", "b": "bias", "gamma": "weight", "beta": "bias"}


def module_numbers(net: Network) -> list[tuple[int, int | None]]:
    """For each layer the place of its Linear and of its norm in the Sequential that the module text describes."""
    numbers, place = [], 0
    for layer in net.layers:
        norm = place + 1 if layer.norm else None
        numbers.append((place, norm))
        place += 1 + bool(layer.norm) + (layer.activation.name != "identity") + bool(layer.dropout)
    return numbers


def to_state_dict(params: Parameters, statistics: Statistics | None = None) -> dict[str, np.ndarray]:
    """Copy parameters under the names that a `torch.nn.Sequential` of the same layers has for them.

    Parameters
    ----------
    params : Parameters
        The weights.
    statistics : Statistics, optional
        Batch norm's running moments, which then are in it too.

    Returns
    -------
    dict of str to array
        "0.weight" (n_1, n_0), "0.bias" (n_1,) and so on; PyTorch loads it after `torch.from_numpy` on each.

    Examples
    --------
    >>> from backlit.core.network import Dense
    >>> net = Network(2, [Dense(3, "relu"), Dense(1)])
    >>> [f"{name} {array.shape}" for name, array in to_state_dict(net.init()).items()]
    ['0.weight (3, 2)', '0.bias (3,)', '2.weight (1, 3)', '2.bias (1,)']
    """
    net = params.net
    state: dict[str, np.ndarray] = {}
    for (l, layer), (linear, norm) in zip(net.numbered(), module_numbers(net), strict=True):
        state |= {f"{linear}.weight": params.W[l].copy(), f"{linear}.bias": params.b[l].copy()}
        if norm is not None:
            state |= {f"{norm}.weight": params.gamma[l].copy(), f"{norm}.bias": params.beta[l].copy()}
        if layer.keeps_moments and statistics is not None:
            state |= {
                f"{norm}.running_mean": statistics.mean[l].copy(),
                f"{norm}.running_var": statistics.variance[l].copy(),
                f"{norm}.num_batches_tracked": np.array(0),
            }
    return state


def from_state_dict(net: Network, state: Mapping[str, Any]) -> tuple[Parameters, Statistics]:
    """Read the weights of a `torch.nn.Sequential`, module after module.

    Parameters
    ----------
    net : Network
        The layers that the Sequential has; only the order of its modules matters, not their numbers.
    state : mapping of str to arrays or tensors
        Its state dict, with keys in any order: modules are in the order of the numbers in their names, and names
        without numbers are told apart by their shapes.  A Linear without bias leaves b at 0.

    Returns
    -------
    Parameters, Statistics
        The weights and the running moments, in the dtype of the state dict.

    Raises
    ------
    ModelError
        If a module's weights are missing, left over or of another shape, or neither names nor shapes say which of
        two modules comes first; the error names the module.

    Examples
    --------
    >>> from backlit.core.network import Dense
    >>> net = Network(2, [Dense(1)])
    >>> params, statistics = from_state_dict(net, {"0.weight": np.ones((1, 2)), "0.bias": np.zeros(1)})
    >>> params.theta
    array([1., 1., 0.])
    """
    modules = group(state)
    arrays = [array for module in modules.values() for array in module.values()]
    dtype = np.result_type(*(array.dtype for array in arrays if array.dtype.kind == "f"))
    params, statistics = Parameters.zeros(net, dtype), Statistics(net, dtype)
    wanted: Wanted = []
    for l, layer in net.numbered():
        wanted.append((f"Linear of layer {l}", {"weight": params.W[l], "bias": params.b[l]}))
        if layer.norm:
            views = {"weight": params.gamma[l], "bias": params.beta[l]}
            if layer.keeps_moments:
                views |= {"running_mean": statistics.mean[l], "running_var": statistics.variance[l]}
            wanted.append((f"{layer.norm} norm of layer {l}", views))
    if len(modules) != len(wanted):
        raise ModelError(f"the state dict has {len(modules)} modules with weights, but the network needs {len(wanted)}")
    for (name, views), module in zip(wanted, in_order(modules, wanted), strict=True):
        copy_module(name, views, modules[module])
    return params, statistics


def from_safetensors(path: str | Path, *, activation: Any, output: Any = "identity", loss: Any = None) -> Model:
    """The network whose weights a safetensors file holds, by their names and shapes.

    Parameters
    ----------
    path : str or Path
        The file, as PyTorch's users write a state dict: matrices are linear maps, a vector "weight" is a norm's scale,
        and one with a running mean is batch norm's.
    activation : str or mapping
        That of the hidden layers, which no file of weights says.
    output : str or mapping, default 'identity'
        That of the last layer.
    loss : str or mapping, optional
        A loss of Backlit's; if not given, the one that goes with the output.

    Returns
    -------
    Model
        The model.

    Raises
    ------
    ModelError
        If the file cannot be read, or its shapes are no chain of layers; the error names the module.

    Examples
    --------
    >>> import tempfile
    >>> from safetensors.numpy import save_file
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     save_file({"0.weight": np.ones((3, 2)), "2.weight": np.ones((1, 3))}, f"{folder}/net.safetensors")
    ...     from_safetensors(f"{folder}/net.safetensors", activation="tanh").net.n
    (2, 3, 1)
    """
    from safetensors import SafetensorError
    from safetensors.numpy import load_file

    try:
        modules = group(load_file(path))
    except FileNotFoundError:
        raise ModelError(f"{path}: no such file: check the name and the folder") from None
    except (SafetensorError, OSError, ValueError, TypeError, KeyError) as error:
        raise ModelError(f"{path}: not a whole safetensors file of numbers: {error}") from None
    chain: list[tuple[str, Part]] = []
    for name in sorted(modules, key=pieces):
        part = part_of(name, modules[name])
        if isinstance(part, Linear) and chain:
            chain.append((name, Phi(activation)))
        chain.append((name, part))
    return assemble([*chain, ("output", Phi(output))], None if loss is None else Criterion(loss))


def part_of(name: str, module: Module) -> Part:
    """What a module is, by the shapes of its arrays."""
    weight, b = module.get("weight"), module.get("bias")
    if weight is None or weight.ndim not in (1, 2):
        shape = "no weight" if weight is None else f"a weight of shape {weight.shape}"
        raise ModelError(f"module {name!r} has {shape}: a linear map has a matrix, a norm a vector")
    if weight.ndim == 2:
        return Linear(weight, b)
    mean, variance = module.get("running_mean"), module.get("running_var")
    return Norm("layer" if mean is None else "batch", len(weight), EPS, weight, b, mean, variance)


def group(state: Mapping[str, Any]) -> dict[str, Module]:
    """The arrays of each module, by its name."""
    modules: dict[str, Module] = {}
    for name, tensor in state.items():
        module, _, part = name.rpartition(".")
        array = np.asarray(tensor.detach().cpu().numpy() if hasattr(tensor, "detach") else tensor)
        modules.setdefault(module, {})[part] = array
    if not modules:
        raise ModelError("the state dict is empty: give that of a Sequential of Linear layers")
    return modules


def in_order(modules: Mapping[str, Module], wanted: Wanted) -> list[str]:
    """The names of the modules in the order of the layers.  Raises ModelError if two orders are possible.

    Modules that fit in no order are sorted by name, and the first that does not fit is for `copy_module` to name.
    """
    by_name = sorted(modules, key=pieces)
    given = sorted(module["weight"].shape for module in modules.values() if "weight" in module)
    if given != sorted(views["weight"].shape for _, views in wanted) or all(starmap(before, pairwise(by_name))):
        return by_name
    orders = orders_that_fit(modules, wanted, [])
    if len(orders) > 1:
        place, (one, other) = next((k, pair) for k, pair in enumerate(zip(*orders, strict=True)) if len({*pair}) == 2)
        raise ModelError(
            f"modules {one!r} and {other!r} of the state dict both fit {wanted[place][0]}, and keys have no order: "
            f"rename them with numbers, such as 0 and 1, in the order of the layers"
        )
    return orders[0] if orders else by_name


def orders_that_fit(modules: Mapping[str, Module], wanted: Wanted, begun: list[str]) -> list[list[str]]:
    """Orders that go on from the names begun, obey the numbers in names and fit every shape; two at most."""
    if len(begun) == len(wanted):
        return [begun]
    found: list[list[str]] = []
    rest = [name for name in modules if name not in begun]
    for name in rest:
        first = not any(before(other, name) for other in rest)
        if first and misfit(wanted[len(begun)][1], modules[name]) is None:
            found += orders_that_fit(modules, wanted, [*begun, name])
        if len(found) > 1:
            break
    return found[:2]


def pieces(name: str) -> list[tuple[bool, int, str]]:
    """A name's numbers and the text between them, so that "fc10" comes after "fc2"."""
    return [(part.isdecimal(), int(part) if part.isdecimal() else 0, part) for part in re.split("([0-9]+)", name)]


def before(one: str, other: str) -> bool:
    """Whether numbers say that one module comes before another: the names first differ in a number.

    >>> before("0", "10"), before("layer2.norm", "layer10.linear"), before("fc1", "norm2")
    (True, True, False)
    """
    pair = next((pair for pair in zip(pieces(one), pieces(other), strict=False) if pair[0] != pair[1]), None)
    return pair is not None and pair[0][0] and pair[1][0] and pair[0] < pair[1]


def copy_module(name: str, views: dict[str, np.ndarray], module: dict[str, np.ndarray]) -> None:
    """Copy one module's arrays; a Linear without bias leaves b at 0."""
    wrong = misfit(views, module)
    if wrong is not None:
        raise ModelError(f"{name}: {wrong}")
    for part, view in views.items():
        if part in module:
            view[...] = module[part]


def misfit(views: Module, module: Module) -> str | None:
    """What keeps a module's arrays from being copied into the views; None if they fit."""
    for part, view in views.items():
        array = module.get(part)
        if array is None and part != "bias":
            return f"the state dict has no {part} for it, only {', '.join(module)}"
        if array is not None and array.shape != view.shape:
            return f"its {part} has shape {array.shape}, but the network needs {view.shape}"
    return None
