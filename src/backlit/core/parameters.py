"""Parameters: one flat vector theta with a name for every part of it; and batch norm's running moments beside them.

`params.W[1][:] = 0` writes into `params.theta`; saving, clipping, stepping and comparing see one vector.  Layer by
layer theta holds W, b and, where the layer has a norm, gamma and beta, each in C order.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property, lru_cache
from math import prod
from typing import TYPE_CHECKING, Any

import numpy as np

from backlit.display import Displayed
from backlit.errors import DomainError, ShapeError

if TYPE_CHECKING:  # which know all that stands here
    from backlit.core.network import Network
    from backlit.core.norms import Normalized

NAMES = ("W", "b", "gamma", "beta")
MOMENTUM = 0.1  # of the running moments
FEW = 6  # arrays that are named when it is printed


@dataclass(frozen=True)
class Slot:
    """Where one array lies in theta: `name` of layer `l`, `shape`, from `start` to `stop`."""

    name: str
    l: int
    shape: tuple[int, ...]
    start: int

    @cached_property  # asked for by all parameters that are made, thousands of times
    def stop(self) -> int:
        """One past the last index."""
        return self.start + prod(self.shape)

    def __str__(self) -> str:
        return f"{self.name}[{self.l}]"


@lru_cache(maxsize=256)
def layout(net: Network) -> tuple[Slot, ...]:
    """The slots of a network's theta, in order.

    >>> from backlit.core.network import Dense, Network
    >>> [f"{slot} {slot.shape} at {slot.start}" for slot in layout(Network(2, [Dense(3)]))]
    ['W[1] (3, 2) at 0', 'b[1] (3,) at 6']
    """
    slots: list[Slot] = []
    for l, layer in net.numbered():
        shapes: list[tuple[int, ...]] = [(layer.units, net.n[l - 1]), (layer.units,)]
        shapes += [(layer.units,), (layer.units,)] if layer.norm else []
        for name, shape in zip(NAMES, shapes, strict=False):
            slots.append(Slot(name, l, shape, slots[-1].stop if slots else 0))
    return tuple(slots)


class Parameters(Displayed):
    """W[l], b[l], gamma[l] and beta[l] as views into one vector `theta`.

    Index 0 is None, and so are gamma[l] and beta[l] of a layer that has no norm.

    Parameters
    ----------
    net : Network
        The network that the numbers belong to.
    theta : (n_parameters,) array
        The vector.  It is kept, not copied: writing into a view writes into it.

    Attributes
    ----------
    W : list of (n_l, n_{l−1}) arrays
        Weights by l.
    b : list of (n_l,) arrays
        Biases by l.
    gamma, beta : lists of (n_l,) arrays
        Scale and shift of the norms by l.

    Raises
    ------
    ShapeError
        If theta has another length than the network has parameters.

    Examples
    --------
    >>> from backlit.core.network import Dense, Network
    >>> params = Parameters.zeros(Network(2, [Dense(1)]))
    >>> params.W[1][0, 1] = 5.0
    >>> params.theta
    array([0., 5., 0.])
    """

    def __init__(self, net: Network, theta: np.ndarray):
        if theta.shape != (net.n_parameters,):
            raise ShapeError(f"theta must have shape ({net.n_parameters},) for this network, not {theta.shape}")
        self.net, self.theta = net, theta
        self.W: list[Any] = [None] * (net.L + 1)
        self.b: list[Any] = [None] * (net.L + 1)
        self.gamma: list[Any] = [None] * (net.L + 1)
        self.beta: list[Any] = [None] * (net.L + 1)
        named = {"W": self.W, "b": self.b, "gamma": self.gamma, "beta": self.beta}
        for slot in layout(net):
            view = theta[slot.start : slot.stop]
            named[slot.name][slot.l] = view.reshape(slot.shape) if slot.name == "W" else view

    @classmethod
    def zeros(cls, net: Network, dtype: Any = np.float64) -> Parameters:
        """Parameters with every W, b and beta 0, and every gamma 1."""
        params = cls(net, np.zeros(net.n_parameters, dtype))
        for gamma in params.gamma:
            if gamma is not None:
                gamma[:] = 1
        return params

    @classmethod
    def from_arrays(cls, net: Network, arrays: Mapping[str, Sequence[Any]], dtype: Any = np.float64) -> Parameters:
        """Copy given arrays into new parameters.

        Parameters
        ----------
        net : Network
            The network that the arrays belong to.
        arrays : mapping of str to sequence of arrays
            `{"W": [None, W1, …], "b": [None, b1, …]}`.  What is None or left out is as `zeros` makes it.
        dtype : dtype, default numpy.float64
            Type of theta.

        Returns
        -------
        Parameters
            The copied numbers.

        Raises
        ------
        ShapeError
            If an array has a wrong shape (the error says if its transpose would fit), or no place in the network.
        DomainError
            If an array holds NaN or infinity.

        Examples
        --------
        >>> from backlit.core.network import Dense, Network
        >>> Parameters.from_arrays(Network(2, [Dense(1)]), {"W": [None, [[1.0, 2.0]]]}).theta
        array([1., 2., 0.])
        """
        params = cls.zeros(net, dtype)
        params.fill(arrays)
        return params

    def fill(self, arrays: Mapping[str, Sequence[Any]]) -> None:
        """Copy given arrays in, as `from_arrays` does; an array that is None or left out stays as it is."""
        for slot, array in fitting(self.net, arrays).items():
            self[slot] = array

    def __getitem__(self, slot: Slot) -> np.ndarray:
        return getattr(self, slot.name)[slot.l]

    def __setitem__(self, slot: Slot, value: np.ndarray) -> None:
        self[slot][...] = value

    def items(self) -> Iterator[tuple[Slot, np.ndarray]]:
        """Pairs (slot, view) in theta's order."""
        for slot in layout(self.net):
            yield slot, self[slot]

    def copy(self) -> Parameters:
        """The same numbers in a vector of their own."""
        return Parameters(self.net, self.theta.copy())

    def astype(self, dtype: Any) -> Parameters:
        """The same numbers in another dtype, copied."""
        return Parameters(self.net, self.theta.astype(dtype))

    def __reduce__(self):
        return Parameters, (self.net, self.theta)

    def __repr__(self) -> str:
        slots = [f"{slot} {slot.shape}" for slot in layout(self.net)]
        shown = slots if len(slots) <= FEW else [*slots[:2], f"… {len(slots) - 4} more …", *slots[-2:]]
        return f"Parameters({', '.join(shown)}, {self.theta.dtype})"


