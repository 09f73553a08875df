"""The networks of one fold: trained on all other rows, stopped by the fold's, which then get their predictions."""

import time
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field, replace
from functools import partial
from numbers import Real
from typing import TYPE_CHECKING, Any

import numpy as np

from backlit.core.network import Dense, Network
from backlit.core.parameters import Parameters, Statistics
from backlit.core.targets import as_targets
from backlit.engine import Data
from backlit.errors import ProblemError
from backlit.formats.models import Model
from backlit.tables import TableEncoder, TargetCodec
from backlit.tables.encoder import enriched
from backlit.tables.fitting import Bins
from backlit.tabular.blend import Measure, measure_of, raw_outputs
from backlit.tabular.presets import Preset, build_network, target_scale, unscale
from backlit.tabular.table_rows import Folds, weights_of
from backlit.training import History, Run, Settings, fit
from backlit.training.engine_check import ROWS, EngineCheck, check_engine
from backlit.training.progress import Stop

if TYPE_CHECKING:
    import polars as pl

Array = np.ndarray
HERE = ("threads", "serial")  # where jobs hear of Ctrl-C, and end with their epoch; elsewhere they are ended


def check_time_limit(seconds: float | None) -> None:
    """Raise ProblemError for a limit that is no time.

    >>> check_time_limit(0)
    Traceback (most recent call last):
    backlit.errors.ProblemError: time_limit is 0: give seconds above 0, or none
    """
    if seconds is not None and not (isinstance(seconds, Real) and seconds > 0):
        raise ProblemError(f"time_limit is {seconds!r}: give seconds above 0, or none")


@dataclass
class Limit:
    """When to stop: at a moment of `time.monotonic`, or when someone asks."""

    deadline: float = float("inf")
    stop: Stop = field(default_factory=Stop)

    def __reduce__(self) -> tuple[Any, ...]:
        """Elsewhere, where clocks are others, it is as many seconds away, and nobody asks."""
        return Limit.in_seconds, (self.deadline - time.monotonic(),)

    @classmethod
    def in_seconds(cls, left: float) -> "Limit":
        """The moment that is so far away."""
        return cls(time.monotonic() + left)

    def reached(self) -> bool:
        """Whether no more is to be begun, and what runs is to end with its epoch."""
        return self.stop.asked or time.monotonic() >= self.deadline

    @property
    def reason(self) -> str:
        """Why, in a word; "finished" where it was not reached."""
        return "interrupted" if self.stop.asked else "time limit" if self.reached() else "finished"


@dataclass(frozen=True)
class Lesson:
    """What all members learn from.

    table, y, weight : the training rows, their targets (class indices or numbers) and weights, or None.
    encoder : of its columns, as `TableEncoder.fit` gives it.  shared : richer ones that do not look at the target.
    metric : what presets are chosen and networks stopped by; None for the network's own loss.
    init : how W is drawn; None for an ensemble's way.
    """

    table: "pl.DataFrame"
    y: Array
    weight: Array | None
    target: TargetCodec
    encoder: TableEncoder
    shared: dict[Bins, TableEncoder]
    folds: Folds
    metric: str | None
    seed: int
    engine: str
    limit: Limit
    init: str | None = None

    @classmethod
    def of(
        cls,
        table: "pl.DataFrame",
        y: Array,
        target: TargetCodec,
        encoder: TableEncoder,
        folds: Folds,
        bins: Iterable[Bins],
        *,
        weight: Array | None = None,
        metric: str | None = None,
        seed: int,
        engine: str = "auto",
        limit: Limit,
        init: str | None = None,
    ) -> "Lesson":
        """The lesson of a table.  bins : the encodings that will be asked for; those by quantiles are fitted here."""
        shared = {each: enriched(encoder, table, each, y) for each in bins if not each.by_target}
        return cls(table, y, weight, target, encoder, shared, folds, metric, seed, engine, limit, init)

    @property
    def measure(self) -> Measure:
        """What presets are chosen by."""
        return measure_of(self.target.task, self.metric)

    @property
    def stop_by_measure(self) -> bool:
        """Whether networks stop by the measure, where it is not their own loss."""
        return self.metric not in (None, "log_loss", "rmse", "r2")

    @property
    def shared_parts(self) -> tuple[Any, ...]:
        """What is large, and the same for every job."""
        return (self.table, self.y) if self.weight is None else (self.table, self.y, self.weight)

    def encoding(self, bins: Bins, rows: Array) -> TableEncoder:
        """The encoder for a fold that learns from these rows: bins by target are cut by them alone."""
        if bins in self.shared:
            return self.shared[bins]
        return enriched(self.encoder, self.table[rows], bins, self.y[rows])


