"""What this machine does in a second, and what a step takes on it: predictions beside the stopwatch and the pages.

The measured peak is by how much a fresh process grows when it trains, as the operating system counts it.  Linux only:
the growth is that of the resident pages' high-water mark (VmHWM), set back before the state is made."""

import ctypes
import gc
import json
import subprocess
import sys
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np

from backlit.core.network import Dense, Network
from backlit.core.parameters import Parameters, Statistics
from backlit.core.targets import as_targets
from backlit.costs.ledger import Ledger
from backlit.costs.memory import Memory, extra_forward
from backlit.engine import Data, State, TrainConfig, get_engine, native_engine
from backlit.engine.native import extension
from backlit.engine.native_support import allowed_threads
from backlit.engine.plan import useful_threads
from backlit.errors import ProblemError
from backlit.optim import get_optimizer
from backlit.processors import one_blas_thread


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
    command = [sys.executable, "-c", "from backlit.costs.machine import child; child()"]
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
    engine = native_engine(recipe)
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


Clock = Callable[[], float]
# --- the stopwatch ----------------------------------------------------------------------------------------------------

LARGE = 64 * 2**20  # bytes that no cache holds
SHORT = 0.002  # seconds of a round where that is possible: less than a turn that the system gives a process
BUDGET = 0.2  # seconds of all rounds, from which five are enough
STREAMS = 5  # times that a vector of theta's size goes by: W is packed (2) and multiplied; the gradient is written, and
# read by the update.  And theta and each slot twice.
CALL = 200_000  # multiply-adds below which a call of BLAS measures the call


@dataclass(frozen=True)
class Timing:
    """Seconds of a step, predicted and measured, and the rates that the prediction rests on.

    matmul_rate : operations a second of a product of the shape in which most of the step's operations are, with the
    threads that training uses.  memory_rate : bytes a second of adding one vector to another, which reads two and
    writes one, at the size of theta and its slots.  elementwise_rate : operations a second of the same in the cache.
    products_seconds, elementwise_seconds, update_seconds : the parts of the prediction; the last is all that goes
    through vectors of theta's size, the packing of W among it.
    """

    predicted_seconds: float
    measured_seconds: float
    products_seconds: float
    elementwise_seconds: float
    update_seconds: float
    matmul_rate: float
    elementwise_rate: float
    memory_rate: float
    engine: str


def measure(recipe: TrainConfig, dtype: Any, ledger: Ledger, memory: Memory) -> Timing:
    """Time a step of the fastest engine on random examples, and say what the ledger predicts.

    predicted = products / matmul_rate + other operations / elementwise_rate + bytes of theta's size / memory_rate
    """
    net, m, optimizer = recipe.net, recipe.batch_size, recipe.optimizer
    threads = useful_threads(net, m, allowed_threads(recipe.n_threads))
    matmul_rate = product_rate(dtype, *typical_product(net.n, m)) * threads
    elementwise_rate = vector_rate(dtype, 2**14) / (3 * dtype.itemsize) * threads
    vectors = 2 + len(optimizer.slots)
    memory_rate = vector_rate(dtype, min(LARGE, max(vectors * memory.parameters // 2, 2**12)))
    again, again_products = extra_forward(net, ledger, memory.forwards)
    products = sum(ledger.matmul(phase) for phase in ("forward", "backward")) + again_products
    others = sum(ledger.total(phase) for phase in ("forward", "backward")) + again - products
    streams = STREAMS + 2 * (1 + len(optimizer.slots))
    update = streams * memory.parameters / memory_rate + ledger.total("optimizer") / elementwise_rate
    parts = (products / matmul_rate, others / elementwise_rate, update)
    seconds, name = step_seconds(recipe, dtype)
    return Timing(sum(parts), seconds, *parts, matmul_rate, elementwise_rate, memory_rate, name)


def step_seconds(recipe: TrainConfig, dtype: Any, clock: Clock = time.perf_counter) -> tuple[float, str]:
    """(seconds of a step, the engine's name): the fastest of a few runs of some steps."""
    net, m = recipe.net, recipe.batch_size
    engine = get_engine("auto", recipe)
    draw = np.random.default_rng(0)
    X = draw.standard_normal((m, net.inputs)).astype(dtype)
    data = Data(X, as_targets(net, targets(net, draw, m), m, dtype))
    state = State.start(net, net.init("he_normal", dtype=dtype), recipe.optimizer)

    def run(steps: int) -> None:
        engine.run(state, data, np.tile(np.arange(m), steps), np.full(steps, 1e-6), lambda: False)

    run(1)
    started = time.perf_counter()
    run(1)
    steps = max(1, min(50, int(SHORT / (time.perf_counter() - started + 1e-9))))
    return fastest(lambda: run(steps), clock) / steps, engine.name


def typical_product(n: tuple[int, ...], m: int) -> tuple[int, int, int]:
    """(m, n_l, n_{l−1}) of the layer whose product is largest; with more rows where that is a small one."""
    _, n_out, n_in = max((a * b, a, b) for a, b in zip(n[1:], n[:-1], strict=True))
    return max(m, CALL // (n_out * n_in)), n_out, n_in


def product_rate(dtype: Any, m: int, n: int, k: int) -> float:
    """Operations a second of BLAS, on one thread, for (m, k) times (k, n)."""
    draw = np.random.default_rng(0)
    A, B = draw.standard_normal((m, k)).astype(dtype), draw.standard_normal((k, n)).astype(dtype)
    out = np.empty((m, n), dtype)
    repeats = max(1, int(2e6 // (m * n * k)))
    with one_blas_thread():
        return repeats * 2 * m * n * k / fastest(lambda: [np.matmul(A, B, out=out) for _ in range(repeats)])


def vector_rate(dtype: Any, bytes: int) -> float:
    """Bytes a second of x += y on vectors of so many bytes."""
    x = np.ones(max(1, bytes // np.dtype(dtype).itemsize), dtype)
    y = x.copy()
    repeats = max(1, 2**20 // bytes)
    return repeats * 3 * x.nbytes / fastest(lambda: [np.add(x, y, out=x) for _ in range(repeats)])


def fastest(run: Callable[[], Any], clock: Clock = time.perf_counter) -> float:
    """The least seconds of some rounds, after one that fills caches: short ones often, so that some run undisturbed."""
    run()
    times: list[float] = []
    while len(times) < 5 or (sum(times) < BUDGET and len(times) < 60):
        started = clock()
        run()
        times.append(clock() - started)
    return min(times)
