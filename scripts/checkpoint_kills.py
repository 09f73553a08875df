"""Kill a run while it writes checkpoints: the one that is found afterwards must be whole, and the run must end alike.

`--random N` runs are killed by SIGKILL after a random time; then one run is killed at each of its first system-level
events (file opened, renamed, removed, …) while a checkpoint is written.  After each kill the checkpoint must load, and
the resumed run must end with the bits of an unbroken one.  Prints what it did; exits with 1 at the first failure.
"""

import argparse
import os
import random
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np

from backlit.core import Dense, Network
from backlit.engine import Data
from backlit.optim import get_optimizer
from backlit.training import Settings, fit
from backlit.training.checkpoint import FILE, read

EVENTS = ("open", "os.rename", "os.remove", "os.chmod", "os.mkdir")


def train(folder: Path | None) -> np.ndarray:
    """A small run with everything that a checkpoint has to hold."""
    draw = np.random.default_rng(0)
    X = draw.standard_normal((60, 4))
    data, validation = Data(X[:50], X[:50, :1] * X[:50, 1:2]), Data(X[50:], X[50:, :1] * X[50:, 1:2])
    net = Network(4, [Dense(16, "tanh", norm="batch", dropout=0.2), Dense(1)])
    settings = Settings(
        epochs=12,
        batch_size=5,
        optimizer=get_optimizer("adam"),
        monitor="validation_loss",
        restore_best=True,
        patience=None,
    )
    outcome = fit(
        net, net.init(seed=1), data, settings, validation=validation, checkpoint=folder, checkpoint_every=folder and 2
    )
    return outcome.params.theta


def child(folder: Path, at_event: int | None) -> None:
    """Run in a process of its own, which kills itself at an event of checkpointing where told."""
    if at_event is not None:
        count = 0

        def hook(event: str, arguments: tuple) -> None:
            nonlocal count
            if event in EVENTS and any(str(folder) in str(argument) for argument in arguments):
                count += 1
                if count == at_event:
                    os.kill(os.getpid(), signal.SIGKILL)

        sys.addaudithook(hook)
    train(folder)


def start(folder: Path, at_event: int | None = None) -> subprocess.Popen:
    event = [] if at_event is None else ["--at-event", str(at_event)]
    return subprocess.Popen([sys.executable, __file__, "--child", str(folder), *event])


def verify(folder: Path, expected: np.ndarray) -> str:
    """Check what a kill left; what was found."""
    found = "nothing yet"
    if (folder / FILE).exists():
        _, described = read(folder / FILE)
        found = f"epoch {len(described['history']) + 1}, batch {described['position']['batches']}"
    if not np.array_equal(train(folder), expected):
        sys.exit(f"after a kill with {found} in the checkpoint the resumed run ended with other bits")
    return found


def killed_at_random(runs: int, expected: np.ndarray, seed: int) -> None:
    draw, seen = random.Random(seed), set()
    with tempfile.TemporaryDirectory() as top:
        started = time.perf_counter()
        start(Path(top, "whole")).wait()
        whole = time.perf_counter() - started
        for number in range(runs):
            folder = Path(top, str(number))
            process = start(folder)
            time.sleep(draw.uniform(0.3 * whole, whole))
            process.send_signal(signal.SIGKILL)
            process.wait()
            seen.add(verify(folder, expected))
            shutil.rmtree(folder, ignore_errors=True)
    print(f"{runs} runs killed at random moments: each checkpoint whole, each resumed run equal to the bit")
    print(f"  found at {len(seen)} different places")


def killed_at_events(expected: np.ndarray, most: int) -> None:
    events = 0
    with tempfile.TemporaryDirectory() as top:
        for at_event in range(1, most + 1):
            folder = Path(top, str(at_event))
            if start(folder, at_event).wait() != -signal.SIGKILL:
                break  # fewer events than that in the whole run
            verify(folder, expected)
            events += 1
    print(f"{events} runs killed at one event of checkpointing each ({', '.join(EVENTS)}): all whole, all equal")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--random", type=int, default=200)
    parser.add_argument("--events", type=int, default=40)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--child", type=Path)
    parser.add_argument("--at-event", type=int)
    options = parser.parse_args()
    if options.child:
        child(options.child, options.at_event)
        return
    expected = train(None)
    killed_at_events(expected, options.events)
    killed_at_random(options.random, expected, options.seed)


if __name__ == "__main__":
    main()
