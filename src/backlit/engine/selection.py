"""Which engine runs: "native" is compiled and fast, "reference" the textbook itself; "auto" is native where it can be.

Engines of small networks are kept from one call to the next: making one takes longer than a step on a few rows.  Each
thread keeps its own, so no two wait for each other; a forked process begins with none.

For sparse rows an engine is put inside another, which makes batches of them dense.
"""

import copy
import logging
import os
import threading
from collections.abc import Callable, Iterator
from dataclasses import fields
from functools import lru_cache
from itertools import pairwise
from typing import Any

import numpy as np

from backlit.core.dropout import DropoutKey
from backlit.core.parameters import Parameters, Statistics
from backlit.engine.base import Array, Data, Engine, EpochResult, EpochSums, OneByOne, Partial, State, TrainConfig
from backlit.engine.reference import ReferenceEngine
from backlit.errors import ProblemError, near

ENGINES = ("auto", "native", "reference")
MOST = 4  # engines that a thread keeps
NUMBERS = 2**20  # that a kept engine's workspace has about, at most: 8 MB of float64
ROWS = 1024  # of a prediction that are computed at once
BYTES_AT_ONCE = 2**24  # of dense rows made of sparse ones, or one batch where that is more
OTHERS = [field.name for field in fields(TrainConfig) if field.name not in ("net", "seed")]


def get_engine(name: str, recipe: TrainConfig) -> Engine:
    """Make the engine of that name for a recipe: "auto" takes the native one, or says once why it can't.

    Raises ProblemError for an unknown name, and for "native" where it cannot run the recipe.
    """
    from backlit.engine.native import unsupported_reason

    if name not in ENGINES:
        raise ProblemError(f"unknown engine {name!r}: {near(name, ENGINES)}")
    if name == "reference":
        return textbook(recipe)
    reason = unsupported_reason(recipe)
    if reason is None:
        return native_engine(recipe)
    if name == "native":
        raise ProblemError(f'the native engine cannot run this: {reason}: use engine="reference" or "auto"')
    warn_once(f"training with the reference engine, which is slower: {reason}")
    return textbook(recipe)


def native_engine(recipe: TrainConfig, isa: str | None = None) -> Any:
    """The native engine, within the recipe's memory limit where it has one; see `NativeEngine`."""
    if recipe.memory_limit is None:
        from backlit.engine.native import NativeEngine

        return NativeEngine(recipe, isa)
    from backlit.engine.memory_limit import LimitedEngine

    return LimitedEngine(recipe, isa)


def textbook(recipe: TrainConfig) -> ReferenceEngine:
    """The textbook's engine; it keeps everything, and says so where there is a limit."""
    if recipe.memory_limit is not None:
        warn_once("the reference engine keeps all activations: memory_limit is for the native engine")
    return ReferenceEngine(recipe)


@lru_cache(maxsize=32)
def warn_once(message: str) -> None:
    """Log a warning; the same message only the first time."""
    logging.getLogger("backlit").warning(message)


class Shelf(threading.local):
    """What a thread keeps, the last used at the end."""

    def __init__(self) -> None:
        self.engines: list[tuple[str, Any]] = []


SHELF = Shelf()


def kept_engine(name: str, config: TrainConfig) -> Engine:
    """The engine of that name for the network of `config`; it is made where none is kept.

    An engine that was kept for another seed, or in C++ for a network that is equal, goes on with this one.
    """
    for place in reversed(range(len(SHELF.engines))):
        known, engine = SHELF.engines[place]
        if known == name and alike(engine, config):
            if engine.recipe.net is not config.net or engine.recipe.seed != config.seed:
                engine = taken_over(engine, config)
            del SHELF.engines[place]
            SHELF.engines.append((name, engine))
            return engine
    made = get_engine(name, config)
    if config.memory_limit is None and max(config.batch_size, ROWS) * sum(config.net.n) <= NUMBERS:
        SHELF.engines = [*SHELF.engines[1 - MOST :], (name, made)]
    return made


def alike(engine: Any, config: TrainConfig) -> bool:
    """Whether an engine's network can stand for that of `config`, and its settings differ in no more than the seed."""
    from backlit.engine.native import unsupported_reason

    own = engine.recipe
    if any(getattr(own, name) != getattr(config, name) for name in OTHERS):
        return False
    if own.net is config.net:
        return True
    return engine.name == "native" and own.net == config.net and unsupported_reason(config) is None


def taken_over(engine: Any, config: TrainConfig) -> Engine:
    """The engine, with its plans and workspaces, for another seed and the very network of `config`."""
    again: Any = copy.copy(engine)
    again.recipe, again.net = config, config.net
    return again


