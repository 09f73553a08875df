"""The training loop: an epoch, a look at what came out, another epoch; on any engine."""

import time
from collections.abc import Callable, Generator, Sequence
from contextlib import closing, nullcontext
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from backlit.core.network import Network
from backlit.core.parameters import Parameters, Statistics
from backlit.display import Displayed
from backlit.engine import Data, DenseBatches, Engine, EpochResult, State, get_engine
from backlit.errors import Divergence, ProblemError
from backlit.optim import Schedule
from backlit.optim.schedules import Plateau
from backlit.registry import positive_integer
from backlit.training.checkpoint import FILE, claimed, load_checkpoint, save_checkpoint
from backlit.training.progress import Show, Stop, show_progress, stop_on_interrupt
from backlit.training.run import Callback, EarlyStopping, Epoch, History, Position, Run, Score, Settings
from backlit.training.sharding import ShardedEngine, Shards, recipe_of_shards
from backlit.training.streaming import Stream, blocks


def run_epoch(
    run: Run, schedule: Schedule, number: int, stop: Stop, show: Callable[[float], None] = lambda share: None
) -> tuple[Epoch | None, bool]:
    """Go through the data once, or through what a resumed epoch has left; (its record, whether it was interrupted).

    The epoch runs block by block (`blocks_left`), with checkpoints in parts of `checkpoint_every` batches; one is
    written after each part but the last (the trainer writes that one, when early stopping has seen the epoch).
    show : is told the share of the epoch that is done.
    """
    started = time.perf_counter()
    rates = learning_rates(run, schedule, number - 1)
    left = blocks_left(run, number)
    interrupted = False
    with closing(left):
        while not interrupted and (block := next(left, None)) is not None:
            interrupted = run_block(run, *block, rates, stop, show)
            del block  # a stream is about to make the next
    whole, run.position = run.position.result(interrupted), Position()
    record = measure(run, whole, number, float(rates[-1]), started) if whole.steps or not interrupted else None
    return record, interrupted


def blocks_left(run: Run, number: int) -> Generator[tuple[Any, np.ndarray]]:
    """What is left of an epoch: examples, and in what order to learn them; data in memory are one block."""
    if isinstance(run.data, Shards):
        return run.data.blocks(number, run.position.batches)
    settings = run.settings
    told = settings.seed, number, run.batch_size, run.position.batches, settings.shuffle
    return run.data.blocks(*told) if isinstance(run.data, Data) else blocks(run.data, *told)


