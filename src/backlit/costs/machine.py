"""What this machine does in a second, and what a step takes on it: the prediction and the stopwatch side by side."""

import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np

from backlit.core.network import Network
from backlit.core.targets import as_targets
from backlit.costs.ledger import Ledger
from backlit.costs.memory import Memory
from backlit.engine import Data, Recipe, State, get_engine
from backlit.optim import Optimizer


@dataclass(frozen=True)
class Timing:
    """Seconds of a step, predicted and measured, and the two rates that the prediction rests on.

    matmul_rate : operations a second of a large matrix product.  memory_rate : bytes a second of adding one large
    vector to another, which reads two and writes one.
    """

    predicted_seconds: float
    measured_seconds: float
    matmul_rate: float
    memory_rate: float
    engine: str


def measure(
    net: Network,
    m: int,
    dtype: Any,
    optimizer: Optimizer,
    ledger: Ledger,
    memory: Memory,
    *,
    n_threads: int | None = None,
) -> Timing:
    """Time a step of the fastest engine on random examples, and say what the ledger predicts.

    The prediction is products at the product's rate plus every byte of the step moved once in each pass.
    """
    matmul_rate, memory_rate = product_rate(dtype), vector_rate(dtype)
    products = sum(ledger.matmul(phase) for phase in ("forward", "backward"))
    predicted = products / matmul_rate + 2 * memory.peak / memory_rate
    engine = get_engine("auto", Recipe(net, optimizer, m, n_threads=n_threads))
    draw = np.random.default_rng(0)
    y = targets(net, draw, m)
    data = Data(draw.standard_normal((m, net.inputs)).astype(dtype), as_targets(net, y, m, dtype))
    state = State.start(net, net.init("he_normal", dtype=dtype), optimizer)
    steps = 20
    order, rates = np.tile(np.arange(m), steps), np.full(steps, 1e-6)
    seconds = fastest(lambda: engine.run(state, data, order, rates, lambda: False)) / steps
    return Timing(predicted, seconds, matmul_rate, memory_rate, engine.name)


def targets(net: Network, draw: np.random.Generator, m: int) -> np.ndarray:
    """Targets that the loss is defined at."""
    if net.loss.name == "cross_entropy":
        return np.eye(net.outputs)[draw.integers(0, net.outputs, m)]
    return draw.integers(0, 2, (m, net.outputs)).astype(float)


def product_rate(dtype: Any, size: int = 1024) -> float:
    """Operations a second of a size³ matrix product."""
    A = np.random.default_rng(0).standard_normal((size, size)).astype(dtype)
    out = np.empty_like(A)
    return 2 * size**3 / fastest(lambda: np.matmul(A, A, out=out))


def vector_rate(dtype: Any, bytes: int = 64 * 2**20) -> float:
    """Bytes a second of x += y on vectors that no cache holds."""
    x = np.ones(bytes // np.dtype(dtype).itemsize, dtype)
    y = x.copy()
    return 3 * bytes / fastest(lambda: np.add(x, y, out=x))


def fastest(run: Callable[[], Any], rounds: int = 5) -> float:
    """The least seconds of a few rounds, after one that fills caches."""
    run()
    times = []
    for _ in range(rounds):
        started = time.perf_counter()
        run()
        times.append(time.perf_counter() - started)
    return min(times)
