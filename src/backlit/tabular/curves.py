"""How a classifier's probabilities order and fit the rows: ROC, precision and recall, calibration, recall a class."""

from dataclasses import dataclass

import numpy as np

from backlit.tabular.scoring import shares

Array = np.ndarray
POINTS, BINS = 200, 10


@dataclass(frozen=True)
class ClassScore:
    """One class against the rest, on the test rows.

    rows : that are of it.  recall : share of them that is found.  precision : share of what is called so that is so.
    auc : area under the ROC curve.  average_precision : area under that of precision by recall.  None where undefined.
    roc : (n, 2) false and true positive rates.  pr : (n, 2) recall and precision.  Both have at most 200 points.
    """

    label: str
    rows: int
    recall: float | None
    precision: float | None
    auc: float | None
    average_precision: float | None
    roc: Array
    pr: Array


@dataclass(frozen=True)
class Calibration:
    """How often predictions of some confidence are right.

    confidence, right, rows : (n,) the mean probability of the predicted class, the share of right ones and the number
    of rows, in bins of equal width.  error : the mean gap of the two over the rows.
    """

    confidence: Array
    right: Array
    rows: Array
    error: float


def class_scores(labels: tuple[object, ...], y: Array, p: Array, weight: Array | None = None) -> list[ClassScore]:
    """Each class against the rest, for class indices y (m,), probabilities p (m, K) and weights of rows (m,) or None.

    >>> [a, b] = class_scores(("a", "b"), np.array([0, 1, 1]), np.array([[0.9, 0.1], [0.2, 0.8], [0.6, 0.4]]))
    >>> b.recall, b.precision, b.auc, b.roc.tolist()
    (0.5, 1.0, 1.0, [[0.0, 0.0], [0.0, 0.5], [0.0, 1.0], [1.0, 1.0]])
    """
    answer, w = p.argmax(axis=1), np.ones(len(y)) if weight is None else weight
    return [one_class(str(label), y == k, answer == k, p[:, k], w) for k, label in enumerate(labels)]


def one_class(label: str, truth: Array, called: Array, p: Array, w: Array) -> ClassScore:
    """A class by which rows (m,) are of it, which are called so, their probabilities of it, and their weights."""
    rows, calls, hits = (float(w[chosen].sum()) for chosen in (truth, called, truth & called))
    true, false = counts_by_threshold(truth, p, w)
    others = float(w.sum()) - rows
    both = min(rows, others) > 0
    tpr, fpr = true / (rows or 1), false / (others or 1)
    precision = np.divide(true, true + false, out=np.ones(len(true)), where=true + false > 0)
    return ClassScore(
        label,
        int(truth.sum()),
        recall=hits / rows if rows else None,
        precision=hits / calls if calls else None,
        auc=float(np.trapezoid(tpr, fpr)) if both else None,
        average_precision=float((np.diff(tpr) * precision[1:]).sum()) if both else None,
        roc=thin(np.column_stack([fpr, tpr])),
        pr=thin(np.column_stack([tpr, precision])[1:]),
    )


def counts_by_threshold(truth: Array, p: Array, w: Array) -> tuple[Array, Array]:
    """Weights of true and false positives (n,) as the threshold falls past each different p, from 0 to all."""
    order = np.argsort(-p, kind="stable")
    last = np.flatnonzero(np.append(np.diff(p[order]) != 0, True)) + 1  # of those with one p, which cross together
    at, truth, w = np.concatenate([[0], last]), truth[order], w[order]
    true, false = (np.concatenate([[0.0], np.cumsum(np.where(rows, w, 0.0))])[at] for rows in (truth, ~truth))
    return true, false


def thin(points: Array) -> Array:
    """At most POINTS of (n, 2), evenly along the curve's length, the first and last among them."""
    if len(points) <= POINTS:
        return points
    along = np.concatenate([[0], np.cumsum(np.abs(np.diff(points, axis=0)).sum(axis=1))])
    return points[np.unique(np.searchsorted(along, np.linspace(0, along[-1], POINTS)).clip(max=len(points) - 1))]


def calibration(y: Array, p: Array, weight: Array | None = None) -> Calibration:
    """Of the predicted class, for class indices y (m,), probabilities p (m, K) and weights of rows (m,) or None.

    >>> found = calibration(np.array([0, 0, 1, 1]), np.array([[0.9, 0.1]] * 4))
    >>> found.confidence.tolist(), found.right.tolist(), round(found.error, 3)
    ([0.9], [0.5], 0.4)
    """
    p, w = shares(p), np.ones(len(y)) if weight is None else weight
    confidence, right = p.max(axis=1), p.argmax(axis=1) == y
    at = np.minimum((confidence * BINS + 1e-9).astype(int), BINS - 1)
    rows, total = np.bincount(at, minlength=BINS), np.bincount(at, w, BINS)
    there = np.flatnonzero(total)
    mean, share = (np.bincount(at, w * v, BINS)[there] / total[there] for v in (confidence, right.astype(float)))
    return Calibration(mean, share, rows[there], float((np.abs(mean - share) * total[there]).sum() / w.sum()))
