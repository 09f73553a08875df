"""The scores of a prediction over chunks of a table, of which no more than sums and a sample are kept."""

import math
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from backlit.tables.accumulators import ExactMoments, exact, root
from backlit.tables.splitting import drawn
from backlit.tabular.scoring import roc_auc, row_losses, shares

Array = np.ndarray
SAMPLE = 100_000  # rows that are kept for the ROC AUC and the report


@dataclass
class Scores:
    """Exact sums over the rows seen, and a sample of them; the same to the bit however the rows are cut into chunks.

    task, K : as in `score`, K classes.  share : of the rows that the sample takes.  first : the number of the first row
    in the whole table, which tells what the sample takes.  weighed : whether rows count by weights, which ends with the
    first chunk that has none; sums by weight are rounded, so that there the cut may show in the last digit.
    """

    task: str
    K: int
    share: float = 1.0
    first: int = 0
    weighed: bool = False
    n: int = 0
    confusion: Array = field(default_factory=lambda: np.zeros(0, np.int64))
    loss: ExactMoments = field(default_factory=ExactMoments)  # −ln p of the true class, or |error|
    truth: ExactMoments = field(default_factory=ExactMoments)  # of a regression
    finite: bool = True
    sample: list[tuple[Array, Array, Array]] = field(default_factory=list)  # targets, outputs and weights
    by_weight: list[Array] = field(default_factory=list)  # the `weighed_sums` of each chunk

    def add(self, y: Array, outputs: Array, weight: Array | None = None) -> None:
        """Take in targets (m,), outputs (m, K) or (m,), and weights (m,) of any mean."""
        if not len(y):
            return
        chosen = drawn(self.first + self.n, len(y), seed=0) < self.share
        self.weighed &= weight is not None
        w = np.ones(len(y)) if weight is None else weight
        self.sample.append((y[chosen], outputs[chosen], w[chosen]))
        if self.weighed and w.any():
            rows = w > 0
            self.by_weight.append(weighed_sums(y[rows], outputs[rows], w[rows], self.K))
        self.n += len(y)
        (self.add_classes if self.task == "classification" else self.add_numbers)(y, outputs.astype(np.float64))

    def merge(self, other: "Scores") -> None:
        """Take in what another has seen of the rows that follow."""
        self.n += other.n
        self.sample += other.sample
        self.weighed &= other.weighed
        self.by_weight += other.by_weight
        self.finite &= other.finite
        self.confusion = self.confusion + other.confusion if self.confusion.size else other.confusion
        self.loss.merge(other.loss)
        self.truth.merge(other.truth)

    def add_classes(self, y: Array, p: Array) -> None:
        """Count true class by predicted class, and sum −ln p."""
        counts = np.bincount(y * self.K + p.argmax(axis=1), minlength=self.K**2).reshape(self.K, self.K)
        self.confusion = self.confusion + counts if self.confusion.size else counts
        likelihood = shares(p)[np.arange(len(y)), y]
        self.add_loss(-np.log(np.maximum(likelihood, np.finfo(np.float64).eps)))

    def add_numbers(self, y: Array, predicted: Array) -> None:
        """Sum errors, and y, and their squares."""
        self.add_loss(np.abs(predicted - y))
        self.truth.add(y)

    def add_loss(self, loss: Array) -> None:
        """Sum it, unless a number has overflowed."""
        if np.isfinite(loss).all():
            self.loss.add(loss)
        else:
            self.finite = False

    def sampled(self) -> tuple[Array, Array, Array]:
        """Targets, outputs and weights of the sample."""
        y, outputs, weight = map(np.concatenate, zip(*self.sample, strict=True))
        return y, outputs, weight

    @property
    def goes_by_weight(self) -> bool:
        """Whether every row seen had a weight, and one of them a weight above 0."""
        return self.weighed and bool(self.by_weight)

    def metrics(self) -> dict[str, Any]:
        """What `score` gives; the ROC AUC from the sample, which of a few rows among very many may have none."""
        if self.goes_by_weight:
            y, outputs, weight = self.sampled()
            rows = weight > 0
            return weighed_metrics(np.array(self.by_weight), y[rows], outputs[rows], weight[rows], self.K)
        mean, square = (exact(sums) / self.n for sums in (self.loss.sums, self.loss.squares))
        if self.task == "classification":
            rows, right = self.confusion.sum(axis=1), np.diag(self.confusion)
            recall = right[rows > 0] / rows[rows > 0]
            return {
                "accuracy": float(right.sum() / self.n),
                "balanced_accuracy": float(recall.mean()),
                "log_loss": float(mean) if self.finite else math.inf,
                "roc_auc": roc_auc(*self.sampled()[:2]),
            }
        spread = exact(self.truth.squares) / self.n - (exact(self.truth.sums) / self.n) ** 2
        if not self.finite:
            return {"r2": -math.inf if spread else None, "rmse": math.inf, "mae": math.inf}
        return {"r2": float(1 - square / spread) if spread else None, "rmse": root(square), "mae": float(mean)}


def weighed_sums(y: Array, outputs: Array, w: Array, K: int) -> Array:
    """Of rows with weights w (m,) above 0: Σw, and what `weighed_metrics` makes the scores of."""
    loss = row_losses(y, shares(outputs) if K else outputs, classes=K > 0)
    if K:
        found = outputs.argmax(axis=1) == y
        return np.array([w.sum(), w @ loss, *np.bincount(y, w, K), *np.bincount(y[found], w[found], K)])
    mean = np.average(y, weights=w)
    return np.array([w.sum(), w @ loss, w @ np.abs(outputs - y), mean, w @ (y - mean) ** 2])


def weighed_metrics(sums: Array, y: Array, outputs: Array, w: Array, K: int) -> dict[str, Any]:
    """What `score` gives, from the `weighed_sums` of chunks (c, n) and a sample of the rows, for the ROC AUC."""
    total, (n, loss, *more) = sums.T, sums.sum(axis=0)
    if K:
        rows, right = np.array(more[:K]), np.array(more[K:])
        return {
            "accuracy": float(right.sum() / n),
            "balanced_accuracy": float((right[rows > 0] / rows[rows > 0]).mean()),
            "log_loss": float(loss / n),
            "roc_auc": roc_auc(y, outputs, w),
        }
    weight, _, _, mean, _ = total
    spread = more[2] + weight @ (mean - np.average(mean, weights=weight)) ** 2  # within the chunks, and between them
    return {
        "r2": float(1 - loss / spread) if spread > 0 else None,
        "rmse": math.sqrt(loss / n),
        "mae": float(more[0] / n),
    }
