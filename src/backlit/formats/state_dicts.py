"""PyTorch's weights: the state dict of an `nn.Sequential` to and from parameters.

The Sequential is, layer by layer, `Linear`, then `BatchNorm1d` or `LayerNorm` where the layer has a norm, then the
activation's module and `Dropout` where there is one; only the order of the modules with weights matters, not their
numbers.  A state dict maps names to arrays or tensors, so PyTorch itself is not needed here.
"""

from collections.abc import Mapping
from typing import Any

import numpy as np

from backlit.core.network import Network
from backlit.core.norms import Statistics
from backlit.core.parameters import Parameters
from backlit.errors import ModelError

__all__ = ["from_state_dict", "to_state_dict"]

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
        if layer.norm == "batch" and statistics is not None:
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
        Its state dict.  A Linear without bias leaves b at 0.

    Returns
    -------
    Parameters, Statistics
        The weights and the running moments, in the dtype of the state dict.

    Raises
    ------
    ModelError
        If a module's weights are missing, left over or of another shape; the error names the module.

    Examples
    --------
    >>> from backlit.core.network import Dense
    >>> net = Network(2, [Dense(1)])
    >>> params, statistics = from_state_dict(net, {"0.weight": np.ones((1, 2)), "0.bias": np.zeros(1)})
    >>> params.theta
    array([1., 1., 0.])
    """
    modules = group(state)
    dtype = np.result_type(*(array.dtype for module in modules for array in module.values() if array.dtype.kind == "f"))
    params, statistics = Parameters.zeros(net, dtype), Statistics(net, dtype)
    wanted: list[tuple[str, dict[str, np.ndarray]]] = []
    for l, layer in net.numbered():
        wanted.append((f"Linear of layer {l}", {"weight": params.W[l], "bias": params.b[l]}))
        if layer.norm:
            views = {"weight": params.gamma[l], "bias": params.beta[l]}
            if layer.norm == "batch":
                views |= {"running_mean": statistics.mean[l], "running_var": statistics.variance[l]}
            wanted.append((f"{layer.norm} norm of layer {l}", views))
    if len(modules) != len(wanted):
        raise ModelError(f"the state dict has {len(modules)} modules with weights, but the network needs {len(wanted)}")
    for (name, views), module in zip(wanted, modules, strict=True):
        copy_module(name, views, module)
    return params, statistics


def group(state: Mapping[str, Any]) -> list[dict[str, np.ndarray]]:
    """The arrays of each module, in the order of the state dict."""
    modules: dict[str, dict[str, np.ndarray]] = {}
    for name, tensor in state.items():
        module, _, part = name.rpartition(".")
        array = np.asarray(tensor.detach().cpu().numpy() if hasattr(tensor, "detach") else tensor)
        modules.setdefault(module, {})[part] = array
    if not modules:
        raise ModelError("the state dict is empty: give that of a Sequential of Linear layers")
    return list(modules.values())


def copy_module(name: str, views: dict[str, np.ndarray], module: dict[str, np.ndarray]) -> None:
    """Copy one module's arrays; a Linear without bias leaves b at 0."""
    for part, view in views.items():
        array = module.get(part)
        if array is None and part == "bias":
            continue
        if array is None:
            raise ModelError(f"{name}: the state dict has no {part} for it, only {', '.join(module)}")
        if array.shape != view.shape:
            raise ModelError(f"{name}: its {part} has shape {array.shape}, but the network needs {view.shape}")
        view[...] = array
