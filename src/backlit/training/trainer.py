"""The training loop: an epoch, a look at what came out, another epoch; on any engine.

>>> from backlit.core import Dense, Network
>>> net = Network(1, [Dense(8, "tanh"), Dense(1)])
>>> import numpy as np
>>> X = np.linspace(-1, 1, 50)[:, None]
>>> from backlit.optim import Adam
>>> settings = Settings(epochs=200, batch_size=10, optimizer=Adam(learning_rate=0.01), patience=None)
>>> outcome = fit(net, net.init(seed=0), Data(X, X**2), settings)
>>> outcome.history.epochs[-1].loss < 1e-3
True
"""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from backlit.core.network import Network, positive_integer
from backlit.core.norms import Statistics
from backlit.core.parameters import Parameters
from backlit.engine import Data, DenseBatches, Engine, State, get_engine
from backlit.errors import Divergence, ProblemError
from backlit.optim.schedules import Plateau
from backlit.training.checkpoint import FILE, load_checkpoint, make_folder, save_checkpoint
from backlit.training.epoch import lower_is_better, run_epoch
from backlit.training.history import History
from backlit.training.interrupt import Stop, stop_on_interrupt
from backlit.training.patience import Watch
from backlit.training.progress import Show, show_progress
from backlit.training.run import Callback, Run, Score
from backlit.training.settings import Settings
from backlit.training.streaming import Stream


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
    data: Data | Stream,
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
) -> Outcome:
    """Train until the epochs are over, patience has run out, a callback returns True, or Ctrl-C.

    data, validation : checked examples in the parameters' dtype; data may be a stream (`training.streaming`), read anew
    in each epoch.  score : higher is better, for the monitor
    "validation_score".  state, history : go on from there, with `epochs` more; else from `params`, which are not
    written to.  What is drawn depends on the seed and the epoch's number, so 5 epochs and 5 more are 10.
    checkpoint : a folder; where it holds a checkpoint of this same run, training goes on from there and ends with the
    bits of an unbroken run; one is written after each epoch, or each `checkpoint_every` batches.
    Raises ProblemError where the monitored number is not there to be watched, or the checkpoint is another run's.
    """
    check_monitor(settings, validation, score)
    if checkpoint_every is not None:
        positive_integer(checkpoint_every, "checkpoint_every")
        if checkpoint is None:
            raise ProblemError("checkpoint_every says how often a checkpoint is written: give its folder as checkpoint")
    engine = get_engine(settings.engine, settings.recipe(net))
    if data.is_sparse or (validation is not None and validation.is_sparse):
        engine = DenseBatches(engine, settings.batch_size)
    run = Run(
        net,
        settings,
        engine=engine,
        state=state or State.start(net, params, settings.optimizer),
        history=History() if history is None else history,
        data=data,
        validation=validation,
        score=score,
        watch=Watch(settings),
        checkpoint=None if checkpoint is None else Path(checkpoint),
        checkpoint_every=checkpoint_every,
    )
    run.history.stopped = ""
    last, divergence = len(run.history) + settings.epochs, None
    if run.checkpoint is not None:
        make_folder(run.checkpoint)  # now, so that no epoch is learned in vain
        if (run.checkpoint / FILE).exists():
            load_checkpoint(run.checkpoint, run)
    with stop_on_interrupt() as stop, show_progress(last, progress) as show:
        try:
            run.history.stopped = loop(run, last, callbacks, stop, show)
        except Divergence as error:
            divergence, run.history.stopped = error, "diverged"
    run.watch.restore(run.state)
    run.history.best_epoch = run.watch.best_epoch
    return Outcome(run.state.params, run.state.statistics, run.history, run.state, run.engine, divergence)


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
        tired = run.watch.see(epoch, run.state)
        if interrupted:
            return "interrupted"
        if isinstance(schedule, Plateau):
            run.plateau = schedule.observe(run.plateau, lower_is_better(epoch, run.settings))
        wishes = [callback(run) for callback in callbacks]  # each is called, whatever the others say
        run.history.stopped = "callback" if any(wish is True for wish in wishes) else "patience" if tired else ""
        if run.checkpoint is not None:
            save_checkpoint(run.checkpoint, run)
    return run.history.stopped


def check_monitor(settings: Settings, validation: Data | None, score: Score | None) -> None:
    """Raise ProblemError where the monitored number will not be measured."""
    if settings.monitor == "validation_loss" and validation is None:
        raise ProblemError("monitor validation_loss needs validation data: give it, or monitor the loss")
    if settings.monitor == "validation_score" and score is None:
        raise ProblemError("monitor validation_score needs a score: give one, or monitor the loss")
