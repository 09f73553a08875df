"""The peak that is measured: by how much a fresh process grows when it trains, as the operating system counts it.

Linux only: the growth is that of the resident pages' high-water mark (VmHWM), set back before the state is made.
"""

import ctypes
import gc
import json
import subprocess
import sys
from contextlib import suppress
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np

from backlit.core.network import Dense, Network
from backlit.core.norms import Statistics
from backlit.core.parameters import Parameters
from backlit.core.targets import as_targets
from backlit.engine import Data, State, TrainConfig
from backlit.engine.native import NativeEngine, extension
from backlit.errors import ProblemError
from backlit.optim import get_optimizer


def measured_peak(recipe: TrainConfig, dtype: str) -> int:
    """Bytes that two steps of the native engine took in a process of their own, its data not counted.

    Raises ProblemError if the native engine or /proc is missing, or a network cannot be written down.
    """
    if extension() is None or not Path("/proc/self/clear_refs").exists():
        raise ProblemError("measuring the peak needs the native engine and Linux: leave it out")
    spec = {
        "net": recipe.net.to_dict(),
        "optimizer": {"name": recipe.optimizer.name, **asdict(recipe.optimizer)},
        "batch": recipe.batch_size,
        "n_threads": recipe.n_threads,
        "memory_limit": recipe.memory_limit,
        "dtype": dtype,
    }
    command = [sys.executable, "-c", "from backlit.costs.peak_memory import child; child()"]
    done = subprocess.run(command, input=json.dumps(spec), capture_output=True, text=True, check=False)
    if done.returncode:
        last = done.stderr.strip().splitlines()[-1:] or ["it was ended from outside"]
        raise ProblemError(f"the process that was to train for the measurement failed: {last[0]}")
    return int(done.stdout)


def child() -> None:
    """Read a recipe from standard input, train, and print by how much this process grew."""
    spec = json.loads(sys.stdin.read())
    net, dtype, m = Network.from_dict(spec["net"]), np.dtype(spec["dtype"]), spec["batch"]
    optimizer = get_optimizer(spec["optimizer"])
    train(TrainConfig(Network(2, [Dense(2, "tanh"), Dense(1)]), optimizer, 2), dtype)  # loads all that training loads
    recipe = TrainConfig(net, optimizer, m, n_threads=spec["n_threads"], memory_limit=spec["memory_limit"])
    print(train(recipe, dtype))


def train(recipe: TrainConfig, dtype: np.dtype) -> int:
    """Two steps on random examples; the growth in bytes from before the state was made."""
    net, m = recipe.net, recipe.batch_size
    draw = np.random.default_rng(0)
    X = draw.standard_normal((2 * m, net.inputs), dtype=np.float32).astype(dtype, copy=False)
    data = Data(X, as_targets(net, targets(net, draw, 2 * m), 2 * m, dtype))
    engine = NativeEngine(recipe)
    engine.plan(m, dtype)  # so that what planning takes is given back before
    gc.collect()
    with suppress(OSError, AttributeError):  # glibc keeps what was freed; then the state would take what planning left
        ctypes.CDLL(None).malloc_trim(0)
    Path("/proc/self/clear_refs").write_text("5")
    before = status("VmRSS")
    params = Parameters(net, np.full(net.n_parameters, 1e-3, dtype))
    state = State(params, recipe.optimizer.init(params.theta), Statistics(net, dtype))
    engine.run(state, data, np.arange(2 * m), np.full(2, 1e-6), lambda: False)
    return status("VmHWM") - before


def targets(net: Network, draw: np.random.Generator, m: int) -> np.ndarray:
    """Targets that the loss is defined at."""
    if net.loss.classes:
        return draw.integers(0, net.outputs, m) if net.outputs > 1 else np.ones((m, 1))
    return draw.integers(0, 2, (m, net.outputs)).astype(float)


def status(name: str) -> int:
    """A number of bytes that the system knows of this process."""
    lines: Any = Path("/proc/self/status").read_text().splitlines()
    return next(int(line.split()[1]) * 1024 for line in lines if line.startswith(name))
