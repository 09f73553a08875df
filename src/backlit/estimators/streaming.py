"""Fit on chunks: more rows than memory holds, given a part at a time by an iterator or by a function that makes one."""

from collections.abc import Callable, Iterable, Iterator
from typing import Any, Self

import numpy as np

from backlit.errors import ProblemError
from backlit.estimators.guard import unchanged_on_error

Chunks = Iterable[Any] | Callable[[], Iterable[Any]]


class ChunkedFit:
    """`fit_chunks`, by way of `partial_fit`."""

    tol: float
    max_iter: int
    n_iter_no_change: int
    partial_fit: Callable[..., Any]

    @unchanged_on_error
    def fit_chunks(self, chunks: Chunks, *, classes: Any = None) -> Self:
        """Train anew on chunks (X, y) or (X, y, sample_weight); no two of them need to be in memory at a time.

        chunks : a function that gives an iterator, or a list and the like, which is gone through once an epoch, up to
        `max_iter` times or until the loss stops falling as in `fit`; or an iterator, which can be gone through once and
        makes one epoch.  Rows are shuffled within a chunk, batches do not cross its borders, the chunks keep
        their order.  classes : of a classifier, all that will come; else one more pass over the chunks finds them.
        Raises ProblemError where there are no chunks, or one is no tuple of two or three.

        >>> from backlit.estimators import MLPRegressor
        >>> X = np.linspace(-1, 1, 400)[:, None]
        >>> def chunks():
        ...     for rows in np.array_split(np.arange(400), 4):
        ...         yield X[rows], X[rows, 0] ** 2
        >>> model = MLPRegressor(hidden_layer_sizes=(16,), learning_rate_init=0.01, max_iter=100, random_state=0)
        >>> model.fit_chunks(chunks).score(X, X[:, 0] ** 2) > 0.9
        True
        """
        once = isinstance(chunks, Iterator)
        first: dict[str, Any] = {}
        if hasattr(type(self), "predict_proba"):
            first = {"classes": self._classes_of(chunks, once) if classes is None else classes}
        if hasattr(self, "network_"):
            del self.network_
        best, waited, epochs = np.inf, 0, 0
        for epochs in range(1, (1 if once else self.max_iter) + 1):
            loss = self._epoch(chunks, first if epochs == 1 else {})
            waited = waited + 1 if loss > best - self.tol else 0
            best = min(best, loss)
            if waited > self.n_iter_no_change:
                break
        self.n_iter_ = epochs
        return self

    def _epoch(self, chunks: Chunks, first: dict[str, Any]) -> float:
        """Go through the chunks once; the mean loss over their rows."""
        total, rows = 0.0, 0
        for X, y, weight in each(chunks):
            self.partial_fit(X, y, weight, **first)
            first, n = {}, len(y)
            total, rows = total + n * self.loss_, rows + n  # type: ignore[attr-defined]  # partial_fit leaves it
        if not rows:
            raise ProblemError("chunks held no rows: give a function that makes a new iterator each time it is called")
        return total / rows

    def _classes_of(self, chunks: Chunks, once: bool) -> Any:
        if once:
            raise ProblemError(
                "an iterator can be gone through once, so classes has to name all that will come: give classes=, or a "
                "function that makes the iterator"
            )
        found = [np.unique(np.asarray(y)) for _, y, _ in each(chunks)]
        return np.unique(np.concatenate(found)) if found else np.array([])


def each(chunks: Chunks) -> Iterator[tuple[Any, Any, Any]]:
    """The chunks as X, y, sample_weight."""
    for number, chunk in enumerate(chunks() if callable(chunks) else chunks, start=1):
        if not isinstance(chunk, tuple) or len(chunk) not in (2, 3):
            raise ProblemError(f"chunk {number} is {type(chunk).__name__}: give tuples (X, y) or (X, y, sample_weight)")
        yield (*chunk, None) if len(chunk) == 2 else chunk
