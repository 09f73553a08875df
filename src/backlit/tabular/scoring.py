"""Metrics of a pass over chunks: exact sums, and a sample where a metric would need every row at once."""

from dataclasses import dataclass, field
from typing import Any

import numpy as np

from backlit.io.tables.splitting import drawn
from backlit.tabular.metrics import roc_auc, shares

Array = np.ndarray
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
