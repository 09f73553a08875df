"""How predictions of several presets become one: by what each says of rows that it never learned from.

Outputs are log probabilities (n, K) or numbers (n, 1); rows that a preset says nothing of are NaN.
"""

from collections.abc import Callable

import numpy as np

Array = np.ndarray
Loss = Callable[[Array], float]  # of blended outputs (n, K), lower is better
ROUNDS = 20
TEMPERATURES = np.exp(np.linspace(-1.2, 1.2, 97))


def blended(outputs: Array, weights: Array) -> Array:
    """Σ w_p a_p / Σ w_p over the presets p that speak of a row, (n, K); NaN where none does.

    outputs : (P, n, K).  weights : (P,).
    """
    speaks = ~np.isnan(outputs[:, :, :1])
    total = (weights[:, None, None] * np.where(speaks, outputs, 0)).sum(axis=0)
    with np.errstate(invalid="ignore"):
        return total / (weights[:, None, None] * speaks).sum(axis=0)


def greedy_weights(outputs: Array, loss: Loss, start: Array) -> Array:
    """Weights (P,) that sum to 1: the preset whose vote lowers the loss of the blend the most gets one more, in turn.

    start : (P,) votes before the first round.  The best of the blends on the way is taken.
    Source: Caruana et al. 2004.

    >>> y, a = np.array([0.0, 2.0]), np.array([[[0.0], [1.0]], [[0.0], [3.0]], [[9.0], [9.0]]])
    >>> greedy_weights(a, lambda b: float(((b[:, 0] - y) ** 2).mean()), np.zeros(3))
    array([0.5, 0.5, 0. ])
    """
    votes = start.astype(float)
    best, kept = (loss(blended(outputs, votes)), votes) if votes.any() else (np.inf, votes)
    for _ in range(ROUNDS):
        trials = [loss(blended(outputs, votes + vote)) for vote in np.eye(len(outputs))]
        votes = votes + np.eye(len(outputs))[int(np.argmin(trials))]
        if min(trials) < best:
            best, kept = min(trials), votes
    return kept / kept.sum()


def softmax(z: Array) -> Array:
    """Probabilities (n, K) of log odds or log probabilities (n, K)."""
    e = np.exp(z - z.max(axis=1, keepdims=True))
    return e / e.sum(axis=1, keepdims=True)


def log_probabilities(p: Array) -> Array:
    """ln p (n, K) of probabilities (n, K), or of the second of two classes (n, 1); none below ln 1e-7."""
    p = p.astype(np.float64)
    p = np.hstack([1 - p, p]) if p.shape[1] == 1 else p
    return np.log(np.clip(p, 1e-7, 1))


def fit_temperature(z: Array, y: Array, weight: Array | None) -> float:
    """T that makes softmax(z/T) the most likely for classes y (n,).  Source: Guo et al. 2017.

    >>> round(fit_temperature(np.log([[0.9, 0.1], [0.9, 0.1]]), np.array([0, 1]), None), 1)
    3.3
    """
    losses = [log_loss(z / T, y, weight) for T in TEMPERATURES]
    return float(TEMPERATURES[int(np.argmin(losses))])


def log_loss(z: Array, y: Array, weight: Array | None = None) -> float:
    """Mean of −ln p_y, p = softmax(z), with −ln p at most 16.1 a row."""
    likely = softmax(z)[np.arange(len(y)), y]
    return float(np.average(-np.log(np.maximum(likely, 1e-7)), weights=weight))
