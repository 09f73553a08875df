"""What an engine is: whoever runs the passes and the updates, at whatever speed, gives the textbook's numbers.

The trainer knows these few methods only, so one engine takes another's place without a change above it.
"""

import math
import threading
from collections.abc import Callable, Generator, Iterable, Iterator
from dataclasses import dataclass, field, replace
from typing import Any, Protocol

import numpy as np

from backlit.core.dropout import DropoutKey
from backlit.core.network import Network
from backlit.core.parameters import Parameters, Statistics
from backlit.optim import Optimizer

Array = np.ndarray
PCG_FACTOR, PCG_MASK = 0x2360ED051FC65DA44385DF649FCCF645, 2**128 - 1


@dataclass(frozen=True)
class Data:
    """Examples as an engine takes them, checked and in the parameters' dtype.

    X : (n, n_0), C-contiguous, or for `DenseBatches` a CSR matrix.  Y : (n, n_L), as `as_targets` makes it.
    sample_weight : (n,) ≥ 0, or None.
    """

    X: Any
    Y: Array
    sample_weight: Array | None = None

    def __len__(self) -> int:
        return self.X.shape[0]

    @property
    def is_sparse(self) -> bool:
        """Whether X is a sparse matrix."""
        return not isinstance(self.X, np.ndarray)

    def rows(self, rows: Array) -> "Data":
        """Some rows, dense."""
        X = np.asarray(self.X[rows].toarray(), order="C") if self.is_sparse else self.X[rows]
        return Data(X, self.Y[rows], None if self.sample_weight is None else self.sample_weight[rows])

    def take(self, rows: Array) -> "Data":
        """Some rows, sparse where X is."""
        return Data(self.X[rows], self.Y[rows], None if self.sample_weight is None else self.sample_weight[rows])

    def blocks(
        self, seed: int, epoch: int, batch_size: int, batches_done: int, shuffle: bool
    ) -> Generator[tuple["Data", Array]]:
        """What is left of an epoch, in one block: all examples, and the rows (k,) of them to learn in order.

        >>> data = Data(np.zeros((5, 1)), np.zeros((5, 1)))
        >>> [rows.tolist() for _, rows in data.blocks(0, epoch=1, batch_size=2, batches_done=1, shuffle=False)]
        [[2, 3, 4]]
        """
        yield self, permutation(len(self), (seed, epoch), shuffle)[batches_done * batch_size :]

    def weight(self) -> float:
        """The sum of the weights, of the examples where they have none."""
        return float(len(self) if self.sample_weight is None else self.sample_weight.sum(dtype=np.float64))


class Shuffler(threading.local):
    """One generator a thread: to make one takes several times as long as to draw the order of a small table."""

    def __init__(self) -> None:
        self.bits = np.random.PCG64(0)
        self.generator = np.random.Generator(self.bits)


SHUFFLER = Shuffler()


def permutation(n: int, seed: tuple[int, ...], shuffle: bool) -> Array:
    """The numbers 0 to n - 1 (n,), in an order that is a function of the seed: `default_rng(seed).permutation(n)`."""
    if not shuffle:
        return np.arange(n)
    SHUFFLER.bits.state = pcg64(seed)
    return SHUFFLER.generator.permutation(n)


def pcg64(seed: tuple[int, ...]) -> Any:
    """The state that `numpy.random.PCG64(seed)` begins with.  Source: O'Neill 2014, section 4.

    >>> pcg64((3, 1)) == np.random.PCG64((3, 1)).state
    True
    """
    a, b, c, d = np.random.SeedSequence(seed).generate_state(4, np.uint64).tolist()
    increment = (c << 65 | d << 1 | 1) & PCG_MASK
    state = ((increment + (a << 64 | b)) * PCG_FACTOR + increment) & PCG_MASK
    return {"bit_generator": "PCG64", "state": {"state": state, "inc": increment}, "has_uint32": 0, "uinteger": 0}


