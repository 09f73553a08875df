"""One network on the rows of S shards: a step takes some rows of each, and its gradient is the sum of their parts.

Which rows a shard has is fixed before the first step, and so is which of them a step takes.  A part is a function of
theta, the shard and the step's number; so it does not matter who computes it, when, or how often.  Parts are added by
one binary tree over the shards' numbers, never in the order in which they come.  So the result of training is a
function of the data, the seed, the settings and S.
"""

from collections.abc import Callable, Generator, Iterator, Sequence
from contextlib import closing
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import TYPE_CHECKING, Any, Protocol

import numpy as np

from backlit.core.dropout import DropoutKey
from backlit.core.parameters import Parameters, Statistics
from backlit.engine import Data, Engine, EpochResult, State, TrainConfig
from backlit.engine.base import OneByOne, Partial, exact_sum, permutation
from backlit.errors import ProblemError
from backlit.processors import one_blas_thread
from backlit.registry import positive_integer
from backlit.training.streaming import Stream, blocks

if TYPE_CHECKING:
    from backlit.training.run import Settings  # which knows what stands here

Array = np.ndarray
Node = tuple[int, int]  # shards first … last − 1


@dataclass(frozen=True)
class Shard:
    """One shard's rows, and how many of them a step takes; what a worker must know of it.

    seed : draws the order of its rows; with one shard in all it is the run's own.
    """

    number: int
    source: Data | Stream
    batch_size: int
    seed: int
    shuffle: bool

    @property
    def n_batches(self) -> int:
        """Steps of an epoch that take rows of it: the first ones."""
        return -(-len(self.source) // self.batch_size)

    def rows_in(self, step: int) -> int:
        """Rows that a step takes."""
        return min(max(len(self.source) - step * self.batch_size, 0), self.batch_size)

    def weights(self, epoch: int, n_batches: int) -> Array:
        """The weight of its rows in each step of an epoch (n_batches,)."""
        rows = np.array([self.rows_in(step) for step in range(n_batches)], np.float64)
        if isinstance(self.source, Data) and self.source.sample_weight is not None:
            order = permutation(len(self.source), (self.seed, epoch), self.shuffle)
            drawn = self.source.sample_weight[order].astype(np.float64)
            rows[: self.n_batches] = np.add.reduceat(drawn, np.arange(0, len(order), self.batch_size))
        return rows


@dataclass(frozen=True)
class Shards:
    """Training rows in shards: what `fit` takes in place of data, for the same bits on any number of workers.

    Parameters
    ----------
    each : tuple of Shard
        The shards, as `deal` or `of` makes them.
    epoch : int, default 0
        Which epoch's order they are in.

    Attributes
    ----------
    is_sparse : bool
        Whether X is sparse; the rows of a step are then made dense.
    n_batches : int
        Steps of an epoch.
    weights : (n_batches,) array
        The weight of all rows of each step of the epoch.

    Examples
    --------
    >>> from backlit.training import Settings
    >>> X = np.zeros((10, 1))
    >>> shards = Shards.deal(Data(X, X), 4, Settings(batch_size=5))
    >>> [len(shard.source) for shard in shards.each], [shard.batch_size for shard in shards.each], shards.n_batches
    ([3, 3, 2, 2], [2, 1, 1, 1], 3)
    """

    each: tuple[Shard, ...]
    epoch: int = 0

    @classmethod
    def deal(cls, data: Data, S: int, settings: "Settings") -> "Shards":
        """Rows that are in memory, dealt out one by one.  Raises ProblemError for fewer rows than shards."""
        check_shards(S, len(data))
        return cls.of([data.take(np.arange(s, len(data), S)) for s in range(S)], settings)

    @classmethod
    def of(cls, sources: Sequence[Data | Stream], settings: "Settings") -> "Shards":
        """Rows that are in shards already; a step takes of each in proportion to its rows, and one at least.

        Raises ProblemError for a shard without rows, and for batches that are smaller than the number of shards.
        """
        rows, S = [len(source) for source in sources], len(sources)
        if min(rows) == 0:
            raise ProblemError(f"shard {rows.index(0)} of {S} has no rows: give fewer shards")
        most = min(settings.batch_size, sum(rows))
        if most < S:
            raise ProblemError(f"batches of {most} rows cannot have one of each of {S} shards: make batches larger, or "
                               f"give fewer shards")  # fmt: skip
        seeds = [settings.seed] if S == 1 else [seed_of(settings.seed, s) for s in range(S)]
        shards = zip(range(S), sources, batch_sizes(rows, most), seeds, strict=True)
        return cls(tuple(Shard(*each, shuffle=settings.shuffle) for each in shards))

    def __len__(self) -> int:
        return sum(len(shard.source) for shard in self.each)

    @property
    def is_sparse(self) -> bool:
        """Whether X is sparse; shards are then dense, a batch at a time."""
        return any(shard.source.is_sparse for shard in self.each)

    @property
    def n_batches(self) -> int:
        """Steps of an epoch."""
        return max(shard.n_batches for shard in self.each)

    def blocks(self, epoch: int, batches_done: int) -> Generator[tuple["Shards", Array]]:
        """What is left of an epoch, in one block: the shards, and the numbers of its steps."""
        yield replace(self, epoch=epoch), np.arange(batches_done, self.n_batches)

    @cached_property
    def weights(self) -> Array:
        """The weight of each step of the epoch (n_batches,)."""
        return np.sum([shard.weights(self.epoch, self.n_batches) for shard in self.each], axis=0)


@dataclass(frozen=True)
class Step:
    """Which step it is: what a part is a function of, beside theta and the shard.

    batch : its number in the epoch, from 0.  done : steps of the whole run before it.  weight : of all its rows.
    """

    epoch: int
    batch: int
    done: int
    weight: float
    seed: int  # of the dropout masks


@dataclass
class Reader:
    """Gives a shard's batches; the next one at once, and any other after reading a buffer."""

    shard: Shard
    at: tuple[int, int] = (0, 0)  # epoch and batch of `last`
    last: tuple[Data, Array] | None = None
    coming: Iterator[tuple[Data, Array]] = field(default_factory=lambda: iter(()))

    def batch(self, epoch: int, batch: int) -> tuple[Data, Array] | None:
        """Examples, and which of them a step takes; None where it takes none."""
        if batch >= self.shard.n_batches:
            self.close()
            return None
        if self.at != (epoch, batch):
            if self.last is None or self.at != (epoch, batch - 1):
                self.close()
                self.coming = batches_of(self.shard, epoch, batch)
            self.last = None  # so that at most two buffers are there
            self.last, self.at = next(self.coming), (epoch, batch)
        return self.last

    def close(self) -> None:
        """Let go of what was read ahead."""
        if isinstance(self.coming, Generator):
            self.coming.close()
        self.coming, self.last, self.at = iter(()), None, (0, 0)

    def part(self, engine: Engine, params: Parameters, step: Step) -> Partial | None:
        """What the shard adds to a step; None where it has no rows in it."""
        taken = self.batch(step.epoch, step.batch)
        if taken is None:
            return None
        data, rows = taken
        if data.sample_weight is not None and not isinstance(self.shard.source, Data):
            raise ProblemError("a stream with weights cannot be shared out: give its rows in memory, or no weights")
        if data.sample_weight is not None and not data.sample_weight[rows].any():
            return None
        found = engine.partial(params, data, rows, step.weight, DropoutKey(step.seed, step.done, self.shard.number))
        own = float(len(rows) if data.sample_weight is None else data.sample_weight[rows].sum(dtype=np.float64))
        return replace(found, square=square(found.grad) * step.weight / own)


def batches_of(shard: Shard, epoch: int, first: int) -> Generator[tuple[Data, Array]]:
    """The batches of a shard in an epoch, from number `first` on."""
    size = shard.batch_size
    with closing(blocks(shard.source, shard.seed, epoch, size, first, shard.shuffle)) as left:
        for data, order in left:
            for start in range(0, len(order), size):
                yield data, order[start : start + size]
            del data


def square(g: Array) -> float:
    """The squared length of a vector."""
    return float(np.vdot(g, g))


def check_shards(S: Any, rows: int) -> int:
    """A number of shards; raises ProblemError where there are fewer rows."""
    positive_integer(S, "shards")
    if rows < S:
        raise ProblemError(f"{S} shards need {S} training rows, and there are {rows}: give fewer shards")
    return int(S)


def seed_of(seed: int, s: int) -> int:
    """The seed of shard s."""
    return int(np.random.SeedSequence([seed, s]).generate_state(1, np.uint64)[0])


def batch_sizes(rows: Sequence[int], batch_size: int) -> list[int]:
    """Rows that a step takes of each shard: in proportion to its rows, by largest remainders, and one at least.

    >>> batch_sizes([100, 50, 50], 10), batch_sizes([1000, 1], 8)
    ([5, 3, 2], [8, 1])
    """
    n = sum(rows)
    sizes = [batch_size * own // n for own in rows]
    short = sorted(range(len(rows)), key=lambda s: (-(batch_size * rows[s] % n), s))
    for s in short[: batch_size - sum(sizes)]:
        sizes[s] += 1
    return [max(size, 1) for size in sizes]


# --- the sum of the parts ---------------------------------------------------------------------------------------------


def branches(node: Node) -> tuple[Node, Node]:
    """The two halves of a node of more than one shard.

    >>> branches((0, 5))
    ((0, 2), (2, 5))
    """
    first, last = node
    middle = (first + last) // 2
    return (first, middle), (middle, last)


def nodes_within(part: Node, node: Node) -> list[Node]:
    """The largest nodes of the tree under `node` that lie within some shards in a row: what one worker may add up.

    >>> nodes_within((1, 4), (0, 8)), nodes_within((4, 8), (0, 8))
    ([(1, 2), (2, 4)], [(4, 8)])
    """
    if part[0] <= node[0] and node[1] <= part[1]:
        return [node]
    if node[1] <= part[0] or part[1] <= node[0]:
        return []
    left, right = branches(node)
    return nodes_within(part, left) + nodes_within(part, right)


def tree_sum(part: Callable[[Node], Partial | None], node: Node) -> Partial | None:
    """The sum of the parts under a node, in the tree's order; None where there are none.

    part : gives what there is of a node, None where the node is not there as a whole.
    """
    found = part(node)
    if found is not None or node[1] - node[0] == 1:
        return found
    left, right = (tree_sum(part, branch) for branch in branches(node))
    if left is None or right is None:
        return right if left is None else left
    return left.plus(right)


# --- the engine -------------------------------------------------------------------------------------------------------


@dataclass
class NoiseScale:
    """The gradient noise scale of an epoch: the rows a step beyond which a larger batch gains little.

    A shard's gradient of b rows has a squared length of |G|² + tr(Σ)/b on average, and that of all B rows one of
    |G|² + tr(Σ)/B: from both come tr(Σ) and |G|², and the scale is their quotient.  Source: McCandlish et al. 2018,
    appendix A.
    """

    epoch: int = 0
    shards: int = 0
    noise: float = 0.0
    signal: float = 0.0

    def add(self, epoch: int, whole: Partial) -> None:
        """Take in a step."""
        if epoch != self.epoch:
            self.epoch, self.noise, self.signal = epoch, 0.0, 0.0
        self.shards = max(self.shards, whole.shards)
        if whole.shards > 1:
            large = square(whole.grad)
            noise = (whole.square - large) * whole.rows / (whole.shards - 1)
            self.noise, self.signal = self.noise + noise, self.signal + large - noise / whole.rows

    @property
    def rows(self) -> float | None:
        """The scale, in rows; None where the noise hides the gradient, or nothing was seen."""
        return self.noise / self.signal if self.signal > 0 and self.noise > 0 else None


class Crew(Protocol):
    """Who computes the parts of a step."""

    def whole(self, params: Parameters, shards: Shards, step: Step) -> Partial | None:
        """The sum of all shards' parts, by the tree; None where no shard has a row of weight in it."""
        ...


class Alone:
    """Computes the parts one after the other, in this process."""

    def __init__(self, engine: Engine):
        self.engine, self.readers = engine, dict[int, Reader]()

    def whole(self, params: Parameters, shards: Shards, step: Step) -> Partial | None:
        """See `Crew.whole`."""

        def part(node: tuple[int, int]) -> Partial | None:
            first, last = node
            if last - first > 1:
                return None
            reader = self.readers.setdefault(first, Reader(shards.each[first]))
            return reader.part(self.engine, params, step)

        return tree_sum(part, (0, len(shards.each)))


class ShardedEngine(OneByOne):
    """An engine whose steps are sums over shards; see `engine.base.Engine`.

    crew : who computes the parts, this process if it is not given.
    """

    def __init__(self, engine: Engine, recipe: TrainConfig, crew: Crew | None = None):
        self.engine, self.recipe, self.name = engine, recipe, engine.name
        self.crew = Alone(engine) if crew is None else crew
        self.noise_scale = NoiseScale()

    def run(
        self, state: State, data: Any, order: Array, learning_rates: Array, stop: Callable[[], bool]
    ) -> EpochResult:
        """Steps `order` of an epoch of `Shards`; see `engine.base.Engine.run`."""
        with one_blas_thread():  # as on every worker: the bits of the textbook's products hang on the threads of BLAS
            return self.steps(state, data, order, learning_rates, stop)

    def steps(
        self, state: State, data: Shards, order: Array, learning_rates: Array, stop: Callable[[], bool]
    ) -> EpochResult:
        """The same, whoever holds BLAS."""
        costs, seen, norms = [], 0, np.zeros(self.recipe.net.L)
        for batch, rate in zip(order, learning_rates, strict=True):
            if stop():
                break
            weight = float(data.weights[batch])
            step = Step(data.epoch, int(batch), state.step, weight, self.recipe.seed)
            whole = self.crew.whole(state.params, data, step) if weight else None
            if whole is None:
                continue
            self.noise_scale.add(data.epoch, whole)
            C, lengths = self.engine.update(state, whole, weight, float(rate))
            costs.append(C * whole.rows)
            seen, norms = seen + whole.rows, norms + lengths
        return EpochResult(exact_sum(costs), norms / max(len(costs), 1), len(costs), seen, interrupted=stop())

    def predict(self, params: Parameters, statistics: Statistics, X: Array) -> Array:
        """See `engine.base.Engine.predict`."""
        return self.engine.predict(params, statistics, X)

    def loss(self, params: Parameters, statistics: Statistics, data: Data) -> float:
        """See `engine.base.Engine.loss`."""
        return self.engine.loss(params, statistics, data)

    def loss_and_gradient(self, params: Parameters, data: Data) -> tuple[float, Array]:
        """See `engine.base.Engine.loss_and_gradient`."""
        return self.engine.loss_and_gradient(params, data)

    def partial(self, params: Parameters, data: Data, rows: Array, weight: float, key: DropoutKey) -> Partial:
        """See `engine.base.Engine.partial`."""
        return self.engine.partial(params, data, rows, weight, key)

    def update(self, state: State, whole: Partial, weight: float, learning_rate: float) -> tuple[float, Array]:
        """See `engine.base.Engine.update`."""
        return self.engine.update(state, whole, weight, learning_rate)


def recipe_of_shards(recipe: TrainConfig, shards: Shards) -> TrainConfig:
    """What an engine is told that computes parts: its batches are a shard's."""
    return replace(recipe, batch_size=max(shard.batch_size for shard in shards.each))
