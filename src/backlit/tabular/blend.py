"""From rows of a table to what a model says of them, how members' outputs become one, and how good outputs are.

Outputs are log probabilities (n, K) or numbers (n, 1); rows that a preset says nothing of are NaN.
"""

from collections.abc import Callable
from dataclasses import replace
from functools import partial
from math import ceil
from typing import TYPE_CHECKING

import numpy as np

from backlit.core.activations.softmax import softmax
from backlit.core.parameters import Parameters, Statistics
from backlit.errors import DomainError, ModelError, ProblemError, near
from backlit.formats.ensembles import Ensemble
from backlit.formats.models import Model
from backlit.tables import TableEncoder, TargetCodec
from backlit.tabular.scoring import activations_of, area_of_pairs, counted, mean_recall, outputs_of

if TYPE_CHECKING:
    import polars as pl

Array = np.ndarray
Encode = Callable[[TableEncoder], Array]  # the features (m, n_0) that an encoder makes of the rows in question
Loss = Callable[[Array], float]  # of blended outputs (n, K), lower is better
ROUNDS = 20
FEW = 4  # members that stand for all
MOST_RESIDUALS = 2_000  # quantiles need no more; taken at even ranks of their size
NUMBERS_AT_ONCE = 2**22
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


def few_members(model: Model | Ensemble) -> Model | Ensemble:
    """The heaviest members alone, which say much the same sooner; a single network as it is."""
    if not isinstance(model, Ensemble):
        return model
    heaviest = sorted(model.members, key=lambda member: -member.weight)[:FEW]
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


# --- intervals of predictions -----------------------------------------------------------------------------------------


def predict_interval(model: Model | Ensemble, table: "pl.DataFrame", coverage: float) -> tuple[Array, Array]:
    """Lower and upper ends (m,) for the rows of a table, which hold a row's value whatever the distribution, by CV+.

    Each training row i has a residual r_i = y_i − μ₋ᵢ(x_i) by the members that never learned from it.  The interval of
    a new x lies between quantiles of μ₋ᵢ(x) − |r_i| and of μ₋ᵢ(x) + |r_i| over all i, μ₋ᵢ by the same members.
    Source: Barber, Candès, Ramdas & Tibshirani 2021: it holds at least 1 − 2α, and about 1 − α in practice.

    coverage : in (0, 1), such as 0.9.  Raises DomainError for another, ModelError where the model has no residuals.
    """
    if not 0 < coverage < 1:
        raise DomainError(f"interval is {coverage}: give a probability between 0 and 1, such as 0.9")
    if not isinstance(model, Ensemble) or model.residual is None or model.residual_fold is None:
        raise ModelError("the model has no residuals of rows that it did not learn from, which an interval needs: "
                         "train an ensemble for regression (without --hidden)")  # fmt: skip
    residual, fold = thinned(np.abs(model.residual), model.residual_fold)
    known = np.unique(fold)

    def encode(encoder: TableEncoder) -> Array:
        return encoder.transform(table, np.float32)

    centers = np.stack([weighted_outputs(model, encode, np.array([k]))[:, 0] for k in known])  # (folds, m)
    return quantiles_of(centers, np.searchsorted(known, fold), residual, coverage)


def thinned(residual: Array, fold: Array) -> tuple[Array, Array]:
    """At most MOST_RESIDUALS of them, spread evenly over their sizes in each fold."""
    if len(residual) <= MOST_RESIDUALS:
        return residual, fold
    order = np.lexsort((residual, fold))
    chosen = order[np.linspace(0, len(order) - 1, MOST_RESIDUALS).round().astype(int)]
    return residual[chosen], fold[chosen]


def quantiles_of(centers: Array, fold: Array, residual: Array, coverage: float) -> tuple[Array, Array]:
    """The interval's ends (m,) of predictions (folds, m) and the residuals (n,) of rows of these folds (n,).

    >>> quantiles_of(np.zeros((1, 1)), np.zeros(9, int), np.arange(9.0), 0.8)
    (array([-7.]), array([7.]))
    """
    n, m = len(residual), centers.shape[1]
    rank = min(ceil(coverage * (n + 1)), n) - 1  # of the upper ends, from 0; the lower ends' from the other side
    low, high = np.empty(m), np.empty(m)
    step = max(NUMBERS_AT_ONCE // n, 1)
    for start in range(0, m, step):
        center = centers[fold, start : start + step]  # (n, step)
        high[start : start + step] = np.partition(center + residual[:, None], rank, axis=0)[rank]
        low[start : start + step] = np.partition(center - residual[:, None], n - 1 - rank, axis=0)[n - 1 - rank]
    return low, high


# --- what presets are chosen and networks stopped by, each as a loss: lower is better ---------------------------------

Measure = Callable[[Array, Array, Array | None], float]  # of outputs (n, K), targets (n,) and weights (n,) or None


def accuracy(z: Array, y: Array, weight: Array | None) -> float:
    """Share of the rows whose most likely class is theirs."""
    return float(np.average(z.argmax(axis=1) == y, weights=weight))


def balanced_accuracy(z: Array, y: Array, weight: Array | None) -> float:
    """Mean over the classes of the share that is found."""
    return mean_recall(y, z.argmax(axis=1), weight)


def roc_auc(z: Array, y: Array, weight: Array | None) -> float:
    """Area under the ROC curve, as it is reported, of the classes in y; 0.5 where that is one."""
    y, z, weight = counted(weight, y, z)
    return area_of_pairs(y, softmax(z), weight) if len(np.unique(y)) > 1 else 0.5


def rmse(z: Array, y: Array, weight: Array | None) -> float:
    """Root mean square error."""
    return float(np.sqrt(np.average((z[:, 0] - y) ** 2, weights=weight)))


def mae(z: Array, y: Array, weight: Array | None) -> float:
    """Mean absolute error."""
    return float(np.average(np.abs(z[:, 0] - y), weights=weight))


def negated(measure: Measure, z: Array, y: Array, weight: Array | None) -> float:
    """The same as a loss; a function of a module can be sent to another process."""
    return -measure(z, y, weight)


MEASURES: dict[str, dict[str, Measure]] = {
    "classification": {
        "log_loss": log_loss,
        "accuracy": partial(negated, accuracy),
        "balanced_accuracy": partial(negated, balanced_accuracy),
        "roc_auc": partial(negated, roc_auc),
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