@dataclass(frozen=True)
class TrainConfig:
    """What stays the same from the first step to the last.

    memory_limit : bytes that a step may take, parameters, optimizer and workspace together; activations are computed
    again where they would not fit.  The numbers stay the same, to the bit.  The reference engine has no such limit.
    alpha : where given, each batch has an L2 of its own: C = (Σ w_i ℓ_i + (α/2) Σ ‖W‖²) / Σ w_i, which is how
    scikit-learn means `alpha`; the short last batch of an epoch is pulled the more.
    """

    net: Network
    optimizer: Optimizer
    batch_size: int
    clip_norm: float | None = None
    clip_value: float | None = None
    seed: int = 0  # of the dropout masks
    n_threads: int | None = (
        None  # None: what the machine and OMP_NUM_THREADS allow; the reference engine has no use for it
    )
    memory_limit: int | None = None
    alpha: float | None = None

    def network_for(self, weight: float) -> Network:
        """The network as a batch of this weight sees it."""
        return self.net if self.alpha is None else replace(self.net, l2=self.alpha / weight)


@dataclass
class State:
    """What training changes; an engine writes into these arrays in place."""

    params: Parameters
    slots: tuple[Array, ...]  # the optimizer's state vectors, each as long as theta
    statistics: Statistics
    step: int = 0  # optimizer steps done

    def copy(self) -> "State":
        """The same state in arrays of its own."""
        slots = tuple(slot.copy() for slot in self.slots)
        return State(self.params.copy(), slots, self.statistics.copy(), self.step)

    @classmethod
    def start(cls, net: Network, params: Parameters, optimizer: Optimizer) -> "State":
        """A state before the first step, with vectors of its own."""
        params = params.copy()
        return cls(params, optimizer.init(params.theta), Statistics(net, params.theta.dtype))


@dataclass(frozen=True)
class EpochResult:
    """What one pass over the data gave.

    cost_sum : Σ over the batches of C times the rows, C at the parameters before each step, as `exact_sum` gives it.
    gradient_norms : (L,) mean over the batches of ‖∂C/∂W_l‖, before clipping.  steps : batches done.
    rows : the examples in them, without those of batches that were passed over.
    interrupted : whether `stop` ended the pass at a batch edge.
    """

    cost_sum: tuple[float, float]
    gradient_norms: Array = field(repr=False)
    steps: int
    rows: int
    interrupted: bool = False

    @property
    def loss(self) -> float:
        """The mean over the examples of the cost of their batch."""
        return self.cost_sum[0] / max(self.rows, 1)


def exact_sum(numbers: Iterable[float]) -> tuple[float, float]:
    """A sum, rounded once, and what the rounding took off: the two go on to a larger sum as if it were one.

    So a pass in parts has the bits of a pass in one.  Source: Shewchuk 1997, by `math.fsum`.

    >>> exact_sum([1e16, 1.0, 1.0]), exact_sum([1e16, *exact_sum([1.0, 2.0])])
    ((1.0000000000000002e+16, 0.0), (1.0000000000000004e+16, -1.0))
    """
    numbers = list(numbers)
    try:
        total = math.fsum(numbers)
        return total, math.fsum([*numbers, -total])
    except OverflowError:
        return math.inf, 0.0


@dataclass(frozen=True)
class Partial:
    """What some rows add to a step; each has its share w_i / Σ w of the whole step's weight, so parts add up to C.

    grad : (parameters,) to ∂C/∂theta, without L2.  loss : to C, without L2.  rows : how many.
    mean, variance : by layer, batch norm's moments (n_l,) of these rows, variance biased; None elsewhere.
    shards, square : how many shards it is of, and the mean over them, by weight, of the squared length of each one's
    own mean gradient; from these comes the gradient noise scale.
    """

    grad: Array
    loss: float
    rows: int
    mean: list[Any]
    variance: list[Any]
    shards: int = 1
    square: float = 0.0

    def plus(self, other: "Partial") -> "Partial":
        """Both together.  Source of the moments: Chan, Golub & LeVeque 1979."""
        rows = self.rows + other.rows
        mean, variance = list(self.mean), list(self.variance)
        for l, here in enumerate(self.mean):
            if here is not None:
                ours, theirs = self.rows / rows, other.rows / rows
                apart = other.mean[l].astype(np.float64) - here
                mean[l] = here + theirs * apart
                variance[l] = ours * self.variance[l].astype(np.float64) + theirs * other.variance[l] + (
                    ours * theirs * apart**2
                )  # fmt: skip
        shards, square = self.shards + other.shards, self.square + other.square
        return Partial(self.grad + other.grad, self.loss + other.loss, rows, mean, variance, shards, square)


