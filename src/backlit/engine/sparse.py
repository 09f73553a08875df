"""Sparse inputs: any engine, given some batches at a time as dense rows, so that memory stays flat.

The steps are those of a dense X, to the bit: batches keep their rows, their order and their size.
"""

from collections.abc import Callable, Iterator
from itertools import pairwise
from typing import Any

import numpy as np

from backlit.core.dropout import DropoutKey
from backlit.core.parameters import Parameters, Statistics
from backlit.engine.base import Array, Data, Engine, EpochResult, EpochSums, OneByOne, State
from backlit.engine.partial import Partial

BYTES_AT_ONCE = 2**24  # of dense rows, or one batch where that is more


class DenseBatches(OneByOne):
    """Runs another engine on data whose X is a CSR matrix; see `protocol.Engine`."""

    def __init__(self, engine: Engine, batch_size: int):
        self.engine, self.name, self.batch_size = engine, engine.name, batch_size

    def run(
        self, state: State, data: Data, order: Array, learning_rates: Array, stop: Callable[[], bool]
    ) -> EpochResult:
        """One pass over the data; see `protocol.Engine.run`."""
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
        """Outputs a_L; see `protocol.Engine.predict`."""
        dtype = params.theta.dtype
        if isinstance(X, np.ndarray):
            return self.engine.predict(params, statistics, X)
        parts = [self.engine.predict(params, statistics, X[rows].toarray().astype(dtype)) for rows in slices(X)]
        return np.concatenate(parts) if parts else np.empty((0, params.net.outputs), dtype)

    def loss(self, params: Parameters, statistics: Statistics, data: Data) -> float:
        """The mean of ℓ_i; see `protocol.Engine.loss`."""
        shares, losses = [], []
        for share, part in weighted_parts(data):
            shares.append(share)
            losses.append(self.engine.loss(params, statistics, part))
        return float(np.average(losses, weights=shares))

    def partial(self, params: Parameters, data: Data, rows: Array, weight: float, key: DropoutKey) -> Partial:
        """What some rows add to a step; see `protocol.Engine.partial`."""
        return self.engine.partial(params, data.rows(rows), np.arange(len(rows)), weight, key)

    def update(self, state: State, whole: Partial, weight: float, learning_rate: float) -> tuple[float, Array]:
        """One step by the sum of its parts; see `protocol.Engine.update`."""
        return self.engine.update(state, whole, weight, learning_rate)

    def loss_and_gradient(self, params: Parameters, data: Data) -> tuple[float, Array]:
        """C and its gradient over the data as one batch; see `protocol.Engine.loss_and_gradient`.

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
