"""Functions that jobs call; a module defines them, so that a process can import them."""

import hashlib
import os
import signal
import time
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any

import numpy as np

from backlit.core import Dense, Network
from backlit.engine import Data
from backlit.engine.native_support import allowed_threads
from backlit.errors import Divergence
from backlit.processors import loaded_blas
from backlit.training import Settings, fit


def digest(array: np.ndarray) -> str:
    return hashlib.sha256(np.ascontiguousarray(array).tobytes()).hexdigest()


def trained(engine: str, seed: int) -> str:
    """A real fit's θ; with the reference engine its bits hang on BLAS's threads, for the batch is large."""
    rng = np.random.default_rng(0)
    net = Network(300, [Dense(128, "tanh", norm="layer", dropout=0.2), Dense(10, "softmax")], loss="cross_entropy")
    data = Data(rng.standard_normal((600, 300)), np.eye(10)[rng.integers(10, size=600)])
    outcome = fit(net, net.init(seed=seed), data, Settings(epochs=2, batch_size=256, seed=seed, engine=engine))
    return digest(outcome.params.theta)


def product(seed: int) -> str:
    """Whose bits hang on the number of BLAS's threads, as measured: (200, 784) by (784, 100)."""
    rng = np.random.default_rng(seed)
    return digest(rng.standard_normal((200, 784)) @ rng.standard_normal((784, 100)))


def power(base: int, k: int) -> int:
    time.sleep(0.02 * (k % 3))  # so that they do not end in order
    return base**k


def divided(x: float) -> float:
    return float(np.float64(x) / 0)


def threads_here() -> tuple[int, set[int]]:
    return allowed_threads(None), {library.get_num_threads() for library in loaded_blas()}


def mark(folder: str, k: int, seconds: float = 0.0) -> int:
    """Leave a file that says in which process it ran."""
    Path(folder, f"{k}.begun").write_text(str(os.getpid()))
    time.sleep(seconds)
    Path(folder, f"{k}.done").touch()
    return os.getpid()


def waits(folder: str, k: int) -> int:
    """Leave the same file, and wait for a file that lets all go."""
    mark(folder, k)
    while not Path(folder, "go").exists():
        time.sleep(0.02)
    return os.getpid()


at_work: list[int] = []  # which jobs are, in this process


def together(folder: str, k: int, n: int) -> tuple[int, int]:
    """Wait until n processes have begun such a job; its process, and how many jobs that had at a time."""
    at_work.append(k)
    mark(folder, k)
    while len({pid for file in Path(folder).glob("*.begun") if (pid := file.read_text())}) < n:
        time.sleep(0.02)
    at_once = len(at_work)
    at_work.remove(k)
    return os.getpid(), at_once


def fails(folder: str, k: int, at: int) -> int:
    mark(folder, k)
    if k >= at:
        raise KeyError(f"layer {k}")
    return k


def diverges() -> None:
    raise Divergence("the loss is infinite", step=7, layer=2)


class Stubborn(Exception):
    """Its message has two parts, so that pickle cannot make it anew."""

    def __init__(self, what: str, where: str):
        super().__init__(f"{what} in {where}")


def raises_stubborn() -> None:
    raise Stubborn("a fault", "layer 3")


def unsendable() -> object:
    return lambda: None


def dies(folder: str, times: int) -> str:
    """End this process from outside, as a system whose memory is full does, the first few times."""
    before = len(list(Path(folder).glob("death*")))
    if before < times:
        Path(folder, f"death{before}").touch()
        os.kill(os.getpid(), signal.SIGKILL)
    return "alive"


def steps(folder: str, k: int) -> None:
    """Work for ten minutes, and leave a sign of every step."""
    for step in range(12_000):
        Path(folder, f"{k}.steps").write_text(str(step))
        time.sleep(0.05)


def descends(depth: int = 0) -> int:
    return descends(depth + 1)


def dies_while_it_answers(folder: str) -> str:
    """End this process when half of its answer is sent, the first time."""

    def half(connection: Connection, answer: Any) -> None:
        os.write(connection.fileno(), bytes(answer)[: len(answer) // 2])
        os.kill(os.getpid(), signal.SIGKILL)

    died = Path(folder, "death")
    if not died.exists():
        died.touch()
        Connection._send = half  # type: ignore[attr-defined]  # what writes to the pipe
    return "alive"


def fitted(seed: int, epochs: int) -> str:
    """The SHA-256 of a small network that is trained for so long."""
    rng = np.random.default_rng(0)
    net = Network(20, [Dense(64, "relu"), Dense(64, "relu"), Dense(1, "identity")], loss="half_squared_error")
    X = rng.standard_normal((2000, 20)).astype(np.float32)
    data = Data(X, np.sin(X[:, :1] * X[:, 1:2]))
    settings = Settings(epochs=epochs, batch_size=32, seed=seed, patience=None)
    return digest(fit(net, net.init(seed=seed, dtype=np.float32), data, settings).params.theta)


def total(holder: dict[str, list[np.ndarray]], k: int) -> float:
    return float(holder["in it"][0].sum()) + k


def marked_total(folder: str, table: np.ndarray, k: int) -> float:
    mark(folder, k, 1.0)
    return float(table.sum()) + k


def sleep(seconds: float) -> None:
    time.sleep(seconds)
