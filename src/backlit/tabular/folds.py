"""Folds: each row is left out by the members of one fold, and learned by all others."""

from dataclasses import dataclass

import numpy as np

Array = np.ndarray


@dataclass(frozen=True)
class Folds:
    """Which fold each row is in.

    of : (n,) the fold, −1 for a row that is never left out.  K : how many.
    past : whether a fold's members learn only from rows of earlier folds, as when rows are ordered in time.
    """

    of: Array
    K: int
    past: bool = False

    def parts(self, k: int) -> tuple[Array, Array]:
        """The rows that fold k's members learn from, and those that they leave out."""
        learned = self.of < k if self.past else self.of != k
        return np.flatnonzero(learned), np.flatnonzero(self.of == k)


def plain_folds(y: Array, K: int, seed: int) -> Folds:
    """K folds in which each class, or each range of a number, has about the same share.

    y : (n,) class indices or numbers.  Fewer folds are made where there are fewer than two rows for each.

    >>> folds = plain_folds(np.array([0, 0, 0, 1, 1, 1]), 3, seed=0)
    >>> [sorted(np.array([0, 0, 0, 1, 1, 1])[folds.of == k].tolist()) for k in range(3)]
    [[0, 1], [0, 1], [0, 1]]
    """
    n = len(y)
    K = max(2, min(K, n // 2))
    draw = np.random.default_rng(seed).random(n)
    order = np.lexsort((draw, y))  # sorted by target, at random among equals
    of = np.empty(n, np.int64)
    if np.issubdtype(y.dtype, np.integer):
        of[order] = np.arange(n) % K
        return Folds(of, K)
    for start in range(0, n, K):  # one row of each K neighbors a fold, in an order of its own
        block = order[start : start + K]
        of[block] = np.argsort(np.random.default_rng((seed, start)).random(K))[: len(block)]
    return Folds(of, K)


def group_folds(groups: Array, K: int, seed: int) -> Folds:
    """Folds that hold whole groups: the largest first, each into the fold with the fewest rows.

    groups : (n,) the group's index of each row.

    >>> group_folds(np.array([0, 0, 1, 2, 2, 1]), 3, seed=0).K
    3
    """
    sizes = np.bincount(groups)
    K = max(2, min(K, len(sizes)))
    draw, filled = np.random.default_rng(seed).random(len(sizes)), np.zeros(K)
    fold_of = np.empty(len(sizes), np.int64)
    for group in np.lexsort((draw, -sizes)):
        fold_of[group] = filled.argmin()
        filled[fold_of[group]] += sizes[group]
    return Folds(fold_of[groups], K)


def time_folds(moments: Array, K: int) -> Folds:
    """Folds of the later half of the rows, in order of time; each fold's members learn from all that was before.

    moments : (n,) numbers that grow with time; rows of one moment are in one fold.

    >>> time_folds(np.arange(8.0), 2).of
    array([-1, -1, -1, -1,  0,  0,  1,  1])
    """
    n = len(moments)
    K = max(1, min(K, n // 4))
    rank = np.searchsorted(np.sort(moments), moments)  # of equal moments the first's
    half = n // 2
    of = np.where(rank < half, -1, (rank - half) * K // max(n - half, 1))
    kept = np.unique(of[of >= 0])
    return Folds(np.where(of < 0, -1, np.searchsorted(kept, of)), max(len(kept), 1), past=True)
