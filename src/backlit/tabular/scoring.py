"""From outputs to what the target means, and the scores of a prediction, at once or over chunks."""

import math
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from backlit.engine import TrainConfig, get_engine
from backlit.formats.models import Model
from backlit.optim import Sgd
from backlit.tables.splitting import drawn

Array = np.ndarray


def outputs_of(model: Model, X: Array, *, engine: str = "auto") -> Array:
    """Probabilities (n, K) for classification, numbers (n,) for regression, for features X (n, n_0)."""
    runner = get_engine(engine, TrainConfig(model.net, Sgd(), batch_size=1))
    a = runner.predict(model.params, model.statistics, X.astype(model.params.theta.dtype, copy=False))
    if model.target is None or model.target.task == "regression":
        return a[:, 0] if a.shape[1] == 1 else a
    return np.hstack([1 - a, a]) if a.shape[1] == 1 else a


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


SAMPLE = 100_000  # rows that are kept for the ROC AUC and the report


@dataclass
class Scores:
    """Sums over the rows seen, and a sample of them that is the same whatever the chunks.

    task, K : as in `score`, K classes.  share : of the rows that the sample takes.
    """

    task: str
    K: int
    share: float = 1.0
    n: int = 0
    confusion: Array = field(default_factory=lambda: np.zeros(0))
    sums: Array = field(default_factory=lambda: np.zeros(5))  # log loss; |e|, e², y − c, (y − c)²
    center: float | None = None
    sample: list[tuple[Array, Array]] = field(default_factory=list)

    def add(self, y: Array, outputs: Array) -> None:
        """Take in targets (m,) and outputs (m, K) or (m,)."""
        if not len(y):
            return
        chosen = drawn(self.n, len(y), seed=0) < self.share
        self.sample.append((y[chosen], outputs[chosen]))
        self.n += len(y)
        (self.add_classes if self.task == "classification" else self.add_numbers)(y, outputs.astype(np.float64))

    def add_classes(self, y: Array, p: Array) -> None:
        """Count true class by predicted class, and sum −ln p."""
        counts = np.bincount(y * self.K + p.argmax(axis=1), minlength=self.K**2).reshape(self.K, self.K)
        self.confusion = self.confusion + counts if self.confusion.size else counts
        likelihood = shares(p)[np.arange(len(y)), y]
        self.sums[0] -= np.log(np.maximum(likelihood, np.finfo(np.float64).eps)).sum()

    def add_numbers(self, y: Array, predicted: Array) -> None:
        """Sum errors, and y about a center near its mean, so that no digits are lost."""
        self.center = float(y.mean()) if self.center is None else self.center
        error, apart = predicted - y, y - self.center
        self.sums[1:] += np.abs(error).sum(), (error**2).sum(), apart.sum(), (apart**2).sum()

    def sampled(self) -> tuple[Array, Array]:
        """Targets and outputs of the sample."""
        y, outputs = zip(*self.sample, strict=True)
        return np.concatenate(y), np.concatenate(outputs)

    def metrics(self) -> dict[str, Any]:
        """What `score` gives; the ROC AUC from the sample, which of a few rows among very many may have none."""
        if self.task == "classification":
            rows, right = self.confusion.sum(axis=1), np.diag(self.confusion)
            recall = right[rows > 0] / rows[rows > 0]
            return {
                "accuracy": float(right.sum() / self.n),
                "balanced_accuracy": float(recall.mean()),
                "log_loss": float(self.sums[0] / self.n),
                "roc_auc": roc_auc(*self.sampled()),
            }
        spread = self.sums[4] - self.sums[3] ** 2 / self.n
        r2 = 1 - float(self.sums[2] / spread) if spread > 0 else None
        return {"r2": r2, "rmse": float(np.sqrt(self.sums[2] / self.n)), "mae": float(self.sums[1] / self.n)}
