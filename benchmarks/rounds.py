"""Peers in processes, trained in turns."""

import json
import subprocess
import sys
import time
from typing import Any

import numpy as np

from benchmarks.sizes import SIZES


class Worker:
    """One peer's process."""

    def __init__(self, name: str, size: Any, threads: int):
        self.name = name
        self.process = subprocess.Popen(
            [sys.executable, "-m", "benchmarks.worker", name, json.dumps(size), str(threads)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        self.read()

    def ask(self, **command: Any) -> dict[str, Any]:
        """Send a command and wait for its answer."""
        print(json.dumps(command), file=self.process.stdin, flush=True)
        return self.read()

    def read(self) -> dict[str, Any]:
        """The next answer."""
        line = self.process.stdout.readline()
        if not line:
            raise RuntimeError(f"{self.name} has ended, see its error above")
        return json.loads(line)

    def close(self) -> None:
        """End the process."""
        self.process.stdin.close()
        self.process.wait()


def sgemm_rate(n: int = 1024) -> float:
    """FLOP/s of SciPy's sgemm on all threads, right now."""
    from scipy.linalg.blas import sgemm

    A = np.asfortranarray(np.random.default_rng(0).standard_normal((n, n), dtype=np.float32))
    sgemm(1.0, A, A)
    times = []
    for _ in range(3):
        began = time.perf_counter()
        sgemm(1.0, A, A)
        times.append(time.perf_counter() - began)
    return 2 * n**3 / min(times)


def race(names: list[str], size: str, rounds: int, threads: int) -> dict[str, Any]:
    """Every peer once a round: seconds an epoch (rounds,), first loss, prediction seconds, memory above imports."""
    workers = [Worker(name, size, threads) for name in names]
    results: dict[str, Any] = {name: {"seconds": []} for name in names}
    rates = []
    for worker in workers:  # the first epoch compiles; its loss is compared
        results[worker.name]["loss"] = worker.ask(do="epochs", seed=0, epochs=0)["loss"]
    for number in range(1, rounds + 1):
        rates.append(sgemm_rate())
        for worker in workers[number % len(workers) :] + workers[: number % len(workers)]:
            told = worker.ask(do="epochs", seed=number, epochs=SIZES[size].epochs)
            results[worker.name]["seconds"].append(told["seconds"])
    for worker in workers:
        worker.ask(do="predict")
        told = worker.ask(do="predict")
        results[worker.name] |= {"predict_seconds": told["seconds"], "memory_kB": told["memory"]}
        worker.close()
    return {"peers": results, "sgemm": float(np.median(rates))}
