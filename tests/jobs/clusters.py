"""A Dask cluster of this machine's processes, any of which can be killed or stopped."""

import os
import signal
import subprocess
import sys
import time
from contextlib import suppress
from pathlib import Path

ROOT = Path(__file__).parents[2]


class Cluster:
    """A scheduler and workers, each a process; a context manager that ends them.

    folder : where they may write.  threads : of each worker, 1 unless told.
    """

    def __init__(self, folder, workers=0, threads=1, scheduler_options=()):
        self.folder, self.threads = Path(folder), threads
        self.file = self.folder / "scheduler.json"
        self.workers = []
        self.scheduler = self.start("dask_scheduler", "--host", "127.0.0.1", "--port", "0", *scheduler_options)
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
        with open(self.folder / "log.txt", "a") as log:
            return subprocess.Popen(
                [*command, *options], stdout=log, stderr=log, cwd=self.folder,
                env=clean | {"PYTHONPATH": str(ROOT), "OMP_NUM_THREADS": "1"} | (environment or {}),
            )  # fmt: skip

    def add(self, *options, threads=None, **how):
        """Start one more worker, without a nanny that would restart it."""
        given = ("--no-nanny", "--nthreads", str(threads or self.threads), "--local-directory", str(self.folder))
        self.workers.append(self.start("dask_worker", *given, *options, **how))
        return self.workers[-1]

    def kill(self, number):
        """End a worker at once."""
        worker = self.workers.pop(number)
        worker.kill()
        worker.wait()

    @property
    def address(self):
        """The scheduler's, as soon as it has one."""
        import json

        end = time.monotonic() + 30
        while time.monotonic() < end:
            with suppress(OSError, ValueError):
                return json.loads(self.file.read_text())["address"]
            time.sleep(0.05)
        raise TimeoutError(f"no scheduler: {(self.folder / 'log.txt').read_text()[-2000:]}")

    def __enter__(self):
        return self

    def __exit__(self, *_):
        for process in (*self.workers, self.scheduler):
            with suppress(ProcessLookupError):
                process.send_signal(signal.SIGCONT)
            process.kill()
            process.wait()
