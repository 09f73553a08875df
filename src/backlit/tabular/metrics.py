"""The numbers that presets are chosen and networks stopped by, each as a loss: lower is better."""

from collections.abc import Callable
from functools import partial

import numpy as np

from backlit.errors import ProblemError, near
from backlit.tabular.blend import log_loss, softmax

Array = np.ndarray
Measure = Callable[[Array, Array, Array | None], float]  # of outputs (n, K), targets (n,) and weights (n,) or None


def accuracy(z: Array, y: Array, weight: Array | None) -> float:
    """Share of the rows whose most likely class is theirs."""
    return float(np.average(z.argmax(axis=1) == y, weights=weight))


def balanced_accuracy(z: Array, y: Array, weight: Array | None) -> float:
    """Mean over the classes of the share that is found."""
    hit, weight = z.argmax(axis=1) == y, np.ones(len(y)) if weight is None else weight
    return float(np.mean([np.average(hit[y == k], weights=weight[y == k]) for k in np.unique(y)]))


def roc_auc(z: Array, y: Array, weight: Array | None) -> float:
    """Area under the ROC curve, for several classes the mean of each against the rest; 0.5 where y is of one class."""
    from sklearn.metrics import roc_auc_score

    p = softmax(z)
    areas = [roc_auc_score(y == k, p[:, k], sample_weight=weight) for k in np.unique(y) if (y != k).any()]
    return float(np.mean(areas)) if areas else 0.5


def rmse(z: Array, y: Array, weight: Array | None) -> float:
    """Root mean square error."""
    return float(np.sqrt(np.average((z[:, 0] - y) ** 2, weights=weight)))


def mae(z: Array, y: Array, weight: Array | None) -> float:
    """Mean absolute error."""
    return float(np.average(np.abs(z[:, 0] - y), weights=weight))


def negative(measure: Measure) -> Measure:
    """The same as a loss."""
    return partial(negated, measure)


def negated(measure: Measure, z: Array, y: Array, weight: Array | None) -> float:
    """A function of a module, which can be sent to another process."""
    return -measure(z, y, weight)


MEASURES: dict[str, dict[str, Measure]] = {
    "classification": {
        "log_loss": log_loss,
        "accuracy": negative(accuracy),
        "balanced_accuracy": negative(balanced_accuracy),
        "roc_auc": negative(roc_auc),
    },
    "regression": {"rmse": rmse, "mae": mae, "r2": rmse},
}


def measure_of(task: str, name: str | None) -> Measure:
    """The loss that a metric's name stands for; log loss or root mean square error where none is given.

    Raises ProblemError for a metric that the task does not have.

    >>> measure_of("regression", None)(np.array([[1.0]]), np.array([3.0]), None)
    2.0
    """
    known = MEASURES[task]
    if name is not None and name not in known:
        raise ProblemError(f"metric {name!r} is none of {task}: {near(name, known)}")
    return known[name or next(iter(known))]
