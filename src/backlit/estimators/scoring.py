"""The validation score: accuracy, R², or any scorer of scikit-learn, of the network as it is after an epoch."""

import copy
from collections.abc import Callable
from typing import Any

import numpy as np
from sklearn.metrics import check_scoring, get_scorer

from backlit.core.norms import Statistics
from backlit.core.parameters import Parameters
from backlit.engine import Data, Engine

Score = Callable[[Engine, Parameters, Statistics], float]


def score_of(estimator: Any, held_out: Data) -> Score:
    """A function that the trainer calls after each epoch; higher is better."""
    y = estimator._decode(held_out.Y)
    if estimator.scoring is None:
        return lambda engine, params, statistics: plain_score(estimator, engine, params, statistics, held_out, y)
    scorer = get_scorer(estimator.scoring)  # a callable as it is
    return lambda engine, params, statistics: scorer_score(scorer, view(estimator, params, statistics), held_out, y)


def plain_score(
    estimator: Any, engine: Engine, params: Parameters, statistics: Statistics, held_out: Data, y: Any
) -> float:
    """Accuracy or R²; nan if an output is not finite."""
    outputs = engine.predict(params, statistics, held_out.X)
    if not np.isfinite(outputs).all():
        return float("nan")
    return float(estimator._score_of(y, estimator._decode(outputs), held_out.sample_weight))


def scorer_score(scorer: Any, model: Any, held_out: Data, y: Any) -> float:
    """The score that a scorer gives; scikit-learn's own scorers also get the weights."""
    weighted = held_out.sample_weight is not None and hasattr(scorer, "_score_func")
    return float(scorer(model, held_out.X, y, **({"sample_weight": held_out.sample_weight} if weighted else {})))


def view(estimator: Any, params: Parameters, statistics: Statistics) -> Any:
    """The estimator as if it had been fitted to these parameters; without names of features, for X has none here."""
    model = copy.copy(estimator)
    model._params, model._statistics = params, statistics
    model.__dict__.pop("feature_names_in_", None)
    return model


def check_scorer(estimator: Any) -> None:
    """Raise ValueError before the first step if there is no such scorer."""
    if estimator.scoring is not None:
        check_scoring(estimator, scoring=estimator.scoring)
