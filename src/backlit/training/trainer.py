"""The training loop: an epoch, a look at what came out, another epoch; on any engine.

>>> from backlit.core import Dense, Network
>>> net = Network(1, [Dense(8, "tanh"), Dense(1)])
>>> X = np.linspace(-1, 1, 50)[:, None]
>>> from backlit.optim import Adam
>>> settings = Settings(epochs=200, batch_size=10, optimizer=Adam(learning_rate=0.01), patience=None)
>>> outcome = fit(net, net.init(seed=0), Data(X, X**2), settings)
>>> outcome.history.epochs[-1].loss < 1e-3
True
"""

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from backlit.core.network import Network
from backlit.core.norms import Statistics
from backlit.core.parameters import Parameters
from backlit.engine import Data, Engine, EpochResult, Recipe, State, get_engine
from backlit.errors import Divergence, ProblemError
from backlit.optim import PlateauState, Schedule
from backlit.optim.schedules import Plateau
from backlit.training.history import Epoch, History
from backlit.training.interrupt import Stop, stop_on_interrupt
from backlit.training.patience import Watch
from backlit.training.progress import show_progress
from backlit.training.settings import Settings

Score = Callable[[Engine, Parameters, Statistics], float]
Callback = Callable[["Run"], Any]


@dataclass
class Run:
    """A training run as a callback sees it: what is trained, how, and what happened so far."""

    net: Network
    settings: Settings
    engine: Engine
    state: State
    history: History
    data: Data
    validation: Data | None
    score: Score | None
    plateau: PlateauState = field(default_factory=PlateauState)

    @property
    def batch_size(self) -> int:
        """Examples a step; all of them where there are fewer than the settings say."""
        return min(self.settings.batch_size, len(self.data))

    @property
    def n_batches(self) -> int:
        """Steps an epoch."""
        return -(-len(self.data) // self.batch_size)


@dataclass(frozen=True)
class Outcome:
    """What training ends with; `divergence` is set where it left the finite numbers (the last finite ones are kept)."""

    params: Parameters
    statistics: Statistics
    history: History
    state: State
    engine: Engine
    divergence: Divergence | None = None


def fit(
    net: Network,
    params: Parameters,
    data: Data,
    settings: Settings,
    *,
    validation: Data | None = None,
    score: Score | None = None,
    callbacks: Sequence[Callback] = (),
    progress: bool = False,
    state: State | None = None,
    history: History | None = None,
) -> Outcome:
    """Train until the epochs are over, patience has run out, a callback returns True, or Ctrl-C.

    data, validation : checked examples in the parameters' dtype.  score : higher is better, for the monitor
    "validation_score".  state, history : go on from there, with `epochs` more; else from `params`, which are not
    written to.  What is drawn depends on the seed and the epoch's number, so 5 epochs and 5 more are 10.
    Raises ProblemError where the monitored number is not there to be watched.
    """
    check_monitor(settings, validation, score)
    recipe = Recipe(
        net,
        settings.optimizer,
        settings.batch_size,
        settings.clip_norm,
        settings.clip_value,
        settings.seed,
        settings.n_threads,
    )
    run = Run(
        net,
        settings,
        engine=get_engine(settings.engine, recipe),
        state=state or State.start(net, params, settings.optimizer),
        history=History() if history is None else history,
        data=data,
        validation=validation,
        score=score,
    )
    watch, divergence = Watch(settings), None
    with stop_on_interrupt() as stop, show_progress(len(run.history) + settings.epochs, progress) as show:
        try:
            run.history.stopped = loop(run, callbacks, watch, stop, show)
        except Divergence as error:
            divergence, run.history.stopped = error, "diverged"
    watch.restore(run.state)
    run.history.best_epoch = watch.best_epoch
    return Outcome(run.state.params, run.state.statistics, run.history, run.state, run.engine, divergence)


def loop(run: Run, callbacks: Sequence[Callback], watch: Watch, stop: Stop, show: Callable[[Epoch], None]) -> str:
    """Epoch after epoch; the reason for stopping."""
    first, last = len(run.history) + 1, len(run.history) + run.settings.epochs
    schedule = run.settings.schedule.bind(epochs=last, steps=last * run.n_batches)
    for number in range(first, last + 1):
        started = time.perf_counter()
        rates = learning_rates(run, schedule, number - 1)
        result = run.engine.run(run.state, run.data, order_of(run, number), rates, stop)
        if result.interrupted and not result.steps:
            return "interrupted"
        epoch = measure(run, result, number, float(rates[-1]), started)
        run.history.epochs.append(epoch)
        show(epoch)
        tired = watch.see(epoch, run.state)
        if result.interrupted:
            return "interrupted"
        if isinstance(schedule, Plateau):
            run.plateau = schedule.observe(run.plateau, lower_is_better(epoch, run.settings))
        wishes = [callback(run) for callback in callbacks]  # each is called, whatever the others say
        if any(wish is True for wish in wishes):
            return "callback"
        if tired:
            return "patience"
    return "epochs"


def order_of(run: Run, number: int) -> np.ndarray:
    """The rows in the order in which epoch `number` sees them, (n,): a pure function of the seed and the number."""
    rows = np.arange(len(run.data))
    return np.random.default_rng((run.settings.seed, number)).permutation(rows) if run.settings.shuffle else rows


def learning_rates(run: Run, schedule: Schedule, epochs_done: int) -> np.ndarray:
    """The rate of each step of the coming epoch, (n_batches,)."""
    t = epochs_done if schedule.per == "epoch" else epochs_done * run.n_batches + np.arange(run.n_batches)
    rates = run.settings.optimizer.learning_rate * schedule.factor(t) * run.plateau.factor
    return np.broadcast_to(np.asarray(rates, dtype=np.float64), (run.n_batches,))


def measure(run: Run, result: EpochResult, number: int, rate: float, started: float) -> Epoch:
    """Make the record of an epoch: what the engine gave, and the validation numbers at its end."""
    params, statistics = run.state.params, run.state.statistics
    loss = None if run.validation is None else run.engine.loss(params, statistics, run.validation)
    score = None if run.score is None else float(run.score(run.engine, params, statistics))
    norms = tuple(float(norm) for norm in result.gradient_norms)
    return Epoch(number, result.loss, rate, norms, time.perf_counter() - started, loss, score)


def lower_is_better(epoch: Epoch, settings: Settings) -> float:
    """The monitored number with the sign that makes lower better."""
    value = getattr(epoch, settings.monitor)
    return -value if settings.monitor == "validation_score" else value


def check_monitor(settings: Settings, validation: Data | None, score: Score | None) -> None:
    """Raise ProblemError where the monitored number will not be measured."""
    if settings.monitor == "validation_loss" and validation is None:
        raise ProblemError("monitor validation_loss needs validation data: give it, or monitor the loss")
    if settings.monitor == "validation_score" and score is None:
        raise ProblemError("monitor validation_score needs a score: give one, or monitor the loss")