def forget() -> None:
    """Keep nothing: an engine's threads do not live on in a forked child."""
    SHELF.engines = []


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=forget)


# --- sparse rows ------------------------------------------------------------------------------------------------------


class DenseBatches(OneByOne):
    """Runs another engine on data whose X is a CSR matrix, some batches at a time as dense rows; memory stays flat.

    The steps are those of a dense X, to the bit: batches keep their rows, their order and their size.
    """

    def __init__(self, engine: Engine, batch_size: int):
        self.engine, self.name, self.batch_size = engine, engine.name, batch_size

    def run(
        self, state: State, data: Data, order: Array, learning_rates: Array, stop: Callable[[], bool]
    ) -> EpochResult:
        """One pass over the data; see `base.Engine.run`."""
        size = min(self.batch_size, max(len(order), 1))
        at_once = max(1, rows_at_once(data.X) // size)
        whole = max(1, len(order) // size)  # a short last batch goes with the one before, so its plan is theirs
        sums, interrupted = EpochSums(), False
        for first, last in cut(whole, at_once):
            stop_row = len(order) if last == whole else last * size
            part = data.rows(order[first * size : stop_row])
            rates = learning_rates[first : None if last == whole else last]
            result = self.engine.run(state, part, np.arange(len(part)), rates, stop)
            sums.add(result)
            interrupted = result.interrupted
            if interrupted:
                break
        return sums.result(interrupted)

    def predict(self, params: Parameters, statistics: Statistics, X: Any) -> Array:
        """Outputs a_L; see `base.Engine.predict`."""
        dtype = params.theta.dtype
        if isinstance(X, np.ndarray):
            return self.engine.predict(params, statistics, X)
        parts = [self.engine.predict(params, statistics, X[rows].toarray().astype(dtype)) for rows in slices(X)]
        return np.concatenate(parts) if parts else np.empty((0, params.net.outputs), dtype)

    def loss(self, params: Parameters, statistics: Statistics, data: Data) -> float:
        """The mean of ℓ_i; see `base.Engine.loss`."""
        shares, losses = [], []
        for share, part in weighted_parts(data):
            shares.append(share)
            losses.append(self.engine.loss(params, statistics, part))
        return float(np.average(losses, weights=shares))

    def partial(self, params: Parameters, data: Data, rows: Array, weight: float, key: DropoutKey) -> Partial:
        """What some rows add to a step; see `base.Engine.partial`."""
        return self.engine.partial(params, data.rows(rows), np.arange(len(rows)), weight, key)

    def update(self, state: State, whole: Partial, weight: float, learning_rate: float) -> tuple[float, Array]:
        """One step by the sum of its parts; see `base.Engine.update`."""
        return self.engine.update(state, whole, weight, learning_rate)

    def loss_and_gradient(self, params: Parameters, data: Data) -> tuple[float, Array]:
        """C and its gradient over the data as one batch; see `base.Engine.loss_and_gradient`.

        Batch norm needs all rows at once, and gets them dense.
        """
        if params.net.couples_examples or params.net.reduction != "mean":
            return self.engine.loss_and_gradient(params, data.rows(np.arange(len(data))))
        loss, gradient = 0.0, np.zeros_like(params.theta)
        for share, part in weighted_parts(data):  # the shares sum to 1, so the L2 term comes in once
            own_loss, own_gradient = self.engine.loss_and_gradient(params, part)
            loss += share * own_loss
            gradient += params.theta.dtype.type(share) * own_gradient
        return loss, gradient


def rows_at_once(X: Any) -> int:
    """Dense rows of X that fit into BYTES_AT_ONCE."""
    return max(1, BYTES_AT_ONCE // max(X.shape[1] * X.dtype.itemsize, 1))


def cut(n: int, size: int) -> Iterator[tuple[int, int]]:
    """From and to of each part of 0…n.

    >>> list(cut(5, 2))
    [(0, 2), (2, 4), (4, 5)]
    """
    return pairwise([*range(0, n, size), n])


def slices(X: Any) -> Iterator[slice]:
    """Slices of rows, in order."""
    return (slice(first, last) for first, last in cut(X.shape[0], rows_at_once(X)))


def weighted_parts(data: Data) -> Iterator[tuple[float, Data]]:
    """Dense parts of the data, each with its share of the weight; those that have none are left out."""
    total = data.weight()
    for rows in slices(data.X):
        part = data.rows(np.arange(rows.start, rows.stop))
        if part.weight():
            yield part.weight() / total, part
