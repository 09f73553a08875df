"""Scores of a prediction, by scikit-learn's metrics; one that is undefined on the rows at hand is None."""

import math
from typing import Any

import numpy as np

Array = np.ndarray


def classification_metrics(y: Array, p: Array) -> dict[str, float | None]:
    """Score class probabilities p (n, K) against class indices y (n,).

    accuracy; balanced accuracy, the mean over the classes of the share found; log loss in nats; ROC AUC, for more than
    two classes the mean over all pairs of classes.

    >>> classification_metrics(np.array([0, 1]), np.array([[0.9, 0.1], [0.2, 0.8]]))["accuracy"]
    1.0
    """
    from sklearn import metrics

    predicted, p = p.argmax(axis=1), shares(p)
    recall = metrics.recall_score(y, predicted, labels=np.unique(y), average="macro", zero_division=0)
    return {
        "accuracy": float((predicted == y).mean()),
        "balanced_accuracy": float(recall),
        "log_loss": float(metrics.log_loss(y, p, labels=np.arange(p.shape[1]))),
        "roc_auc": roc_auc(y, p),
    }


def roc_auc(y: Array, p: Array) -> float | None:
    """The area under the ROC curve, for more than two classes the mean over all pairs; None if a class is not in y."""
    from sklearn import metrics

    K = p.shape[1]
    if len(np.unique(y)) < K:
        return None
    p = shares(p)
    if K == 2:
        return float(metrics.roc_auc_score(y, p[:, 1]))
    return float(metrics.roc_auc_score(y, p, multi_class="ovo", labels=np.arange(K)))


def shares(p: Array) -> Array:
    """Probabilities whose rows sum to 1, which those in float32 do only roughly."""
    p = p.astype(np.float64)
    return p / p.sum(axis=1, keepdims=True)


def regression_metrics(y: Array, predicted: Array) -> dict[str, float | None]:
    """Score numbers (n,): R² (None where y is constant or a single row), root mean square error, mean absolute error.

    >>> regression_metrics(np.array([0.0, 2.0]), np.array([0.0, 1.0]))
    {'r2': 0.5, 'rmse': 0.7071067811865476, 'mae': 0.5}
    """
    error = predicted.astype(np.float64) - y
    spread = float(((y - y.mean()) ** 2).sum())
    return {
        "r2": 1 - float((error**2).sum()) / spread if spread > 0 else None,
        "rmse": math.sqrt(float((error**2).mean())),
        "mae": float(np.abs(error).mean()),
    }


def score(task: str, y: Array, outputs: Array) -> dict[str, Any]:
    """The metrics of a task; `outputs` are probabilities (n, K) or numbers (n,)."""
    return classification_metrics(y, outputs) if task == "classification" else regression_metrics(y, outputs)
