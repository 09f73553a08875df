"""How many processors this process may use, how many of them a part of its work may, and BLAS held to one thread."""

import math
import os
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from contextvars import ContextVar
from functools import lru_cache
from pathlib import Path
from typing import Any

share: ContextVar[float] = ContextVar("share", default=math.inf)  # of the processors, for the work of this context
given: ContextVar[bool] = ContextVar("given", default=False)  # whether `share` goes before OMP_NUM_THREADS


def available_processors() -> int:
    """Processors that the affinity, the container's quota and `at_most` leave to this work, at least 1."""
    return int(min(processors_of_process(), share.get()))


@contextmanager
def at_most(n: int) -> Iterator[None]:
    """Leave n processors to the work inside: engines that are not told a number of threads take no more.

    >>> with at_most(1):
    ...     available_processors()
    1
    """
    before = share.set(min(n, share.get()))
    try:
        yield
    finally:
        share.reset(before)


@contextmanager
def only(n: int) -> Iterator[None]:
    """Give the work inside n processors, as `at_most`, whatever OMP_NUM_THREADS says of the process.

    >>> with only(1):
    ...     processors_are_given()
    True
    """
    before = given.set(True)
    try:
        with at_most(n):
            yield
    finally:
        given.reset(before)


def processors_are_given() -> bool:
    """Whether this work was told how many processors are its own."""
    return given.get()


@lru_cache(maxsize=1)
def processors_of_process() -> int:
    """Processors that the affinity and the container's quota leave to this process, at least 1."""
    affinity = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    return max(1, math.ceil(min(affinity, quota())))


def quota(root: Path = Path("/sys/fs/cgroup")) -> float:
    """Processors' worth of time that the control group (version 2 or 1) may use; infinity where there is no limit."""
    try:
        limit, period = (root / "cpu.max").read_text().split()
        return math.inf if limit == "max" else int(limit) / int(period)
    except (OSError, ValueError):
        pass
    try:
        limit, period = ((root / "cpu" / f"cpu.cfs_{name}_us").read_text() for name in ("quota", "period"))
        return math.inf if int(limit) < 0 else int(limit) / int(period)
    except (OSError, ValueError):
        return math.inf


HELD: dict[str, tuple[int, int]] = {}  # each BLAS by its file: how many hold it to one thread, and what it had before
HOLDING = threading.Lock()


@contextmanager
def one_blas_thread(libraries: Sequence[Any] | None = None) -> Iterator[None]:
    """Hold BLAS to one thread; whoever is the last of several callers to leave restores what was there before.

    libraries : threadpoolctl's controllers of those that are held; all that are loaded now if not given.
    """
    libraries = loaded_blas() if libraries is None else libraries
    with HOLDING:
        for library in libraries:
            holders, before = HELD.get(library.filepath, (0, 0))
            if not holders:
                before = library.get_num_threads()
                set_threads(library, 1)
            HELD[library.filepath] = holders + 1, before
    try:
        yield
    finally:
        with HOLDING:
            for library in libraries:
                holders, before = HELD.pop(library.filepath)
                if holders > 1:
                    HELD[library.filepath] = holders - 1, before
                else:
                    set_threads(library, before)


def set_threads(library: Any, n: int) -> None:
    """Set it from any thread: by itself, threadpoolctl 3.8 heeds only the first thread that ever set OpenBLAS's."""
    free = getattr(library, "clear_controlling_thread", lambda force: None)
    free(force=True)
    library.set_num_threads(n)
    free(force=True)


def loaded_blas() -> list[Any]:
    """Controllers of every BLAS that is loaded now."""
    from threadpoolctl import ThreadpoolController

    return list(ThreadpoolController().select(user_api="blas").lib_controllers)
