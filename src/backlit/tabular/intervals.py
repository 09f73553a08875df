"""How far the truth may lie from a score, and from one prediction.

`intervals` gives 95 % confidence intervals of scores.  Each score is, to first order, a mean of numbers one a row (its
influence), so the spread of these over √n is its standard error.  Where a few large errors make most of a score, and
rows are few, they hold it less often (90 %).
Sources: Wilson 1927 for shares; Student 1908 for two models on the same rows; DeLong, DeLong & Clarke-Pearson 1988 for
the area under the ROC curve; the delta method for the rest.

>>> y = np.array([0, 1] * 50)
>>> p = np.where(y == 1, 0.9, 0.2)
>>> intervals("classification", y, np.column_stack([1 - p, p]))["accuracy"]
(0.963..., 1.0)

`predict_interval` holds a new row's value with a wanted probability, whatever the distribution, by CV+.  Each training
row i has a residual r_i = y_i − μ₋ᵢ(x_i) by the members that never learned from it.  The interval of a new x lies
between quantiles of μ₋ᵢ(x) − |r_i| and of μ₋ᵢ(x) + |r_i| over all i, μ₋ᵢ by the same members.
Source: Barber, Candès, Ramdas & Tibshirani 2021: it holds at least 1 − 2α, and about 1 − α in practice.
"""

from math import ceil
from typing import TYPE_CHECKING

import numpy as np

from backlit.errors import DomainError, ModelError
from backlit.formats.ensembles import Ensemble
from backlit.formats.models import Model
from backlit.tables import TableEncoder
from backlit.tabular.blend import weighted_outputs
from backlit.tabular.scoring import counted, shares

if TYPE_CHECKING:
    import polars as pl

Array = np.ndarray
Interval = tuple[float, float]
Z = 1.959963984540054  # 95 % of a normal variable lie within ± Z
MOST_RESIDUALS = 2_000  # quantiles need no more; taken at even ranks of their size
NUMBERS_AT_ONCE = 2**22


def intervals(task: str, y: Array, outputs: Array, weight: Array | None = None) -> dict[str, Interval]:
    """(low, high) of each metric that has one, for targets y (n,) and outputs (n, K) or (n,).

    weight : (n,) by which rows count, all alike if not given.
    """
    y, outputs, weight = counted(weight, y, outputs)
    if len(y) < 2:
        return {}
    w = np.ones(len(y)) if weight is None else weight
    if task == "regression":
        return of_numbers(y, outputs.astype(np.float64), w)
    return of_classes(y, shares(outputs), w, ranked=weight is None)


def of_classes(y: Array, p: Array, w: Array, ranked: bool) -> dict[str, Interval]:
    """Of accuracy, balanced accuracy, log loss, and for two classes, if `ranked`, ROC AUC."""
    right = p.argmax(axis=1) == y
    recall = [share_of(right[y == k], w[y == k]) for k in np.unique(y)]
    near = [((share * n + 1) / (n + 2), n) for share, n in recall]  # no class is sure of being all found
    variance = sum(share * (1 - share) / n for share, n in near) / len(recall) ** 2
    loss = losses("classification", y, p)
    made = {
        "accuracy": wilson(*share_of(right, w)),
        "balanced_accuracy": around(float(np.mean([share for share, _ in recall])), float(variance) ** 0.5, 0, 1),
        "log_loss": positive(float(np.average(loss, weights=w)), standard_error(loss, w)),
    }
    if ranked and p.shape[1] == 2 and len(recall) == 2 and min(n for _, n in recall) > 1:
        made["roc_auc"] = auc_interval(p[y == 1, 1], p[y == 0, 1])
    return made


