"""How many threads an engine may use, and one thread for BLAS while the engine's own threads call it."""

import os
from functools import lru_cache
from typing import Any

from backlit.processors import OneBlasThread, available_processors, loaded_blas, processors_are_given
from backlit.registry import positive_integer


def allowed_threads(asked: int | None) -> int:
    """`asked` where it is given; else OMP_NUM_THREADS, within the processors that this work may use.

    A worker of a cluster is told what is its own, and OMP_NUM_THREADS, which Dask sets to 1, has no say there.
    Raises ProblemError for a number below 1.
    """
    if asked is not None:
        return positive_integer(asked, "n_threads")
    first = os.environ.get("OMP_NUM_THREADS", "").split(",")[0].strip()
    here = available_processors()
    if processors_are_given():
        return here
    return min(int(first), here) if first.isdigit() and int(first) else here


@lru_cache(maxsize=1)
def blas_libraries() -> list[Any]:
    """Controllers of the BLAS that SciPy calls: its own if it brought one, else all that are loaded."""
    found = loaded_blas()
    scipys = [library for library in found if "scipy.libs" in (library.filepath or "")]
    return scipys or found


held = OneBlasThread(lambda: blas_libraries())


def one_blas_thread() -> OneBlasThread:
    """Hold SciPy's BLAS to one thread; the last of several callers to leave restores what was there before."""
    return held
