"""An engine whose steps are sums over shards, whoever computes the parts, and what these say of the noise."""

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any, Protocol

import numpy as np

from backlit.core.dropout import DropoutKey
from backlit.core.parameters import Parameters, Statistics
from backlit.engine import Data, Engine, EpochResult, State, TrainConfig
from backlit.engine.base import OneByOne, exact_sum
from backlit.engine.partial import Partial, tree_sum
from backlit.processors import OneBlasThread, loaded_blas
from backlit.training.sharding import Reader, Shards, Step, square

Array = np.ndarray
blas_held = OneBlasThread(loaded_blas)


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
    """An engine whose steps are sums over shards; see `protocol.Engine`.

    crew : who computes the parts, this process if it is not given.
    """

    def __init__(self, engine: Engine, recipe: TrainConfig, crew: Crew | None = None):
        self.engine, self.recipe, self.name = engine, recipe, engine.name
        self.crew = Alone(engine) if crew is None else crew
        self.noise_scale = NoiseScale()

    def run(
        self, state: State, data: Any, order: Array, learning_rates: Array, stop: Callable[[], bool]
    ) -> EpochResult:
        """Steps `order` of an epoch of `Shards`; see `protocol.Engine.run`."""
        with blas_held:  # as on every worker: the bits of the textbook's products hang on the threads of BLAS
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
        """See `protocol.Engine.predict`."""
        return self.engine.predict(params, statistics, X)

    def loss(self, params: Parameters, statistics: Statistics, data: Data) -> float:
        """See `protocol.Engine.loss`."""
        return self.engine.loss(params, statistics, data)

    def loss_and_gradient(self, params: Parameters, data: Data) -> tuple[float, Array]:
        """See `protocol.Engine.loss_and_gradient`."""
        return self.engine.loss_and_gradient(params, data)

    def partial(self, params: Parameters, data: Data, rows: Array, weight: float, key: DropoutKey) -> Partial:
        """See `protocol.Engine.partial`."""
        return self.engine.partial(params, data, rows, weight, key)

    def update(self, state: State, whole: Partial, weight: float, learning_rate: float) -> tuple[float, Array]:
        """See `protocol.Engine.update`."""
        return self.engine.update(state, whole, weight, learning_rate)


def recipe_of_shards(recipe: TrainConfig, shards: Shards) -> TrainConfig:
    """What an engine is told that computes parts: its batches are a shard's."""
    return replace(recipe, batch_size=max(shard.batch_size for shard in shards.each))
