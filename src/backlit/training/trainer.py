"""The training loop: an epoch, a look at what came out, another epoch; on any engine."""

import time
from collections.abc import Callable, Generator, Iterator, Sequence
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
from backlit.training.run import Callback, EarlyStopping, Epoch, History, Position, Run, Score, Settings, merit_of
from backlit.training.sharding import ShardedEngine, Shards, recipe_of_shards
from backlit.training.streaming import Stream, blocks

WORK_TOGETHER = 2**26  # multiply-adds, about, that one call of an engine is given: some tens of milliseconds
WORK_OF_ROW = 1000  # what fetching a row and its loss count, beside its parameters


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
    result = summed(run, interrupted)
    if result is None:
        return None, True
    validation = measure(run)
    return record_of(result, number, float(rates[-1]), time.perf_counter() - started, *validation), interrupted


def run_together(run: Run, schedule: Schedule, numbers: range, stop: Stop) -> Iterator[tuple[Epoch | None, bool]]:
    """Run epochs that nobody looks at by one call of the engine; what `run_epoch` gives, of each that was begun.

    The state is that after the last one when the first record is given.  The time of the call is shared out evenly, for
    its epochs take the same steps.
    """
    started = time.perf_counter()
    rates = np.stack([learning_rates(run, schedule, number - 1) for number in numbers])
    wholes = [next(blocks_left(run, number)) for number in numbers]
    data, orders = wholes[0][0], np.stack([order for _, order in wholes])
    results: list[EpochResult] = []
    failure: Exception | None = None
    try:
        results.extend(run.engine.run_epochs(run.state, data, orders, rates, stop))
    except Exception as error:  # what went well before it goes into the history
        failure = error
    seconds = (time.perf_counter() - started) / max(len(results), 1)
    for number, rate, result in zip(numbers, rates[:, -1].tolist(), results, strict=False):
        run.position.add(result)
        whole = summed(run, result.interrupted)
        yield None if whole is None else record_of(whole, number, rate, seconds), result.interrupted
    if failure is not None:
        raise failure


def unobserved(run: Run, left: int) -> int:
    """How many of the `left` epochs to come can run together: nothing looks at them, or ends the run between them.

    The loss cannot end it before it has had the time to be worse for `patience` epochs.  Ctrl-C always can.
    """
    settings, data = run.settings, run.data
    if not isinstance(data, Data) or data.is_sparse or run.position.batches or run.checkpoint is not None:
        return 1
    if run.validation is not None or run.score is not None or settings.restore_best:
        return 1
    if isinstance(settings.schedule, Plateau):
        return 1
    patience = left if settings.patience is None else settings.patience - run.watch.n_bad_epochs + 1
    return max(1, min(left, patience, WORK_TOGETHER // (len(data) * (run.net.n_parameters + WORK_OF_ROW))))


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


def summed(run: Run, interrupted: bool) -> EpochResult | None:
    """What the epoch gave that is over now; None where it was interrupted before its first step."""
    result, run.position = run.position.result(interrupted), Position()
    return result if result.steps or not interrupted else None


def measure(run: Run) -> tuple[float | None, float | None]:
    """The validation numbers of the present parameters: (loss, score), None where there is none."""
    params, statistics = run.state.params, run.state.statistics
    loss = None if run.validation is None else run.engine.loss(params, statistics, run.validation)
    return loss, None if run.score is None else float(run.score(run.engine, params, statistics))


def record_of(result: EpochResult, number: int, rate: float, seconds: float, *validation: float | None) -> Epoch:
    """The record of an epoch: what the engine gave, and the validation numbers at its end."""
    return Epoch(number, result.loss, rate, tuple(result.gradient_norms.tolist()), seconds, *validation)


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
        together = 1 if callbacks or show.wanted else unobserved(run, last - number + 1)
        if together > 1:
            epochs = run_together(run, schedule, range(number, number + together), stop)
        else:
            epochs = iter([run_epoch(run, schedule, number, stop, partial(show.part, number))])
        for epoch, interrupted in epochs:
            run.history.stopped = end_epoch(run, schedule, epoch, interrupted, callbacks, show)
    return run.history.stopped


def end_epoch(
    run: Run, schedule: Schedule, epoch: Epoch | None, interrupted: bool, callbacks: Sequence[Callback], show: Show
) -> str:
    """Look at what came out of an epoch; why to stop here, "" to go on."""
    if epoch is None:
        return "interrupted"
    run.history.epochs.append(epoch)
    show(epoch)
    should_stop = run.watch.update(epoch, run.state)
    if interrupted:
        return "interrupted"
    if isinstance(schedule, Plateau):
        run.plateau = schedule.observe(run.plateau, -merit_of(epoch, run.settings))
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
