"""Dask clusters of this machine: of processes, any of which can be killed or stopped, or of threads of this one."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
KINDS = ["threads", pytest.param("processes", marks=pytest.mark.slow)]


@contextmanager
def two_workers(kind: str, folder: Path) -> Iterator[str]:
    """The address of a scheduler with two workers of a kind; by threads the same is seen in a tenth of the time."""
    if kind == "processes":
        with Cluster(folder, workers=2) as found:
            yield found.complete().address
    else:
        with threads_of_this_process(2) as found:
            yield found.scheduler_address


def threads_of_this_process(n: int):
    """Dask's own cluster of n workers, each a thread."""
    return pytest.importorskip("distributed").LocalCluster(
        n_workers=n,
        threads_per_worker=1,
        processes=False,
        protocol="tcp://",
        host="127.0.0.1",
        dashboard_address="127.0.0.1:0",
    )


class Cluster:
    """A scheduler and workers, each a process; a context manager that ends them.

    folder : where they may write.  threads : of each worker, 1 unless told.  prefix : a command that starts the
    scheduler, such as `ip netns exec`, where it has the address `host`.
    """

    def __init__(self, folder, workers=0, threads=1, prefix=(), host="127.0.0.1"):
        pytest.importorskip("distributed")
        self.folder, self.threads = Path(folder), threads
        self.file = self.folder / "scheduler.json"
        self.workers, self.parts = [], 0
        self.scheduler = self.start("dask_scheduler", "--host", host, "--port", "0", prefix=prefix)
        for _ in range(workers):
            self.add()

    def start(self, what, *options, prefix=(), environment=None):
        """Start a part of it."""
        command = [
            *prefix,
            sys.executable,
            "-m",
            f"distributed.cli.{what}",
            "--scheduler-file",
            str(self.file),
            "--no-dashboard",
        ]
        clean = {k: v for k, v in os.environ.items() if k not in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS")}
        self.parts += 1
        with open(self.folder / f"log-{self.parts}.txt", "w") as log:
            process = subprocess.Popen(
                [*command, *options], stdout=log, stderr=log, cwd=self.folder,
                env=clean | {"PYTHONPATH": str(ROOT), "OMP_NUM_THREADS": "1"} | (environment or {}),
            )  # fmt: skip

        process.log = Path(log.name)
        return process

    def add(self, *options, threads=None, **how):
        """Start one more worker, without a nanny that would restart it."""
        given = (
            "--no-nanny",
            "--nthreads",
            str(threads or self.threads),
            "--local-directory",
            str(self.folder),
            "--memory-limit",
            "0",
        )  # a share of it by processors is too little for Python where they are many
        self.workers.append(self.start("dask_worker", *given, *options, **how))
        return self.workers[-1]

    def alive(self):
        """The numbers of the workers that have found the scheduler."""
        return [k for k, worker in enumerate(self.workers) if "Registered to" in worker.log.read_text()]

    def complete(self):
        """This cluster, as soon as all workers have found the scheduler."""
        end = time.monotonic() + 300
        while len(self.alive()) < len(self.workers):
            if time.monotonic() > end:
                raise TimeoutError("workers do not find the scheduler")
            time.sleep(0.05)
        return self

    def kill(self, number):
        """End a worker at once."""
        worker = self.workers.pop(number)
        worker.kill()
        worker.wait()

    @property
    def address(self):
        """The scheduler's, as soon as it has one."""
        import json

        end = time.monotonic() + 300
        while time.monotonic() < end:
            with suppress(OSError, ValueError):
                return json.loads(self.file.read_text())["address"]
            time.sleep(0.05)
        raise TimeoutError(f"no scheduler: {self.scheduler.log.read_text()[-2000:]}")

    def __enter__(self):
        return self

    def __exit__(self, *_):
        for process in (*self.workers, self.scheduler):
            with suppress(ProcessLookupError):
                process.send_signal(signal.SIGCONT)
            process.kill()
            process.wait()
