"""Which examples are held out for early stopping: a function of what is in them, not of where they stand.

Each example gets a number in [0, 1) from its inputs, its targets and a seed; those with the smallest numbers are held
out.  So equal examples stay on one side: a duplicate of a training row does not flatter the score, an example of weight
2 is the same as the example twice, the order of rows does not matter, and `partial_fit` holds an example out each time
that it comes.  Source of the hash: multilinear hashing, Carter & Wegman 1979; its finish is SplitMix64's.
"""

from math import ceil
from typing import Any

import numpy as np

from backlit.engine import Data

Array = np.ndarray
LEAST = 2  # examples to score by: R² of a single one is not defined
FEW = (
    "The validation set is too small: n_samples = {}, of which {} differ, and validation_fraction = {:g} make {} of at "
    "least {}. Increase validation_fraction, or set early_stopping=False"
)


def hold_out(data: Data, strata: Array | None, fraction: float, seed: int) -> tuple[Array, Array]:
    """Rows to learn from and rows to score by, (rows, rows), each class in both by its share where that can be.

    strata : (n,) a number for each class, or None.  Examples of weight 0 can be neither learned from nor scored by.
    Raises ValueError where fewer than LEAST rows would be held out.
    """
    rows = np.arange(len(data)) if data.sample_weight is None else np.flatnonzero(data.sample_weight)
    keys, group = np.unique(draw(data, seed)[rows], return_inverse=True)  # equal examples are one group
    wanted = min(max(ceil(fraction * len(keys)), LEAST), len(keys) - 1)
    order = np.arange(len(keys))
    if strata is not None:
        own = np.empty(len(keys), np.intp)
        own[group] = strata[rows]
        order = np.lexsort((keys, own)) if can_stratify(own, wanted) else order
    chosen = np.zeros(len(keys), bool)
    chosen[evenly(order, wanted, strata is None)] = True
    kept, out = rows[~chosen[group]], rows[chosen[group]]
    found = min(ceil(fraction * len(rows)), len(out))
    if found < LEAST:
        raise ValueError(FEW.format(len(rows), len(keys), fraction, found, LEAST))
    return kept, out


def can_stratify(classes: Array, wanted: int) -> bool:
    """Whether both parts can hold every class."""
    counts = np.unique(classes, return_counts=True)[1]
    return bool(counts.min() > 1 and len(counts) <= min(wanted, len(classes) - wanted))


def evenly(order: Array, wanted: int, first: bool) -> Array:
    """`wanted` of the groups in order: the first ones, or where they are sorted by class, ones at even distances."""
    if first:
        return order[:wanted]
    return order[(np.arange(wanted) * len(order) + len(order) // 2) // wanted]


def draw(data: Data, seed: int) -> Array:
    """A number in [0, 1) for each example, (n,) float64, that depends on its X, its Y and the seed.

    >>> one = Data(np.array([[1.0, 2.0]]), np.array([[3.0]]))
    >>> again = Data(np.array([[0.0, 0.0], [1.0, 2.0]]), np.array([[0.0], [3.0]]))
    >>> bool(draw(one, 7)[0] == draw(again, 7)[1]), bool(draw(one, 7)[0] == draw(one, 8)[0])
    (True, False)
    """
    factors = np.random.default_rng(seed).integers(0, 2**64, data.X.shape[1] + data.Y.shape[1] + 1, dtype=np.uint64)
    factors |= np.uint64(1)
    n = data.X.shape[1]
    return finish(products(data.X, factors[:n]) + products(data.Y, factors[n:-1]) + factors[-1])


def products(X: Any, factors: Array) -> Array:
    """Σ_j factor_j · bits(x_j) modulo 2^64, (n,); a zero counts nothing, so a sparse X gives what a dense one gives."""
    if isinstance(X, np.ndarray):
        total = np.zeros(len(X), np.uint64)
        for j, factor in enumerate(factors):
            total += bits(X[:, j]) * factor
        return total
    terms = np.concatenate([bits(X.data) * factors[X.indices], np.zeros(1, np.uint64)])
    sums = np.concatenate([np.zeros(1, np.uint64), np.cumsum(terms, dtype=np.uint64)])  # wraps, and so does not round
    return sums[X.indptr[1:]] - sums[X.indptr[:-1]]


def bits(x: Array) -> Array:
    """The 64 bits of each number as float64, with high and low half mixed, for the last bits of most numbers are 0."""
    whole = np.ascontiguousarray(x, np.float64) + 0.0  # −0 is 0
    raw = whole.view(np.uint64)
    return raw ^ (raw >> np.uint64(32))


def finish(h: Array) -> Array:
    """Mix the bits of h and give them as a number in [0, 1)."""
    for shift, factor in ((30, 0xBF58476D1CE4E5B9), (27, 0x94D049BB133111EB)):
        h = (h ^ (h >> np.uint64(shift))) * np.uint64(factor)
    h = h ^ (h >> np.uint64(31))
    return (h >> np.uint64(11)).astype(np.float64) * 2.0**-53
