"""Stop runs at random batches and go on: each ends with the bits of an unbroken run.

`--points N` runs (50 unless told) are drawn from all optimizers, networks (batch norm, layer norm, dropout, a skip,
float32 and float64), schedules, ways to stop early, and both engines.  Each is broken off right after the checkpoint of
a random batch, resumed from the file, broken off and resumed once more, and compared with the unbroken run: parameters,
moments, optimizer's state, history.  Prints what was drawn; exits with 1 at the first difference.
"""

import argparse
import random
import sys
import tempfile
from collections import Counter
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from backlit.core import Dense, Network
from backlit.engine import Data
from backlit.optim import get_optimizer, get_schedule
from backlit.training import Outcome, Settings, fit, trainer
from backlit.training.checkpoint import save_checkpoint

OPTIMIZERS: tuple[Any, ...] = (
    "sgd", {"name": "sgd", "momentum": 0.9}, {"name": "sgd", "momentum": 0.9, "nesterov": True}, "adagrad", "rmsprop",
    "adam", "amsgrad", "adamw",
)  # fmt: skip
SCHEDULES: tuple[Any, ...] = (
    "constant", "cosine", {"name": "exponential", "rate": 0.9}, {"name": "step", "every": 2, "rate": 0.5},
    {"name": "warm_up", "length": 9, "per": "step", "after": "cosine"}, {"name": "one_cycle"},
    {"name": "reduce_on_plateau", "patience": 1},
)  # fmt: skip
NETWORKS = {
    "plain": [Dense(9, "relu"), Dense(1)],
    "batch norm": [Dense(9, "tanh", norm="batch"), Dense(7, "relu", norm="batch"), Dense(1)],
    "dropout": [Dense(9, "relu", dropout=0.3), Dense(7, "silu", dropout=0.1), Dense(1)],
    "both": [Dense(9, "gelu", norm="batch", dropout=0.2), Dense(1, train_bias=False)],
    "layer norm and skip": [Dense(9, "tanh", norm="layer"), Dense(9, "tanh", skip_from=1), Dense(1)],
}
STOPPING: dict[str, dict[str, Any]] = {
    "all epochs": {"patience": None},
    "patience": {"monitor": "validation_loss", "patience": 2, "tol": 0.0, "restore_best": True},
    "best epoch": {"monitor": "validation_loss", "patience": None, "restore_best": True},
    "loss": {"patience": 1, "tol": 1e-2},
}
X = np.random.default_rng(0).standard_normal((63, 3))


class Broken(BaseException):
    """Stands for the end of the process."""


def drawn(draw: random.Random, number: int) -> tuple[dict[str, str], Network, Settings, np.dtype]:
    """The `number`-th run: each optimizer and engine comes in turn, the rest at random."""
    optimizer = OPTIMIZERS[number % len(OPTIMIZERS)]
    engine = ("native", "reference")[number // len(OPTIMIZERS) % 2]
    name, stopping, schedule = draw.choice(list(NETWORKS)), draw.choice(list(STOPPING)), draw.choice(SCHEDULES)
    dtype = np.dtype(draw.choice(("float32", "float64")))
    settings = Settings(
        epochs=draw.randint(2, 6),
        batch_size=draw.choice((7, 16, 53)),
        optimizer=get_optimizer(optimizer),
        schedule=get_schedule(schedule),
        clip_norm=draw.choice((None, 0.5)),
        shuffle=draw.random() < 0.9,
        seed=draw.randrange(2**32),
        engine=engine,
        n_threads=1,
        **STOPPING[stopping],
    )
    told = {"optimizer": settings.optimizer.name, "engine": engine, "network": name, "stopping": stopping}
    return told, Network(3, NETWORKS[name], l2=draw.choice((0.0, 0.01))), settings, dtype


def run(net: Network, settings: Settings, dtype: np.dtype, folder: Path | None, every: int, weighted: bool) -> Outcome:
    X_, Y = X.astype(dtype), (X[:, :1] * X[:, 1:2]).astype(dtype)
    weight = np.linspace(0, 2, 53, dtype=dtype) if weighted else None
    params = net.init(seed=1, dtype=dtype)
    return fit(net, params, Data(X_[:53], Y[:53], weight), settings, validation=Data(X_[53:], Y[53:]),
               checkpoint=folder, checkpoint_every=every if folder else None)  # fmt: skip


def broken(at: int, *call: Any) -> bool:
    """Run until the `at`-th checkpoint is written, and stop there; whether the run was that long."""
    written = 0

    def save(*arguments: Any) -> None:
        nonlocal written
        save_checkpoint(*arguments)
        written += 1
        if written == at:
            raise Broken

    kept = trainer.save_checkpoint
    trainer.save_checkpoint = save
    try:
        run(*call)
    except Broken:
        return True
    finally:
        trainer.save_checkpoint = kept
    return False


def difference(first: Outcome, second: Outcome) -> str:
    """The first thing in which two outcomes differ; nothing where all is equal."""
    pairs = {"theta": (first.params.theta, second.params.theta)}
    pairs |= {f"slot {k}": pair for k, pair in enumerate(zip(first.state.slots, second.state.slots, strict=True))}
    for l in range(1, len(first.statistics.mean)):
        pairs[f"mean[{l}]"] = (first.statistics.mean[l], second.statistics.mean[l])
        pairs[f"variance[{l}]"] = (first.statistics.variance[l], second.statistics.variance[l])
    for name, (one, two) in pairs.items():
        if one is not None and one.tobytes() != two.tobytes():
            return name
    timeless = [[replace(record, seconds=0.0) for record in outcome.history] for outcome in (first, second)]
    if timeless[0] != timeless[1] or first.state.step != second.state.step:
        return "history"
    ends = [(outcome.history.best_epoch, outcome.history.stopped) for outcome in (first, second)]
    return "" if ends[0] == ends[1] else "how it ended"


def stop_and_go_on(number: int, draw: random.Random) -> tuple[dict[str, str], int, str]:
    """One point: (what was drawn, times broken off, the first difference)."""
    told, net, settings, dtype = drawn(draw, number)
    every, weighted = draw.choice((1, 1, 2, 3)), draw.random() < 0.3
    with tempfile.TemporaryDirectory() as top:
        # an unbroken run with the same checkpoints: the history sums an epoch's parts in the same order
        whole = run(net, settings, dtype, Path(top, "whole"), every, weighted)
        steps = max(1, whole.state.step // every)
        call = (net, settings, dtype, Path(top, "run"), every, weighted)
        times = sum(broken(draw.randint(1, most), *call) for most in (steps, max(1, steps // 2)))
        return told, times, difference(run(*call), whole)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--points", type=int, default=50)
    parser.add_argument("--seed", type=int, default=0)
    options = parser.parse_args()
    draw, seen, breaks = random.Random(options.seed), Counter(), 0
    for number in range(options.points):
        told, times, said = stop_and_go_on(number, draw)
        if said:
            sys.exit(f"run {number}, {told}: {said} differs from the unbroken run")
        breaks += times
        seen.update(f"{key} {value}" for key, value in told.items())
        if sys.stderr.isatty():
            print(f"\r{number + 1} of {options.points}", end="", file=sys.stderr)
    print(f"{options.points} runs stopped {breaks} times at random batches: each ends with the bits of an unbroken run")
    print("  " + ", ".join(f"{name} {count}" for name, count in sorted(seen.items())))


if __name__ == "__main__":
    main()
