"""The ledger: operations of each layer's equations for a batch of m examples, in closed form.

It counts the textbook as it is written in `core`, one operation an element and call (see `counting`): a test runs the
passes on counting arrays and holds that the sums are equal, to the operation.  Engines do the same products, and
elementwise they may do less.  With n units and k inputs a layer, time is O(Σ n k) a pass and example, memory O(Σ n).
"""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import numpy as np

from backlit.core.activations import Activation
from backlit.core.network import Dense, Network
from backlit.core.norms import norm_of
from backlit.core.parameters import n_trainable
from backlit.optim import Optimizer


@dataclass(frozen=True)
class Entry:
    """Operations of one equation in one layer.

    Parameters
    ----------
    phase : {"forward", "backward", "optimizer"}
        When they are done.
    layer : int
        l, or 0 for what concerns the whole network.
    equation : str
        Number of the equation, such as "BP4".
    operations : int
        Operations on the whole batch; a multiply-add is 2.
    matmul : int, default 0
        How many of them are in matrix products with W, δ and a.

    Examples
    --------
    >>> Entry("forward", 1, "F1", operations=26, matmul=24).operations
    26
    """

    phase: str  # "forward", "backward" or "optimizer"
    layer: int
    equation: str
    operations: int
    matmul: int = 0


@dataclass(frozen=True)
class Ledger:
    """All operations of a training step on a batch, equation by equation.

    Parameters
    ----------
    entries : tuple of Entry
        One for each equation and layer.

    Examples
    --------
    >>> ledger = count(Network(3, [Dense(2)]), m=4)
    >>> ledger.matmul("forward"), ledger.total("forward", layer=1)
    (48, 92)
    """

    entries: tuple[Entry, ...]

    def by_layer(self) -> dict[int, "Ledger"]:
        """The part of each layer."""
        parts: dict[int, list[Entry]] = {}
        for entry in self.entries:
            parts.setdefault(entry.layer, []).append(entry)
        return {l: Ledger(tuple(entries)) for l, entries in parts.items()}

    def total(self, phase: str, layer: int | None = None) -> int:
        """Operations of a phase, or of one layer's part in it."""
        return sum(e.operations for e in self.entries if e.phase == phase and layer in (None, e.layer))

    def matmul(self, phase: str, layer: int | None = None) -> int:
        """Operations in matrix products (F1, BP4, BP5), which is what PyTorch's FlopCounterMode counts."""
        return sum(e.matmul for e in self.entries if e.phase == phase and layer in (None, e.layer))


def count(
    net: Network, m: int, optimizer: Optimizer | None = None, *, input_gradient: bool = False, dropout: bool = True
) -> Ledger:
    """Count a training step: forward pass and cost, backward pass, and the optimizer's update if one is given.

    With n units and k inputs a layer, a pass takes O(Σ n k) operations an example.

    Parameters
    ----------
    net : Network
        The network.
    m : int
        Examples in the batch.
    optimizer : Optimizer, optional
        Whose update is counted.
    input_gradient : bool, default False
        Whether ∂ℓ/∂a_0 is wanted too, which training does not need.
    dropout : bool, default True
        Whether dropout masks are applied.

    Returns
    -------
    Ledger
        Operations by equation and layer; a multiply-add is 2.

    Examples
    --------
    >>> count(Network(784, [Dense(512, "relu"), Dense(10)]), m=1).matmul("forward") == 2 * (784 * 512 + 512 * 10)
    True
    """
    entries = [*forward_entries(net, m, dropout), *backward_entries(net, m, input_gradient, dropout)]
    if optimizer is not None:
        entries.append(Entry("optimizer", 0, "OPT", update_operations(optimizer) * n_trainable(net)))
    return Ledger(tuple(entries))


def forward_entries(net: Network, m: int, dropout: bool) -> Iterator[Entry]:
    """The forward pass, layer by layer, and the cost."""
    for l, layer in net.numbered():
        n, k = layer.units, net.n[l - 1]
        yield Entry("forward", l, "F1", 2 * m * n * k + m * n, matmul=2 * m * n * k)
        if layer.norm:
            yield from norm_forward(layer, l, m)
        yield Entry("forward", l, "F2", m * function_operations(layer.activation, n))
        if dropout and layer.dropout:
            yield Entry("forward", l, "DO1", m * n)
        if layer.skip_from is not None:
            yield Entry("forward", l, "SK1", 2 * m * n)
    yield Entry("forward", net.L, "C1", loss_operations(net, m) + 2 * m)
    if net.l2:
        weights = sum(n * k for n, k in zip(net.n[1:], net.n[:-1], strict=True))
        yield Entry("forward", 0, "L2", 2 * weights)


def norm_forward(layer: Dense, l: int, m: int) -> Iterator[Entry]:
    """Normalization, over m examples or n units; `groups` means and variances."""
    norm, size = norm_of(layer), m * layer.units
    number, groups = norm.equations, norm.groups(m, layer.units)
    yield Entry("forward", l, number["mean"], size + groups)
    yield Entry("forward", l, number["variance"], 3 * size + groups)
    yield Entry("forward", l, number["x_hat"], 2 * size + 3 * groups)
    yield Entry("forward", l, number["u"], 2 * size)