def run_block(
    run: Run, data: Any, order: np.ndarray, rates: np.ndarray, stop: Stop, show: Callable[[float], None]
) -> bool:
    """Learn the rows `order` of some examples, the next of the epoch; whether it was interrupted."""
    size, part = run.stride, run.checkpoint_every or run.n_batches
    start = run.position.batches
    end = start + -(-len(order) // size)
    while run.position.batches < end:
        first = run.position.batches
        last = min((first // part + 1) * part, end)
        rows = order[(first - start) * size : (last - start) * size]
        result = run.engine.run(run.state, data, rows, rates[first:last], stop)
        done = min(result.steps, last - first) if result.interrupted else last - first
        run.position.add(result)
        run.position.batches += done
        show(run.position.batches / run.n_batches)
        if result.interrupted:
            return True
        if run.checkpoint is not None and last % part == 0 and last < run.n_batches:
            save_checkpoint(run.checkpoint, run)
    return False


def learning_rates(run: Run, schedule: Schedule, epochs_done: int) -> np.ndarray:
    """The rate of each step of the coming epoch, (n_batches,)."""
    t = epochs_done if schedule.per == "epoch" else epochs_done * run.n_batches + np.arange(run.n_batches)
    rates = run.settings.optimizer.learning_rate * schedule.factor(t) * run.plateau.factor
    return np.full(run.n_batches, rates, np.float64)


def measure(run: Run, result: EpochResult, number: int, rate: float, started: float) -> Epoch:
    """Make the record of an epoch: what the engine gave, and the validation numbers at its end."""
    params, statistics = run.state.params, run.state.statistics
    loss = None if run.validation is None else run.engine.loss(params, statistics, run.validation)
    score = None if run.score is None else float(run.score(run.engine, params, statistics))
    norms = tuple(result.gradient_norms.tolist())
    return Epoch(number, result.loss, rate, norms, time.perf_counter() - started, loss, score)


def lower_is_better(epoch: Epoch, settings: Settings) -> float:
    """The monitored number with the sign that makes lower better."""
    value = getattr(epoch, settings.monitor)
    return -value if settings.monitor == "validation_score" else value


# --- the run ----------------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Outcome(Displayed):
    """What training ends with.

    Parameters
    ----------
    params : Parameters
        The last parameters, or with restore_best the best; after a divergence the last finite ones.
    statistics : Statistics
        Batch norm's running moments.
    history : History
        The epochs, and why training stopped.
    state : State
        What to go on from.
    engine : Engine
        Who ran the passes.
    divergence : Divergence, optional
        Where training left the finite numbers, if it did.

    Examples
    --------
    >>> from backlit.core import Dense, Network
    >>> import numpy as np
    >>> net, X = Network(1, [Dense(1)]), np.ones((4, 1))
    >>> outcome = fit(net, net.init(), Data(X, X), Settings(epochs=3))
    >>> outcome.history.stopped, outcome.divergence
    ('epochs', None)
    """

    params: Parameters
    statistics: Statistics
    history: History
    state: State
    engine: Engine
    divergence: Divergence | None = None

    def __repr__(self) -> str:
        return f"<Outcome by the {self.engine.name} engine: {self.history!r}>"


def fit(
    net: Network,
    params: Parameters,
    data: Data | Stream | Shards,
    settings: Settings,
    *,
    validation: Data | None = None,
    score: Score | None = None,
    callbacks: Sequence[Callback] = (),
    progress: bool = False,
    state: State | None = None,
    history: History | None = None,
    checkpoint: str | Path | None = None,
    checkpoint_every: int | None = None,
    engine: Engine | None = None,
) -> Outcome:
    """Train until the epochs are over, early stopping or a callback ends it, or Ctrl-C is pressed.

    Parameters
    ----------
    net : Network
        What is trained.
    params : Parameters
        Where to start.  They are not written to.
    data : Data, Stream or Shards
        Checked examples in the parameters' dtype; a stream is read anew in each epoch.  Shards make each step a sum
        over them, for the same bits wherever they are.
    settings : Settings
        How to train.
    validation : Data, optional
        Examples that are measured after each epoch.
    score : callable, optional
        A function of (engine, params, statistics) that gives the validation score; higher is better.
    callbacks : sequence of callables, default ()
        Called with the Run after each epoch; one that returns True ends the training.
    progress : bool, default False
        Whether to show a progress bar.
    state : State, optional
        Go on from there, not from `params`, for `epochs` more.
    history : History, optional
        The epochs before; new ones are added to it.
    checkpoint : str or Path, optional
        A folder.  If it holds a checkpoint of this same run, training goes on from there and ends with the bits of an
        unbroken run.
    checkpoint_every : int, optional
        Batches from one checkpoint to the next; one an epoch if not given.
    engine : Engine, optional
        One that was made for this network and these settings before.

    Returns
    -------
    Outcome
        Parameters, history and state.

    Raises
    ------
    ProblemError
        If the monitored number will not be measured, or the checkpoint is another run's.
    ShapeError
        If the state is not one of the settings' optimizer.

    Notes
    -----
    What is drawn depends on the seed and the epoch's number alone, so 5 epochs and 5 more are 10.

    Examples
    --------
    >>> from backlit.core import Dense, Network
    >>> import numpy as np
    >>> from backlit.optim import Adam
    >>> net, X = Network(1, [Dense(8, "tanh"), Dense(1)]), np.linspace(-1, 1, 50)[:, None]
    >>> settings = Settings(batch_size=10, optimizer=Adam(learning_rate=0.01), patience=None)
    >>> fit(net, net.init(seed=0), Data(X, X**2), settings).history.epochs[-1].loss < 1e-3
    True
    """
    check_monitor(settings, validation, score)
    if checkpoint_every is not None:
        positive_integer(checkpoint_every, "checkpoint_every")
        if checkpoint is None:
            raise ProblemError("checkpoint_every says how often a checkpoint is written: give its folder as checkpoint")
    if not isinstance(engine, ShardedEngine):
        engine = engine_for(net, data, settings, validation, engine)
    if state is not None:
        settings.optimizer.check_state(state.slots, state.params.theta)
    run = Run(
        net,
        settings,
        engine=engine,
        state=state or State.start(net, params, settings.optimizer),
        history=History() if history is None else history,
        data=data,
        validation=validation,
        score=score,
        watch=EarlyStopping(settings),
        checkpoint=None if checkpoint is None else Path(checkpoint),
        checkpoint_every=checkpoint_every,
    )
    run.history.stopped = ""
    last, divergence = len(run.history) + settings.epochs, None
    alone = claimed(run.checkpoint) if run.checkpoint else nullcontext()
    with alone, stop_on_interrupt() as stop, show_progress(last, progress) as show:
        if run.checkpoint is not None and (run.checkpoint / FILE).exists():
            load_checkpoint(run.checkpoint, run)
        try:
            run.history.stopped = loop(run, last, callbacks, stop, show)
        except Divergence as error:
            divergence, run.history.stopped = error, "diverged"
    run.watch.restore(run.state)
    run.history.best_epoch = run.watch.best_epoch
    return Outcome(run.state.params, run.state.statistics, run.history, run.state, run.engine, divergence)


def engine_for(
    net: Network,
    data: Data | Stream | Shards,
    settings: Settings,
    validation: Data | None = None,
    engine: Engine | None = None,
) -> Engine:
    """An engine for such data, around the one that is given for dense rows in one shard."""
    recipe = settings.recipe(net)
    if isinstance(data, Shards):
        recipe = recipe_of_shards(recipe, data)
    engine = get_engine(settings.engine, recipe) if engine is None else engine
    if data.is_sparse or (validation is not None and validation.is_sparse):
        engine = DenseBatches(engine, recipe.batch_size)
    return ShardedEngine(engine, recipe) if isinstance(data, Shards) else engine


def loop(run: Run, last: int, callbacks: Sequence[Callback], stop: Stop, show: Show) -> str:
    """Epoch after epoch up to the last; the reason for stopping."""
    schedule = run.settings.schedule.bind(epochs=last, steps=last * run.n_batches)
    while not run.history.stopped:
        number = len(run.history) + 1
        if number > last:
            return "epochs"
        epoch, interrupted = run_epoch(run, schedule, number, stop, partial(show.part, number))
        if epoch is None:
            return "interrupted"
        run.history.epochs.append(epoch)
        show(epoch)
        should_stop = run.watch.update(epoch, run.state)
        if interrupted:
            return "interrupted"
        if isinstance(schedule, Plateau):
            run.plateau = schedule.observe(run.plateau, lower_is_better(epoch, run.settings))
        callback_results = [callback(run) for callback in callbacks]  # each is called, whatever the others say
        run.history.stopped = (
            "callback" if any(result is True for result in callback_results) else "patience" if should_stop else ""
        )
        if run.checkpoint is not None:
            save_checkpoint(run.checkpoint, run)
    return run.history.stopped


def check_monitor(settings: Settings, validation: Data | None, score: Score | None) -> None:
    """Raise ProblemError if the monitored number will not be measured."""
    if settings.monitor == "validation_loss" and validation is None:
        raise ProblemError("monitor validation_loss needs validation data: give it, or monitor the loss")
    if settings.monitor == "validation_score" and score is None:
        raise ProblemError("monitor validation_score needs a score: give one, or monitor the loss")
