"""`run_jobs`: jobs in, results out, in the same order and with the same bits whoever runs them."""

from collections import deque
from collections.abc import Callable, Collection, Generator, Iterator, Sequence
from contextlib import ExitStack, nullcontext
from dataclasses import dataclass
from typing import Any

import numpy as np

from backlit.errors import ProblemError, near
from backlit.jobs.cluster import Dask
from backlit.jobs.executors import Executor, Processes, Serial, Threads
from backlit.jobs.parcels import NOTHING, Shared
from backlit.processors import at_most, available_processors, one_blas_thread
from backlit.registry import positive_integer

EXECUTORS: dict[str, Callable[[int], Executor]] = {
    "serial": lambda workers: Serial(),
    "threads": Threads,
    "processes": Processes,
}


@dataclass(frozen=True)
class Job:
    """A call that can be made anywhere and in any order: what it gives hangs on its arguments alone.

    Parameters
    ----------
    function : callable
        What is called.  For processes it must be one that a module defines.
    args : tuple, default ()
        Its arguments.
    name : str, default ''
        For messages; the function's name if not given.
    key : str, default ''
        Tells jobs apart where results are kept for a resumed run.

    Examples
    --------
    >>> Job(pow, (2, 10), name="a power").name
    'a power'
    """

    function: Callable[..., Any]
    args: tuple[Any, ...] = ()
    name: str = ""
    key: str = ""

    def __post_init__(self):
        object.__setattr__(self, "name", self.name or getattr(self.function, "__name__", "a job"))


def run_jobs(
    jobs: Collection[Job],
    *,
    how: Any = "serial",
    workers: int | None = None,
    n_threads: int | None = None,
    hold_blas: bool = True,
    show: Callable[[int, int], None] | None = None,
    shared: Sequence[Any] = (),
) -> Generator[Any, None, None]:
    """Run jobs; give their results in the jobs' order, each as soon as it and all before it are there.

    Jobs are taken, and results kept, at most two a worker ahead.  An iterator that is left before its end ends the
    rest.  NumPy's error settings are the caller's in each job.

    Parameters
    ----------
    jobs : collection of Job
        What is to be run.
    how : {"serial", "threads", "processes", "dask"}, int, str, distributed.Client or Executor, default 'serial'
        Who runs them: a number is one of processes, 0 this thread; a string with a colon is the address of a Dask
        scheduler, one that ends in .json the file that it wrote; "dask" is the client that this process has.  An
        executor or a client that is given is not closed.
    workers : int, optional
        How many run at a time; as many as there are processors if not given, never more than jobs.  A cluster runs one
        on each of its threads.
    n_threads : int, optional
        Processors that each may use, which is what engines go by that are not told otherwise; the processors divided
        by the workers if not given.
    hold_blas : bool, default True
        Whether BLAS has one thread in each job.  The bits of its products hang on their number, so only with this, or
        where no job calls BLAS, do all executors give the same bits.
    show : callable, optional
        Called in the caller's thread with (results given, jobs in all).
    shared : sequence, default ()
        Objects that many jobs hold, among their arguments or anywhere in them, such as the table that all learn from:
        each travels once to a process or a worker.  Jobs must not change them.

    Returns
    -------
    iterator
        The results.  The first error in the jobs' order is raised in its place, and the rest is cancelled.

    Raises
    ------
    ProblemError
        If an option is impossible, a job cannot be sent to a process, or no cluster answers at the address.
    BacklitError
        If the process of a job dies, and dies again when the job is run once more; or a cluster has no worker left.

    Examples
    --------
    >>> jobs = [Job(pow, (2, k)) for k in range(5)]
    >>> list(run_jobs(jobs, how="threads", workers=2))
    [1, 2, 4, 8, 16]
    """
    for value, what in ((workers, "workers"), (n_threads, "n_threads")):
        if value is not None:
            positive_integer(value, what)
    ours = not is_executor(how)
    executor = made(how, workers, len(jobs)) if ours else how
    if n_threads is None and not isinstance(executor, Dask):  # whose workers have threads of their own
        n_threads = max(1, available_processors() // executor.workers)
    common = Shared(shared)
    tasks = ((job, Task(job, n_threads, hold_blas, np.geterr(), common)) for job in jobs)
    return results(tasks, len(jobs), executor, ours, show or (lambda done, of: None))


def on(how: Any) -> Callable[[Callable[..., Any], Sequence[tuple[Any, ...]]], Iterator[Any]]:
    """Who calls a function with each of some arguments, as `run_jobs` takes it.

    >>> list(on("serial")(pow, [(2, 3), (3, 2)]))
    [8, 9]
    """

    def run(function: Callable[..., Any], arguments: Sequence[tuple[Any, ...]]) -> Iterator[Any]:
        jobs = [Job(function, each, f"{function.__name__}-{number}") for number, each in enumerate(arguments)]
        return run_jobs(jobs, how=how)

    return run


def is_executor(how: Any) -> bool:
    """Whether this keeps the protocol of `Executor`."""
    return all(hasattr(how, name) for name in ("workers", "submit"))


def made(how: Any, workers: int | None, n_jobs: int) -> Executor:
    """The executor that `how` asks for."""
    if isinstance(how, int) and not isinstance(how, bool):
        positive_integer(how + 1, "cluster, as a number of processes,")
        how, workers = "processes" if how else "serial", how or None
    if isinstance(how, str) and how in EXECUTORS:
        if how == "serial" and workers not in (None, 1):
            raise ProblemError(f'how="serial" has one worker, not {workers}: take how="threads" or "processes"')
        return EXECUTORS[how](max(1, min(workers or available_processors(), n_jobs)))
    if isinstance(how, str) and how != "dask" and ":" not in how and not how.endswith(".json"):
        raise ProblemError(
            f"unknown executor {how!r}: {near(how, [*EXECUTORS, 'dask'])}, or the address of a Dask scheduler"
        )
    return Dask(how, n_jobs)


def results(
    tasks: Iterator[tuple[Job, Callable[[], Any]]],
    n_jobs: int,
    executor: Executor,
    ours: bool,
    show: Callable[[int, int], None],
) -> Generator[Any, None, None]:
    """Submit ahead, and give in order; `ours` is an executor that ends with this."""
    waiting: deque[tuple[Job, Any]] = deque()
    with ExitStack() as cleanup:
        cleanup.enter_context(executor if ours else nullcontext())
        cleanup.callback(lambda: [pending.cancel() for _, pending in waiting])
        for done in range(1, n_jobs + 1):
            while len(waiting) < 2 * executor.workers and (task := next(tasks, None)) is not None:
                waiting.append((task[0], executor.submit(task[1], task[0].name)))
            job, pending = waiting.popleft()
            try:
                result = pending.result()
            except Exception as error:
                error.add_note(f"(in {job.name})")
                raise
            show(done, n_jobs)
            yield result


@dataclass(frozen=True)
class Task:
    """A job as it is run, wherever that is; pickled by `shared`, which then stays behind."""

    job: Job
    n_threads: int | None
    hold_blas: bool
    floats: Any
    shared: Shared = NOTHING

    def __reduce__(self) -> tuple[Any, ...]:
        return Task, (self.job, self.n_threads, self.hold_blas, self.floats)

    def __call__(self) -> Any:
        """What the job gives."""
        mine = nullcontext() if self.n_threads is None else at_most(self.n_threads)
        with mine, np.errstate(**self.floats), one_blas_thread() if self.hold_blas else nullcontext():
            return self.job.function(*self.job.args)