def backward_entries(net: Network, m: int, input_gradient: bool, dropout: bool) -> Iterator[Entry]:
    """The backward pass, from the output down."""
    yield Entry("backward", net.L, "BP1", m * net.outputs + loss_slope_operations(net, m))
    skipped: set[int] = set()
    for l in range(net.L, 0, -1):
        layer, n, k = net.layer(l), net.layer(l).units, net.n[l - 1]
        source = layer.skip_from
        if source is not None and (source > 0 or input_gradient):
            yield Entry("backward", l, "SK2", m * n * (2 if source in skipped else 1))
            skipped.add(source)
        if dropout and layer.dropout:
            yield Entry("backward", l, "DO2", m * n)
        short = l == net.L and net.has_short_form
        yield Entry("backward", l, "BP1S" if short else "BP2", m * (2 * n if short else slope_operations(layer, n)))
        if layer.norm:
            yield from norm_backward(layer, l, m)
        yield Entry("backward", l, "BP3", 2 * m * n)
        yield Entry("backward", l, "BP4", 2 * m * n * k + m * k, matmul=2 * m * n * k)
        if net.l2:
            yield Entry("backward", l, "L2G", 2 * n * k)
        if l > 1 or input_gradient:
            added = m * k if l - 1 in skipped else 0
            yield Entry("backward", l, "BP5", 2 * m * n * k + added, matmul=2 * m * n * k)


def norm_backward(layer: Dense, l: int, m: int) -> Iterator[Entry]:
    """Back through a normalization."""
    norm, size = norm_of(layer), m * layer.units
    number, groups = norm.equations, norm.groups(m, layer.units)
    yield Entry("backward", l, number["gamma"], 3 * size)
    yield Entry("backward", l, number["beta"], 2 * size)
    yield Entry("backward", l, number["grad_x_hat"], size)
    yield Entry("backward", l, number["delta"], 7 * size + 2 * groups)


@lru_cache(maxsize=1024)
def function_operations(phi: Activation, n: int) -> int:
    """Operations of φ on one example of n units."""
    return operations_of(phi.function, np.ones((1, n)))


@lru_cache(maxsize=1024)
def slope_operations(layer: Dense, n: int) -> int:
    """Operations of BP2 on one example: φ' and the product with ∂ℓ/∂h."""
    phi, ones = layer.activation, np.ones((1, n))
    if phi.pull_back:
        return operations_of(phi.pull_back, ones, ones)
    return operations_of(phi.derivative, ones) + n


def loss_operations(net: Network, m: int) -> int:
    """Operations of ℓ for m examples: from the scores where the output has a short form; else a's domain is checked."""
    y = np.ones((m, net.outputs))
    if net.short_form is not None:
        value = net.short_form.value
        return operations_of(lambda u: value(u, y), y.copy())
    return operations_of(lambda a: net.loss.value(a, y), y.copy()) + 4 * y.size


def loss_slope_operations(net: Network, m: int) -> int:
    """Operations of ∂ℓ/∂a for m examples."""
    y = np.ones((m, net.outputs))
    return operations_of(lambda a: net.loss.gradient(a, y), y.copy())


@lru_cache(maxsize=64)
def update_operations(optimizer: Optimizer) -> int:
    """Operations a parameter of one update, the addition to theta counted."""
    one = np.ones(1)
    state = optimizer.init(one)
    spent = operations_of(lambda g, *slots: optimizer.update(g, slots, 1, lr=0.1, theta=one), one, *state)
    return spent + 1


# --- arrays that count ------------------------------------------------------------------------------------------------


@dataclass
class Counter:
    """What has been counted: all operations, and those of matrix products among them."""

    total: int = 0
    matmul: int = 0


class CountedArray(np.ndarray):
    """An array whose arithmetic is counted by the counters that are on; results are counted arrays too."""

    counters: list[Counter] = []  # noqa: RUF012  the ones that are on

    def __array_ufunc__(self, ufunc: np.ufunc, method: str, *inputs: Any, **kwargs: Any) -> Any:
        """Do the arithmetic on plain arrays, and count it."""
        raw = [plain(value) for value in inputs]
        if "out" in kwargs:
            kwargs["out"] = tuple(plain(value) for value in kwargs["out"])
        result = getattr(ufunc, method)(*raw, **kwargs)
        matmul = 2 * np.size(result) * np.shape(raw[0])[-1] if ufunc is np.matmul else 0
        operations = matmul or (np.size(raw[0]) if method == "reduce" else np.size(result))
        for counter in self.counters:
            counter.total += operations
            counter.matmul += matmul
        return counted(result)

    def __array_function__(self, function: Any, types: Any, args: Any, kwargs: Any) -> Any:
        """Let NumPy do the rest, and keep counting what is done with it."""
        result = super().__array_function__(function, types, args, kwargs)
        return counted(result) if isinstance(result, np.ndarray) else result


def counted(value: Any) -> Any:
    """An array, seen as one that counts; a number as it is."""
    return value.view(CountedArray) if isinstance(value, np.ndarray) else value


def plain(value: Any) -> Any:
    """The array without the counting."""
    return value.view(np.ndarray) if isinstance(value, CountedArray) else value


@contextmanager
def counting() -> Iterator[Counter]:
    """Count what counted arrays do inside the block.

    Each arithmetic call counts one operation for each element of its result; a reduction one for each element that it
    reads; a matrix product two for each multiply-add.  Copying, reshaping, selecting (`np.where`) and comparing bits
    count nothing.

    >>> with counting() as counter:
    ...     u = counted(np.ones((2, 3)))
    ...     _ = np.exp(-u) @ np.ones((3, 4))
    >>> counter.total, counter.matmul
    (60, 48)
    """
    counter = Counter()
    CountedArray.counters.append(counter)
    try:
        yield counter
    finally:
        CountedArray.counters.remove(counter)


def operations_of(function: Any, *arrays: np.ndarray) -> int:
    """The operations that function(*arrays) executes."""
    with counting() as counter:
        function(*(counted(array) for array in arrays))
    return counter.total
