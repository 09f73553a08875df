"""Early stopping by a validation score, and over calls of `partial_fit` by a held-out sample that is kept.

Which examples are held out is a function of what is in them, not of where they stand.  Each gets a number in [0, 1)
from its inputs, its targets and a seed; those with the smallest numbers are held out.  So equal examples stay on one
side: a duplicate of a training row does not flatter the score, an example of weight 2 is the same as the example twice,
the order of rows does not matter, and `partial_fit` holds an example out each time that it comes.
Source of the hash: multilinear hashing, Carter & Wegman 1979; its finish is SplitMix64's.
"""

import copy
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from math import ceil
from typing import Any

import numpy as np
from sklearn.metrics import get_scorer

from backlit.core.parameters import Parameters, Statistics
from backlit.engine import Data, Engine, State
from backlit.training import Epoch, Settings
from backlit.training.run import EarlyStopping

Array = np.ndarray
LEAST = 2  # examples to score by: R² of a single one is not defined
FEW = (
    "The validation set is too small: n_samples = {}, of which {} differ, and validation_fraction = {:g} make {} of at "
    "least {}. Increase validation_fraction, or set early_stopping=False"
)


def hold_out(data: Data, strata: Array | None, fraction: float, seed: int) -> tuple[Array, Array]:
    """Rows to learn from and rows to score by, (rows, rows), each class in both by its share where that can be.

    strata : (n,) a number for each class, or None.  Examples of weight 0 can be neither learned from nor scored by.
    Raises ValueError where fewer than LEAST rows would be held out.
    """
    rows = np.arange(len(data)) if data.sample_weight is None else np.flatnonzero(data.sample_weight)
    keys, group = np.unique(draw(data, seed)[rows], return_inverse=True)  # equal examples are one group
    wanted = min(max(ceil(fraction * len(keys)), LEAST), len(keys) - 1)
    order = np.arange(len(keys))
    if strata is not None:
        own = np.empty(len(keys), np.intp)
        own[group] = strata[rows]
        order = np.lexsort((keys, own)) if can_stratify(own, wanted) else order
    chosen = np.zeros(len(keys), bool)
    chosen[evenly(order, wanted, strata is None)] = True
    kept, out = rows[~chosen[group]], rows[chosen[group]]
    found = min(ceil(fraction * len(rows)), len(out))
    if found < LEAST:
        raise ValueError(FEW.format(len(rows), len(keys), fraction, found, LEAST))
    return kept, out


def can_stratify(classes: Array, wanted: int) -> bool:
    """Whether both parts can hold every class."""
    counts = np.unique(classes, return_counts=True)[1]
    return bool(counts.min() > 1 and len(counts) <= min(wanted, len(classes) - wanted))


def evenly(order: Array, wanted: int, first: bool) -> Array:
    """`wanted` of the groups in order: the first ones, or where they are sorted by class, ones at even distances."""
    if first:
        return order[:wanted]
    return order[(np.arange(wanted) * len(order) + len(order) // 2) // wanted]


def draw(data: Data, seed: int) -> Array:
    """A number in [0, 1) for each example, (n,) float64, that depends on its X, its Y and the seed.

    >>> one = Data(np.array([[1.0, 2.0]]), np.array([[3.0]]))
    >>> again = Data(np.array([[0.0, 0.0], [1.0, 2.0]]), np.array([[0.0], [3.0]]))
    >>> bool(draw(one, 7)[0] == draw(again, 7)[1]), bool(draw(one, 7)[0] == draw(one, 8)[0])
    (True, False)
    """
    factors = np.random.default_rng(seed).integers(0, 2**64, data.X.shape[1] + data.Y.shape[1] + 1, dtype=np.uint64)
    factors |= np.uint64(1)
    n = data.X.shape[1]
    return finish(products(data.X, factors[:n]) + products(data.Y, factors[n:-1]) + factors[-1])


def products(X: Any, factors: Array) -> Array:
    """Σ_j factor_j · bits(x_j) modulo 2^64, (n,); a zero counts nothing, so a sparse X gives what a dense one gives."""
    if isinstance(X, np.ndarray):
        total = np.zeros(len(X), np.uint64)
        for j, factor in enumerate(factors):
            total += bits(X[:, j]) * factor
        return total
    terms = np.concatenate([bits(X.data) * factors[X.indices], np.zeros(1, np.uint64)])
    sums = np.concatenate([np.zeros(1, np.uint64), np.cumsum(terms, dtype=np.uint64)])  # wraps, and so does not round
    return sums[X.indptr[1:]] - sums[X.indptr[:-1]]


def bits(x: Array) -> Array:
    """The 64 bits of each number as float64, with high and low half mixed, for the last bits of most numbers are 0."""
    whole = np.ascontiguousarray(x, np.float64) + 0.0  # −0 is 0
    raw = whole.view(np.uint64)
    return raw ^ (raw >> np.uint64(32))


def finish(h: Array) -> Array:
    """Mix the bits of h and give them as a number in [0, 1)."""
    for shift, factor in ((30, 0xBF58476D1CE4E5B9), (27, 0x94D049BB133111EB)):
        h = (h ^ (h >> np.uint64(shift))) * np.uint64(factor)
    h = h ^ (h >> np.uint64(31))
    return (h >> np.uint64(11)).astype(np.float64) * 2.0**-53


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
