"""Who runs a job: the protocol, this thread, threads, and processes.

Processes are started anew (spawn), so that nothing of this process but the job itself is in them.  Each belongs to one
thread.  So it is known which job a process had when it died, and no other job is touched by that.
"""

import pickle
import signal
import threading
from collections.abc import Callable
from concurrent.futures import CancelledError, ThreadPoolExecutor
from dataclasses import dataclass
from functools import partial
from multiprocessing import get_context, parent_process
from multiprocessing.connection import Connection
from os import _exit
from typing import Any, Protocol, Self

from backlit.errors import BacklitError
from backlit.jobs.parcels import Answer, Parcel, Shared, answer_to, sendable

TRIES = 2  # a process may have been ended by chance, as when memory was full; the same job twice is no chance


class Pending(Protocol):
    """A job that was submitted, as `concurrent.futures.Future` has it.

    Examples
    --------
    >>> Lazy(lambda: 3).result()
    3
    """

    def result(self) -> Any:
        """What the job gave, or raise what it raised; waits until it is there."""
        ...

    def cancel(self) -> Any:
        """See that it does not begin, if it has not begun."""
        ...


class Executor(Protocol):
    """Who runs jobs; a context manager that leaves nothing running behind.

    If its block ends with an error, what waits is cancelled, and what can be ended is ended.

    Examples
    --------
    >>> with Threads(2) as executor:
    ...     executor.submit(lambda: "done", "an example").result()
    'done'
    """

    @property
    def workers(self) -> int:
        """How many jobs run at a time."""
        ...

    def submit(self, task: Callable[[], Any], name: str) -> Pending:
        """Have the task run; it can be pickled if the job can.  The name is for messages."""
        ...

    def __enter__(self) -> Self: ...

    def __exit__(self, *error: object) -> None: ...


@dataclass(frozen=True)
class Lazy:
    """Runs when its result is asked for."""

    result: Callable[[], Any]

    def cancel(self) -> None:
        """It has not begun."""


class Serial:
    """Runs each job in the caller's thread, when its result is asked for.

    Examples
    --------
    >>> with Serial() as executor:
    ...     executor.submit(lambda: "done", "an example").result()
    'done'
    """

    workers = 1

    def submit(self, task: Callable[[], Any], name: str) -> Lazy:
        """Have the task run later."""
        return Lazy(task)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *error: object) -> None: ...


class Threads:
    """Runs jobs in threads, for work that releases Python's lock, as both engines and NumPy's products do.

    A job that runs cannot be ended: after an error it is waited for.

    Parameters
    ----------
    workers : int
        How many threads.

    Examples
    --------
    >>> with Threads(2) as executor:
    ...     executor.submit(lambda: "done", "an example").result()
    'done'
    """

    def __init__(self, workers: int):
        self.workers = workers
        self.pool = ThreadPoolExecutor(workers, thread_name_prefix="backlit-job")

    def submit(self, task: Callable[[], Any], name: str) -> Pending:
        """Have a thread run the task."""
        return self.pool.submit(task)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *error: object) -> None:
        self.pool.shutdown(wait=True, cancel_futures=True)


# --- processes --------------------------------------------------------------------------------------------------------


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
        parcel = sendable(
            task, name, "a process", 'give it a function and arguments that pickle can send, or how="threads"'
        )
        return self.threads.submit(partial(self.run, parcel, name), name)

    def run(self, parcel: Parcel, name: str) -> Any:
        """In a worker's thread: have its process run the task."""
        for _ in range(TRIES):
            with self.guard:
                if self.closing:
                    raise CancelledError
                child = self.child()
            try:
                return child.answer(parcel).result()
            except (EOFError, OSError):
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


class Child:
    """One process, and the pipe to it, which breaks when it dies: this side alone keeps no other end open."""

    def __init__(self) -> None:
        spawn, self.ended = get_context("spawn"), False
        self.holds: Shared | None = None
        self.pipe, theirs = spawn.Pipe()
        self.process = spawn.Process(target=serve, args=(theirs,), daemon=True)
        self.process.start()
        theirs.close()

    def answer(self, parcel: Parcel) -> Answer:
        """What it says to a task; raises EOFError or OSError if it dies."""
        parts = None if self.holds is parcel.shared else parcel.shared.parts
        self.pipe.send_bytes(pickle.dumps((parcel.payload, parts)))
        self.holds = parcel.shared
        return Answer(*pickle.loads(self.pipe.recv_bytes()))

    def kill(self) -> None:
        """End it in the middle of what it does."""
        self.process.kill()

    def end(self) -> int | None:
        """Wait for it to end, which it does when it has nothing to do; gives its exit code."""
        self.ended = True
        self.pipe.close()
        self.process.join()
        return self.process.exitcode


def serve(pipe: Connection) -> None:
    """In the process: run tasks until there are no more, leave Ctrl-C to the parent, and end when it ends."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    threading.Thread(target=end_with_parent, daemon=True).start()
    held: tuple[bytes, ...] = ()
    while True:
        try:
            payload, parts = pickle.loads(pipe.recv_bytes())
        except EOFError:
            return
        held = held if parts is None else parts
        answer = answer_to(lambda: Shared.loads(payload, held)())  # noqa: B023  # it is called at once
        pipe.send_bytes(pickle.dumps((answer.pickled, answer.trace)))


def end_with_parent() -> None:
    """Wait for the parent to end, in the middle of a job too."""
    parent = parent_process()
    if parent is not None:
        parent.join()
        _exit(1)
