"""Intervals that hold a new row's value with a wanted probability, whatever the distribution: CV+.

Each training row i has a residual r_i = y_i − μ₋ᵢ(x_i) by the members that never learned from it.  The interval of a
new x lies between quantiles of μ₋ᵢ(x) − |r_i| and of μ₋ᵢ(x) + |r_i| over all i, μ₋ᵢ by the same members.
Source: Barber, Candès, Ramdas & Tibshirani 2021: it holds at least 1 − 2α, and about 1 − α in practice.
"""

from math import ceil
from typing import TYPE_CHECKING

import numpy as np

from backlit.errors import DomainError, ModelError
from backlit.formats.ensembles import Ensemble
from backlit.formats.models import Model
from backlit.tables import TableEncoder
from backlit.tabular.outputs import weighted_outputs

if TYPE_CHECKING:
    import polars as pl

Array = np.ndarray
MOST_RESIDUALS = 2_000  # quantiles need no more; taken at even ranks of their size
NUMBERS_AT_ONCE = 2**22


def predict_interval(model: Model | Ensemble, table: "pl.DataFrame", coverage: float) -> tuple[Array, Array]:
    """Lower and upper ends (m,) for the rows of a table.

    coverage : in (0, 1), such as 0.9.  Raises DomainError for another, ModelError where the model has no residuals.
    """
    if not 0 < coverage < 1:
        raise DomainError(f"interval is {coverage}: give a probability between 0 and 1, such as 0.9")
    if not isinstance(model, Ensemble) or model.residual is None or model.residual_fold is None:
        raise ModelError("the model has no residuals of rows that it did not learn from, which an interval needs: "
                         "train an ensemble for regression (without --hidden)")  # fmt: skip
    residual, fold = thinned(np.abs(model.residual), model.residual_fold)
    known = np.unique(fold)

    def encode(encoder: TableEncoder) -> Array:
        return encoder.transform(table, np.float32)

    centers = np.stack([weighted_outputs(model, encode, np.array([k]))[:, 0] for k in known])  # (folds, m)
    return quantiles_of(centers, np.searchsorted(known, fold), residual, coverage)


def thinned(residual: Array, fold: Array) -> tuple[Array, Array]:
    """At most MOST_RESIDUALS of them, spread evenly over their sizes in each fold."""
    if len(residual) <= MOST_RESIDUALS:
        return residual, fold
    order = np.lexsort((residual, fold))
    chosen = order[np.linspace(0, len(order) - 1, MOST_RESIDUALS).round().astype(int)]
    return residual[chosen], fold[chosen]


def quantiles_of(centers: Array, fold: Array, residual: Array, coverage: float) -> tuple[Array, Array]:
    """The interval's ends (m,) of predictions (folds, m) and the residuals (n,) of rows of these folds (n,).

    >>> quantiles_of(np.zeros((1, 1)), np.zeros(9, int), np.arange(9.0), 0.8)
    (array([-7.]), array([7.]))
    """
    n, m = len(residual), centers.shape[1]
    rank = min(ceil(coverage * (n + 1)), n) - 1  # of the upper ends, from 0; the lower ends' from the other side
    low, high = np.empty(m), np.empty(m)
    step = max(NUMBERS_AT_ONCE // n, 1)
    for start in range(0, m, step):
        center = centers[fold, start : start + step]  # (n, step)
        high[start : start + step] = np.partition(center + residual[:, None], rank, axis=0)[rank]
        low[start : start + step] = np.partition(center - residual[:, None], n - 1 - rank, axis=0)[n - 1 - rank]
    return low, high
