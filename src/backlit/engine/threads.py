"""How many threads an engine may use, and one thread for BLAS while the engine's own threads call it."""

import math
import os
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from functools import lru_cache
from pathlib import Path
from typing import Any

from backlit.core.specs import positive_integer


def allowed_threads(asked: int | None) -> int:
    """`asked` where it is given; else OMP_NUM_THREADS, within the processors that this process may use.

    Raises ProblemError for a number below 1.
    """
    if asked is not None:
        return positive_integer(asked, "n_threads")
    first = os.environ.get("OMP_NUM_THREADS", "").split(",")[0].strip()
    here = available_processors()
    return min(int(first), here) if first.isdigit() and int(first) else here


@lru_cache(maxsize=1)
def available_processors() -> int:
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


@lru_cache(maxsize=1)
def blas_libraries() -> list[Any]:
    """Controllers of the BLAS that SciPy calls: its own if it brought one, else all that are loaded."""
    from threadpoolctl import ThreadpoolController

    found = ThreadpoolController().select(user_api="blas").lib_controllers
    scipys = [library for library in found if "scipy.libs" in (library.filepath or "")]
    return scipys or found


depth, before, guard = 0, [0], threading.Lock()


@contextmanager
def one_blas_thread() -> Iterator[None]:
    """Hold SciPy's BLAS to one thread; the last of several callers to leave restores what was there before."""
    global depth, before
    with guard:
        if depth == 0:
            before = [library.get_num_threads() for library in blas_libraries()]
            for library in blas_libraries():
                library.set_num_threads(1)
        depth += 1
    try:
        yield
    finally:
        with guard:
            depth -= 1
            if depth == 0:
                for library, number in zip(blas_libraries(), before, strict=True):
                    library.set_num_threads(number)