def of_numbers(y: Array, predicted: Array, w: Array) -> dict[str, Interval]:
    """Of R², root mean square error and mean absolute error."""
    square, spread = losses("regression", y, predicted), (y - np.average(y, weights=w)) ** 2
    mse, variance = float(np.average(square, weights=w)), float(np.average(spread, weights=w))
    absolute = np.abs(predicted - y)
    low, high = positive(mse, standard_error(square, w))
    made = {
        "rmse": (low**0.5, high**0.5),
        "mae": positive(float(np.average(absolute, weights=w)), standard_error(absolute, w)),
    }
    if variance:
        share = mse / variance
        low, high = positive(share, standard_error(square - share * spread, w) / variance)
        made = {"r2": (1 - high, 1 - low), **made}
    return made


def losses(task: str, y: Array, outputs: Array) -> Array:
    """(n,) the log loss of each row, whose shares outputs (n, K) sum to 1, or its squared error, outputs (n,)."""
    if task == "regression":
        return (outputs - y) ** 2
    return -np.log(np.maximum(outputs[np.arange(len(y)), y], np.finfo(float).eps))


def told_apart(task: str, y: Array, outputs: Array, others: Array, weight: Array | None = None) -> bool:
    """Whether two predictions' losses of the same rows differ by more than chance: Student's paired t test, 5 %.

    y : (n,).  outputs, others : (n, K) or (n,).  weight : (n,) by which rows count.

    >>> y = np.array([1.0, 2.0, 3.0, 4.0])
    >>> told_apart("regression", y, y + 0.1, y + [1.0, 1.1, 0.9, 1.2])
    True
    >>> told_apart("regression", y, y + 0.1, y + [0.0, 0.1, 0.2, 0.1])
    False
    """
    from scipy.special import stdtrit

    y, outputs, others, weight = counted(weight, y, outputs, others)
    if len(y) < 2:
        return False
    w = np.ones(len(y)) if weight is None else weight
    if task == "classification":
        outputs, others = shares(outputs), shares(others)
    apart = losses(task, y, outputs.astype(np.float64)) - losses(task, y, others.astype(np.float64))
    return bool(abs(np.average(apart, weights=w)) > stdtrit(len(y) - 1, 0.975) * standard_error(apart, w))


def standard_error(values: Array, w: Array) -> float:
    """Of the mean of values (n,), n > 1, with weights w."""
    apart = w * (values - np.average(values, weights=w))
    return float(np.sqrt(len(w) / (len(w) - 1) * (apart**2).sum()) / w.sum())


def share_of(right: Array, w: Array) -> tuple[float, float]:
    """The share of true among (n,) with weights w, and of how many rows of one weight it is worth as much (Kish)."""
    return float(np.average(right, weights=w)), float(w.sum() ** 2 / (w**2).sum())


def wilson(share: float, n: float) -> Interval:
    """For a share among n rows, which stays within [0, 1] and is no point where all are true."""
    middle, half = share + Z**2 / (2 * n), Z * (share * (1 - share) / n + (Z / (2 * n)) ** 2) ** 0.5
    low, high = (middle - half) / (1 + Z**2 / n), (middle + half) / (1 + Z**2 / n)
    return 0.0 if share == 0 else low, 1.0 if share == 1 else high


def around(estimate: float, error: float, least: float, most: float) -> Interval:
    """Estimate ± Z standard errors, within bounds."""
    return max(estimate - Z * error, least), min(estimate + Z * error, most)


def positive(estimate: float, error: float) -> Interval:
    """For a mean of numbers ≥ 0, symmetric in its logarithm as such means are skewed."""
    factor = np.exp(Z * error / estimate) if estimate > 0 else 1.0
    return float(estimate / factor), float(estimate * factor)


def auc_interval(positives: Array, negatives: Array) -> Interval:
    """DeLong's, from the scores of both classes; ties count half."""
    from scipy.stats import rankdata

    m, n = len(positives), len(negatives)
    ranks = rankdata(np.concatenate([positives, negatives]))
    above = (ranks[:m] - rankdata(positives)) / n  # for each positive the share of negatives below it
    below = 1 - (ranks[m:] - rankdata(negatives)) / m
    auc = float(above.mean())
    error = float(above.var(ddof=1) / m + below.var(ddof=1) / n) ** 0.5
    return around(auc, error, 0, 1)


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
