"""Early stopping by a validation score, and over calls of `partial_fit` by a held-out sample that is kept."""

import copy
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
from sklearn.metrics import check_scoring, get_scorer

from backlit.core.norms import Statistics
from backlit.core.parameters import Parameters
from backlit.engine import Data, Engine, State
from backlit.estimators.validation_split import LEAST, draw
from backlit.training import Epoch, Settings
from backlit.training.early_stopping import EarlyStopping

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


Array = np.ndarray
SAMPLE = 10_000


@dataclass
class HeldOut:
    """The share `fraction` of all examples that come; `seed` says which."""

    seed: int
    fraction: float
    keys: Array = field(default_factory=lambda: np.empty(0))
    sample: Data | None = None

    def split(self, data: Data) -> Data:
        """Take the held-out part of some examples into the sample; give what is left to learn from."""
        keys, out = self.chosen(data)
        counted = out if data.sample_weight is None else out & (data.sample_weight > 0)
        self.keep(data.take(np.flatnonzero(counted)), keys[counted])
        return data.take(np.flatnonzero(~out)) if out.any() else data

    def left(self, data: Data) -> Data:
        """The examples that are not held out."""
        out = self.chosen(data)[1]
        return data.take(np.flatnonzero(~out)) if out.any() else data

    def chosen(self, data: Data) -> tuple[Array, Array]:
        """The number of each example, and whether it is held out, (n,) each."""
        keys = draw(data, self.seed)
        return keys, keys < self.fraction

    def enough(self) -> Data | None:
        """The sample once it can be measured on; R² of a single example is not defined."""
        return self.sample if self.sample is not None and len(self.sample) >= LEAST else None

    def keep(self, data: Data, keys: Array) -> None:
        """Add examples to the sample, each once, and drop those with the largest numbers beyond its size."""
        if not len(data):
            return
        joined = data if self.sample is None else join(self.sample, data)
        self.keys, rows = np.unique(np.concatenate([self.keys, keys]), return_index=True)
        self.keys, rows = self.keys[:SAMPLE], rows[:SAMPLE]
        self.sample = joined.take(rows)


@dataclass
class Stopping(HeldOut):
    """What is remembered from one call to the next."""

    watch: EarlyStopping = field(kw_only=True)

    @classmethod
    def start(cls, settings: Settings, fraction: float, seed: int) -> "Stopping":
        """Before the first call."""
        return cls(seed, fraction, watch=EarlyStopping(settings))

    def copy(self) -> "Stopping":
        """The same memory, in which `split` and `see` change nothing here."""
        return replace(self, watch=replace(self.watch))

    def update(self, epoch: Epoch, state: State) -> bool:
        """Record the epoch of a call.  True, with the best call's parameters put back, once patience has run out."""
        if getattr(epoch, self.watch.settings.monitor) is None or not self.watch.update(epoch, state):
            return False
        self.watch.restore(state)
        return True


def join(first: Data, second: Data) -> Data:
    """The examples of both; those without weights have weight 1 if the others have some."""
    if first.is_sparse:
        from scipy.sparse import vstack

        X: Any = vstack([first.X, second.X], format="csr")
    else:
        X = np.concatenate([first.X, second.X])
    weights = None
    if first.sample_weight is not None or second.sample_weight is not None:
        weights = np.concatenate(
            [np.ones(len(d), d.X.dtype) if d.sample_weight is None else d.sample_weight for d in (first, second)]
        )
    return Data(X, np.concatenate([first.Y, second.Y]), weights)