@dataclass(frozen=True)
class Trained:
    """A member, and its outputs (m, K) for the `rows` (m,) that it left out; see `blend` for what they are."""

    preset: Preset
    fold: int
    model: Model
    rows: Array
    outputs: Array
    score: float
    history: History
    settings: Settings
    engine: str


def train_fold(lesson: Lesson, bins: Bins, fold: int, presets: Sequence[Preset], must: bool) -> list[Trained]:
    """Train the presets that share an encoding, on one fold.

    A network that diverges is left out, and so are those that the limit leaves no time for; where it `must`, the first
    has an epoch all the same.
    """
    trained: list[Trained] = []
    if lesson.limit.reached() and not must:
        return trained
    rows, left_out = lesson.folds.parts(fold)
    encoder = lesson.encoding(bins, rows)
    X, X_out = (encoder.transform(lesson.table[part], np.float32) for part in (rows, left_out))
    for preset in presets:
        if lesson.limit.reached() and not (must and not trained):
            break
        member = train_member(lesson, preset, fold, encoder, (X, rows), (X_out, left_out))
        trained += [] if member is None else [member]
    return trained


def train_member(
    lesson: Lesson,
    preset: Preset,
    fold: int,
    encoder: TableEncoder,
    learned: tuple[Array, Array],
    left_out: tuple[Array, Array],
) -> Trained | None:
    """Train one network on (X, rows) and stop by those left out; None where it diverged."""
    (X, rows), (X_out, rows_out) = learned, left_out
    settings = settings_of(lesson, preset, fold, len(rows))
    params = first_parameters(lesson, preset, encoder, settings.seed)
    y, shift, scale = learned_targets(lesson, preset, rows)
    data, validation = (data_of(lesson, params.net, X, y, part) for X, part in ((X, rows), (X_out, rows_out)))
    finish = partial(finished, preset=preset, target=lesson.target, shift=shift, scale=scale)
    outcome = fit(
        params.net,
        params,
        data,
        settings,
        validation=validation,
        score=scorer(lesson, finish, validation.X, rows_out) if lesson.stop_by_measure else None,
        callbacks=[lambda run: at_limit(lesson.limit, run)],
    )
    if outcome.history.stopped == "interrupted":
        lesson.limit.stop.asked = True
    if outcome.divergence is not None or outcome.history.best_epoch is None:
        return None
    trained = finish(outcome.params)
    outputs, score = judged(lesson, trained, outcome.statistics, X_out, rows_out)
    return Trained(
        preset=preset,
        fold=fold,
        model=Model(trained, outcome.statistics, encoder, lesson.target),
        rows=rows_out,
        outputs=outputs,
        score=score,
        history=outcome.history,
        settings=settings,
        engine=outcome.engine.name,
    )


def first_parameters(lesson: Lesson, preset: Preset, encoder: TableEncoder, seed: int) -> Parameters:
    """The preset's network for an encoding, before it learns."""
    net = build_network(
        encoder, lesson.target, preset.hidden, preset.activation, norm=preset.norm, dropout=preset.dropout, l2=0.0
    )
    params = net.init(lesson.init or "he_normal", seed=seed, dtype=np.float32)
    params.W[1][:, encoder.silent_features] = 0
    if lesson.target.task == "regression" and lesson.init is None:
        params.W[-1][:] *= 0.1  # the target has mean 0 and variance 1: begin near its mean
    return params


