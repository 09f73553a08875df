"""Who runs a job: the protocol, this thread, and threads."""

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any, Protocol, Self


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
