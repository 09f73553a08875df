"""How right a model is on the test rows."""

import numpy as np

from benchmarks.race.tables import Table


def score(table: Table, outputs: np.ndarray) -> dict[str, float | None]:
    """loss (log loss, or RMSE over standard deviation), and for classes error, AUC and expected calibration error."""
    y = table.y_test
    if not table.labels:
        return {"loss": float(np.sqrt(np.mean((outputs - y) ** 2)) / y.std())}
    p = np.clip(outputs, 1e-7, 1)
    p = p / p.sum(axis=1, keepdims=True)
    return {
        "loss": float(-np.log(p[np.arange(len(y)), y]).mean()),
        "error": float((p.argmax(axis=1) != y).mean()),
        "auc": auc(y, p),
        "ece": calibration_error(p.max(axis=1), p.argmax(axis=1) == y),
    }


def auc(y: np.ndarray, p: np.ndarray) -> float | None:
    """Area under the ROC curve, for more classes the mean over one against the rest; None if a class is not in y."""
    from sklearn.metrics import roc_auc_score

    K = p.shape[1]
    if len(np.unique(y)) < K:
        return None
    return float(roc_auc_score(y, p[:, 1]) if K == 2 else roc_auc_score(y, p, multi_class="ovr"))


def calibration_error(confidence: np.ndarray, right: np.ndarray, bins: int = 15) -> float:
    """Mean distance of confidence (m,) from the share that is right (m,), over bins of equal width."""
    at = np.minimum((confidence * bins).astype(int), bins - 1)
    n = np.bincount(at, minlength=bins)
    gap = np.abs(np.bincount(at, confidence, bins) - np.bincount(at, right.astype(float), bins))
    return float(gap.sum() / n.sum())