def learned_targets(lesson: Lesson, preset: Preset, rows: Array) -> tuple[Array, float, float]:
    """(y, shift, scale): what the network learns of all rows, of mean 0 and variance 1 over these rows if a number."""
    if lesson.target.task == "classification":
        return lesson.y, 0.0, 1.0
    y = np.log(lesson.y) if preset.log_target else lesson.y
    shift, scale = target_scale(y[rows], None if lesson.weight is None else lesson.weight[rows])
    return (y - shift) / scale, shift, scale


def data_of(lesson: Lesson, net: Network, X: Array, y: Array, rows: Array) -> Data:
    """Features X (m, n_0) of these rows with their targets and weights; y is of all rows."""
    return Data(X, as_targets(net, y[rows], len(rows), np.float32), weights_of(lesson.weight, rows))


def check_presets(lesson: Lesson, presets: Iterable[Preset]) -> list[EngineCheck]:
    """Check the engine's gradient, before anything is trained, for each kind of layers that the presets have.

    Raises WrongGradient where it isn't the gradient of the cost.
    """
    kinds = {(preset.hidden, preset.activation, preset.norm): preset for preset in reversed(list(presets))}
    rows = np.arange(len(lesson.y))
    first = rows[:ROWS]
    X = lesson.encoder.transform(lesson.table[first], np.float32)
    checks = []
    for preset in kinds.values():
        settings = settings_of(lesson, preset, 0, len(rows))
        params = first_parameters(lesson, preset, lesson.encoder, settings.seed)
        data = data_of(lesson, params.net, X, learned_targets(lesson, preset, rows)[0], first)
        checks.append(check_engine(params.net, params, data, settings))
    return checks


def settings_of(lesson: Lesson, preset: Preset, fold: int, rows: int) -> Settings:
    """How a member is trained on so many rows."""
    monitor = "validation_score" if lesson.stop_by_measure else "validation_loss"
    return preset.settings(rows, member_seed(lesson.seed, preset.name, fold), lesson.engine, monitor)


def judged(lesson: Lesson, params: Parameters, statistics: Statistics, X: Array, rows: Array) -> tuple[Array, float]:
    """A member's outputs (m, K) for features X (m, n_0) of the rows that it left out, and their loss."""
    outputs = raw_outputs(lesson.target, params, statistics, X)
    return outputs, lesson.measure(outputs, lesson.y[rows], weights_of(lesson.weight, rows))


def member_seed(seed: int, name: str, fold: int) -> int:
    """What draws a member's weights, order of rows and dropout: by the seed, the preset and the fold."""
    return int(np.random.SeedSequence([seed, fold, *name.encode()]).generate_state(1, np.uint32)[0])


def at_limit(limit: Limit, run: Run) -> bool:
    """Whether training is to end after this epoch."""
    return limit.reached()


def finished(params: Parameters, *, preset: Preset, target: TargetCodec, shift: float, scale: float) -> Parameters:
    """The parameters of a network that gives the target itself: scaled, and where its log was learned with exp."""
    params = params.copy()
    if target.task == "regression":
        unscale(params, shift, scale)
    if preset.log_target:
        net = params.net
        params = Parameters(replace(net, layers=(*net.layers[:-1], Dense(1, "exp"))), params.theta)
    return params


def scorer(
    lesson: Lesson, finish: Callable[[Parameters], Parameters], X: Array, rows: Array
) -> Callable[[Any, Parameters, Statistics], float]:
    """What the trainer asks after each epoch, higher is better: the measure of the rows left out."""
    y, weight = lesson.y[rows], weights_of(lesson.weight, rows)

    def score(engine: Any, params: Parameters, statistics: Statistics) -> float:
        return -lesson.measure(raw_outputs(lesson.target, finish(params), statistics, X), y, weight)

    return score
