"""One epoch: its order, its learning rates, its parts, and the record of what came out."""

import time
from collections.abc import Callable, Generator
from contextlib import closing
from typing import Any

import numpy as np

from backlit.engine import EpochResult
from backlit.optim import Schedule
from backlit.training.checkpoint import save_checkpoint
from backlit.training.history import Epoch
from backlit.training.progress import Stop
from backlit.training.run import Position, Run
from backlit.training.settings import Settings
from backlit.training.sharding import Shards
from backlit.training.streaming import blocks


def run_epoch(
    run: Run, schedule: Schedule, number: int, stop: Stop, show: Callable[[float], None] = lambda share: None
) -> tuple[Epoch | None, bool]:
    """Go through the data once, or through what a resumed epoch has left; (its record, whether it was interrupted).

    The epoch runs block by block (`streaming.blocks`; data in memory are one block), with checkpoints in parts of
    `checkpoint_every` batches; one is written after each part but the last (the trainer writes that one, when early
    stopping has seen the epoch).  show : is told the share of the epoch that is done.
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
    """What is left of an epoch: examples, and in what order to learn them; see `streaming.blocks`."""
    if isinstance(run.data, Shards):
        return run.data.blocks(number, run.position.batches)
    settings = run.settings
    return blocks(run.data, settings.seed, number, run.batch_size, run.position.batches, settings.shuffle)


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