def fitting(net: Network, arrays: Mapping[str, Sequence[Any]]) -> dict[Slot, np.ndarray]:
    """The given arrays by the place that they fit, those that are None left out; raises ShapeError or DomainError."""
    slots = {(slot.name, slot.l): slot for slot in layout(net)}
    given = {(name, l): array for name, by_layer in arrays.items() for l, array in enumerate(by_layer)}
    found: dict[Slot, np.ndarray] = {}
    for (name, l), array in given.items():
        if array is None:
            continue
        if (name, l) not in slots:
            raise ShapeError(f"this network has no {name}[{l}]: it has {', '.join(map(str, slots.values()))}")
        found[slots[name, l]] = checked(array, slots[name, l])
    return found


def checked(value: Any, slot: Slot) -> np.ndarray:
    """Return `value` as a finite array of the slot's shape, else raise the error that names it."""
    try:
        array = np.asarray(value, dtype=np.float64)
    except (TypeError, ValueError):
        raise ShapeError(
            f"{slot} must be a {slot.shape} array of numbers: its rows differ in length or hold no numbers"
        ) from None
    if array.shape != slot.shape:
        hint = f"it is the transpose, give {slot}.T" if array.T.shape == slot.shape else "rows are this layer's units"
        raise ShapeError(f"{slot} must have shape {slot.shape}, not {array.shape}: {hint}")
    if not np.isfinite(array).all():
        at = tuple(int(i) for i in np.argwhere(~np.isfinite(array))[0])
        raise DomainError(f"{slot} holds {array[at]} at {list(at)}: give finite numbers")
    return array


def trainable(net: Network) -> np.ndarray:
    """Mark what an optimizer may move, (n_parameters,) of bool: all but the b of layers with train_bias false."""
    mask = np.ones(net.n_parameters, bool)
    for slot in layout(net):
        if slot.name == "b" and not net.layer(slot.l).train_bias:
            mask[slot.start : slot.stop] = False
    return mask


def n_trainable(net: Network) -> int:
    """How many numbers an optimizer may move, without a mask that a network too large for memory has no room for.

    >>> from backlit.core.network import Dense, Network
    >>> n_trainable(Network(10**8, [Dense(10**8, train_bias=False)])) == 10**16
    True
    """
    return net.n_parameters - sum(layer.units for layer in net.layers if not layer.train_bias)


class Statistics:
    """Running mean[l] and variance[l] (n_l,) of each batch-norm layer's z, for prediction; None elsewhere."""

    def __init__(self, net: Network, dtype: Any = np.float64):
        self.mean: list[Any] = [None] * (net.L + 1)
        self.variance: list[Any] = [None] * (net.L + 1)
        for l, layer in net.numbered():
            if layer.keeps_moments:
                self.mean[l], self.variance[l] = np.zeros(layer.units, dtype), np.ones(layer.units, dtype)

    def copy(self) -> Statistics:
        """The same numbers in arrays of their own."""
        copied = Statistics.__new__(Statistics)
        copied.mean = [None if mean is None else mean.copy() for mean in self.mean]
        copied.variance = [None if variance is None else variance.copy() for variance in self.variance]
        return copied

    def of(self, l: int) -> tuple[np.ndarray, np.ndarray] | None:
        """Layer l's mean and variance, None if it has no batch norm."""
        return None if self.mean[l] is None else (self.mean[l], self.variance[l])

    def update(self, l: int, norm: Normalized) -> None:
        """Move layer l's running moments a tenth of the way to a batch's (variance unbiased, m/(m−1))."""
        self.follow(l, norm.mean[0], norm.variance[0], len(norm.x_hat))

    def follow(self, l: int, mean: np.ndarray, variance: np.ndarray, m: int) -> None:
        """The same, of the batch's moments (n,) over m examples."""
        unbiased = variance * (m / max(m - 1, 1))
        self.mean[l] += MOMENTUM * (mean - self.mean[l])  # [BN5]
        self.variance[l] += MOMENTUM * (unbiased - self.variance[l])  # [BN6]
