"""Jobs in processes, which are started anew (spawn), so that nothing of this process but the job itself is in them.

Each worker is a thread that owns one process.  So it is known which job a process had when it died, and no other job
is touched by that.
"""

import pickle
import signal
import threading
from collections.abc import Callable
from concurrent.futures import CancelledError, ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from functools import partial
from multiprocessing import parent_process
from multiprocessing.context import SpawnContext
from multiprocessing.process import BaseProcess
from os import _exit
from typing import Any, Self

from backlit.errors import BacklitError, ProblemError
from backlit.jobs.executors import Pending, Threads

TRIES = 2  # a process may have been ended by chance, as when memory was full; the same job twice is no chance


class Processes:
    """Runs jobs in processes of their own.

    Function, arguments and result are pickled; a function is sent by name, so a module must define it.  A script that
    uses this needs `if __name__ == "__main__":`, because each process imports it.  If a process dies, its job is run
    once more in a new one.  After an error, and by Ctrl-C, all are ended at once; if this process dies, they end too.

    Parameters
    ----------
    workers : int
        How many processes.

    Examples
    --------
    >>> from math import factorial
    >>> with Processes(1) as executor:
    ...     executor.submit(partial(factorial, 5), "5!").result()
    120
    """

    def __init__(self, workers: int):
        self.workers = workers
        self.threads, self.mine = Threads(workers), threading.local()
        self.children: list[Child] = []
        self.closing, self.guard = False, threading.Lock()

    def submit(self, task: Callable[[], Any], name: str) -> Pending:
        """Have a process run the task.  Raises ProblemError if it cannot be pickled."""
        payload = sendable(
            task, name, "a process", 'give it a function and arguments that pickle can send, or how="threads"'
        )
        return self.threads.submit(partial(self.run, payload, name), name)

    def run(self, payload: bytes, name: str) -> Any:
        """In a worker's thread: have its process run the task."""
        for _ in range(TRIES):
            with self.guard:
                if self.closing:
                    raise CancelledError
                child = self.child()
                answer = child.pool.submit(answer_of, payload)  # starts the process
            try:
                return pickle.loads(answer.result())
            except BrokenProcessPool:
                code = child.end()
        how = f"signal {-code}" if code is not None and code < 0 else f"exit code {code}"
        remedy = 'look whether memory is full, and whether the script has `if __name__ == "__main__":`'
        raise BacklitError(f"{name}: the process that ran it died, {TRIES} times ({how}): {remedy}")

    def child(self) -> "Child":
        """The process of this thread, a new one if there is none that lives."""
        if not getattr(self.mine, "child", None) or self.mine.child.ended:
            self.mine.child = Child()
            self.children.append(self.mine.child)
        return self.mine.child

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *error: object) -> None:
        with self.guard:
            self.closing = True
            if error[0] is not None:
                for child in self.children:
                    child.kill()
        self.threads.__exit__(*error)
        for child in self.children:
            child.end()


class Child(SpawnContext):
    """One process, and the pool of one that speaks with it; it starts with the first task."""

    process: BaseProcess | None = None
    ended = False

    def __init__(self) -> None:
        super().__init__()
        self.pool = ProcessPoolExecutor(1, mp_context=self, initializer=begin)

    def Process(self, *args: Any, **options: Any) -> BaseProcess:  # type: ignore[override]
        """Make the process, for the pool, and remember it."""
        self.process = super().Process(*args, **options)
        return self.process

    def kill(self) -> None:
        """End it in the middle of what it does."""
        if self.process is not None:
            self.process.kill()

    def end(self) -> int | None:
        """Wait for it to end, which it does when it has nothing to do; gives its exit code."""
        self.pool.shutdown(wait=True)
        self.ended = True
        return None if self.process is None else self.process.exitcode


def sendable(task: Callable[[], Any], name: str, where: str, remedy: str) -> bytes:
    """The pickled task; raises ProblemError if it cannot be pickled."""
    try:
        return pickle.dumps(task)
    except (pickle.PicklingError, AttributeError, TypeError) as error:
        raise ProblemError(f"{name} cannot be sent to {where} ({error}): {remedy}") from error


def begin() -> None:
    """In the process, first of all: leave Ctrl-C to the parent, and end when it ends."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    threading.Thread(target=end_with_parent, daemon=True).start()


def end_with_parent() -> None:
    """Wait for the parent to end; its children would wait for the next job for ever."""
    parent = parent_process()
    if parent is not None:
        parent.join()
        _exit(1)


def answer_of(payload: bytes) -> bytes:
    """In the process: run the task."""
    return pickled_result(lambda: pickle.loads(payload)())


def pickled_result(task: Callable[[], Any]) -> bytes:
    """Run a task for somebody elsewhere.  Errors that pickle cannot bring back come as their words."""
    try:
        return pickle.dumps(task())
    except Exception as error:
        try:
            pickle.loads(pickle.dumps(error))
        except Exception:
            raise RuntimeError(f"{type(error).__name__}: {error}") from error
        raise
