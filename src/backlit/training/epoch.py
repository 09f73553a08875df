"""One epoch: its order, its learning rates, its parts, and the record of what came out."""

import time

import numpy as np

from backlit.engine import EpochResult
from backlit.optim import Schedule
from backlit.training.checkpoint import save_checkpoint
from backlit.training.history import Epoch
from backlit.training.interrupt import Stop
from backlit.training.run import Position, Run
from backlit.training.settings import Settings


def run_epoch(run: Run, schedule: Schedule, number: int, stop: Stop) -> tuple[Epoch | None, bool]:
    """Go through the data once, or through what a resumed epoch has left; (its record, whether it was interrupted).

    With checkpoints the epoch runs in parts of `checkpoint_every` batches, and one is written after each but the last
    (the trainer writes that one, when early stopping has seen the epoch).
    """
    started = time.perf_counter()
    order, rates = order_of(run, number), learning_rates(run, schedule, number - 1)
    size, part = run.batch_size, run.checkpoint_every or run.n_batches
    result = EpochResult(0.0, np.zeros(run.net.L), 0, interrupted=False)
    while run.position.batches < run.n_batches and not result.interrupted:
        first = run.position.batches
        last = min(first + part, run.n_batches)
        rows = order[first * size : last * size]
        result = run.engine.run(run.state, run.data, rows, rates[first:last], stop)
        done = min(result.steps, last - first) if result.interrupted else last - first
        run.position.add(result, done, min(done * size, len(rows)))
        if run.checkpoint is not None and run.position.batches < run.n_batches and not result.interrupted:
            save_checkpoint(run.checkpoint, run)
    whole, run.position = run.position.result(result.interrupted), Position()
    record = measure(run, whole, number, float(rates[-1]), started) if whole.steps or not result.interrupted else None
    return record, result.interrupted


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
