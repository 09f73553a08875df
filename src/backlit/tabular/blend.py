"""From rows of a table to what a model says of them, and how the outputs of an ensemble's members become one.

Outputs are log probabilities (n, K) or numbers (n, 1); rows that a preset says nothing of are NaN.
"""

from collections.abc import Callable
from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np

from backlit.core.parameters import Parameters, Statistics
from backlit.formats.ensembles import Ensemble
from backlit.formats.models import Model
from backlit.tables import TableEncoder, TargetCodec
from backlit.tabular.scoring import activations_of, outputs_of

if TYPE_CHECKING:
    import polars as pl

Array = np.ndarray
Encode = Callable[[TableEncoder], Array]  # the features (m, n_0) that an encoder makes of the rows in question
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


def predict_rows(model: Model | Ensemble, table: "pl.DataFrame") -> Array:
    """Probabilities (m, K) or numbers (m,) for the rows of a table; a row's do not depend on the others.

    Raises TableError where a column is missing or of another type than in training.
    """
    return predict_encoded(model, lambda encoder: encoder.transform(table, np.float32))


def predict_encoded(model: Model | Ensemble, encode: Encode) -> Array:
    """The same of rows that `encode` gives the features of."""
    if isinstance(model, Ensemble):
        return final_outputs(model, weighted_outputs(model, encode))
    assert model.encoder is not None
    return outputs_of(model, encode(model.encoder))


def predict_dealt(model: Model | Ensemble, table: "pl.DataFrame") -> Callable[..., Array]:
    """A function that predicts the rows of a table, or with (name, order) with a column's values in another order.

    Each row is encoded once: with a column's values its features are dealt.
    """
    encoders = model.encoders() if isinstance(model, Ensemble) else [model.encoder]
    features = {encoder: encoder.transform(table, np.float32) for encoder in encoders if encoder is not None}

    def predict(name: str | None = None, order: Array | None = None) -> Array:
        def encode(encoder: TableEncoder) -> Array:
            if name is None:
                return features[encoder]
            X, place = features[encoder].copy(), encoder.places[name]
            X[:, place] = X[order, place]
            return X

        return predict_encoded(model, encode)

    return predict


def few_members(model: Model | Ensemble, most: int = 4) -> Model | Ensemble:
    """The heaviest members alone, which say much the same sooner; a single network as it is."""
    if not isinstance(model, Ensemble):
        return model
    heaviest = sorted(model.members, key=lambda member: -member.weight)[:most]
    return replace(model, members=tuple(heaviest))


def weighted_outputs(ensemble: Ensemble, encode: Encode, folds: Array | None = None) -> Array:
    """Σ w a over the members, (m, K): log probabilities, or numbers.

    encode : gives the rows' features.
    folds : those whose members are asked, with weights that sum to 1 again; all if not given.
    """
    asked = [member for member in ensemble.members if folds is None or member.fold in folds]
    total, z = sum(member.weight for member in asked), np.zeros(())
    for encoder in ensemble.encoders():
        mine = [member for member in asked if member.model.encoder == encoder and member.weight]
        X = encode(encoder) if mine else None
        for member in mine:
            assert X is not None
            z = z + member.weight / total * raw_outputs(
                ensemble.target, member.model.params, member.model.statistics, X
            )
    return z


def final_outputs(ensemble: Ensemble, z: Array) -> Array:
    """Probabilities (m, K), or numbers (m,), of weighted outputs (m, K)."""
    return softmax(z / ensemble.temperature) if ensemble.target.task == "classification" else z[:, 0]


def raw_outputs(target: TargetCodec, params: Parameters, statistics: Statistics, X: Array) -> Array:
    """A network's log probabilities (m, K) or numbers (m, 1) for features X (m, n_0)."""
    a = activations_of(params, statistics, X)
    return a.astype(np.float64) if target.task == "regression" else log_probabilities(a)