class Engine(Protocol):
    """Runs a recipe."""

    name: str

    def run(
        self, state: State, data: Data, order: Array, learning_rates: Array, stop: Callable[[], bool]
    ) -> EpochResult:
        """Take one optimizer step for each batch of the rows `order` (n,), writing into `state`.

        learning_rates : (number of batches,).  `stop` is asked at each batch's edge.  Raises Divergence where the cost,
        a gradient or a parameter is not finite; `state` then holds what the last good step left.  A batch whose
        weights sum to 0 is passed over.
        """
        ...

    def run_epochs(
        self, state: State, data: Data, orders: Array, learning_rates: Array, stop: Callable[[], bool]
    ) -> Iterator[EpochResult]:
        """`run` for one order after the other, (k, n), each at rates of its own, (k, number of batches).

        Gives each epoch's result; one that was interrupted is the last.  Raises as `run` does, once it has given the
        epochs before.  `state` may be as far as the last epoch from the first result on.
        """
        ...

    def predict(self, params: Parameters, statistics: Statistics, X: Array) -> Array:
        """Outputs a_L (n, n_L) for X (n, n_0), without dropout, batch norm by the running statistics."""
        ...

    def loss(self, params: Parameters, statistics: Statistics, data: Data) -> float:
        """The (weighted) mean of ℓ_i over the data, without the L2 term, as `predict` computes it."""
        ...

    def loss_and_gradient(self, params: Parameters, data: Data) -> tuple[float, Array]:
        """C and ∂C/∂theta over the whole of the data as one batch, without dropout."""
        ...

    def partial(self, params: Parameters, data: Data, rows: Array, weight: float, key: DropoutKey) -> Partial:
        """What some rows (k,) add to a step of this weight in all, as `run` computes it; at most a batch of them.

        key : of the dropout masks; its step is the number of steps done.  Raises Divergence where something is not
        finite.
        """
        ...

    def update(self, state: State, whole: Partial, weight: float, learning_rate: float) -> tuple[float, Array]:
        """Take one optimizer step, by the sum of all parts of a step of this weight; L2 and clipping come in here.

        Gives (C, the norms (L,) of ∂C/∂W_l), and writes into `state`, as `run` does.
        """
        ...


class OneByOne:
    """The epochs of an engine that takes one a call."""

    def run_epochs(
        self: Any, state: State, data: Data, orders: Array, learning_rates: Array, stop: Callable[[], bool]
    ) -> Iterator[EpochResult]:
        """Epoch after epoch; see `Engine.run_epochs`."""
        for order, rates in zip(orders, learning_rates, strict=True):
            result = self.run(state, data, order, rates, stop)
            yield result
            if result.interrupted:
                return


@dataclass
class EpochSums:
    """Sums over the parts of a pass; a part counts by the rows that were learned from, not by those it was given."""

    steps: int = 0
    rows: int = 0
    loss: float = 0.0  # summed over rows, as `exact_sum` does
    rest: float = 0.0
    gradient_norms: list[float] = field(default_factory=list)  # summed over steps

    def add(self, part: EpochResult) -> None:
        """Take in a part."""
        norms = [part.steps * norm for norm in part.gradient_norms.tolist()]
        before = self.gradient_norms or [0.0] * len(norms)
        self.gradient_norms = [norm + sum for norm, sum in zip(norms, before, strict=True)]
        self.steps, self.rows = self.steps + part.steps, self.rows + part.rows
        self.loss, self.rest = exact_sum((self.loss, self.rest, *part.cost_sum))

    def result(self, interrupted: bool) -> EpochResult:
        """Means over what was done."""
        norms = np.array(self.gradient_norms) / max(self.steps, 1)
        return EpochResult((self.loss, self.rest), norms, self.steps, self.rows, interrupted)
