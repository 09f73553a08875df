"""What the bits of a result depend on beside our own code, in words.

The native engine's bits are those of an instruction set and a compiler.  The textbook's are those of NumPy, of the
instructions that NumPy found, and of its BLAS.  What uses both names both.
"""

import re
from collections.abc import Iterator
from contextlib import contextmanager
from functools import lru_cache
from pathlib import Path

import numpy as np
import scipy
from tests.golden.library import extension
from threadpoolctl import threadpool_info, threadpool_limits


@lru_cache
def numpys() -> str:
    """NumPy, SciPy and the BLAS of each, such as "NumPy 2.3.5 X86_V4, SciPy 1.16.3, openblas 0.3.30 Zen"."""
    from numpy._core._multiarray_umath import __cpu_dispatch__, __cpu_features__

    scipy.linalg.blas.ddot([1.0], [1.0])  # so that its BLAS is loaded
    found = [name for name in __cpu_dispatch__ if __cpu_features__.get(name)]
    blas = sorted(
        f"{library['internal_api']} {library['version']} {library.get('architecture', '')}".strip()
        for library in threadpool_info()
        if library["user_api"] == "blas"
    )
    simd = found[-1] if found else "no SIMD"
    return ", ".join([f"NumPy {np.__version__} {simd}", f"SciPy {scipy.__version__}", *dict.fromkeys(blas)])


@lru_cache
def natives(isa: str | None = None) -> str:
    """The native engine, such as "native avx512, GCC 12.2.0"; isa : None for the one that it takes by itself."""
    module = extension()
    if module is None:
        return "no native engine"
    return f"native {isa or module.instruction_sets()[0]}, {compiler(Path(module.__file__).read_bytes())}"


def compiler(library: bytes) -> str:
    """What compiled a library, as it says itself.

    >>> compiler(b"...GCC: (Debian 12.2.0-14) 12.2.0...")
    'GCC 12.2.0'
    """
    for pattern, name in ((rb"GCC: \([^)]*\) ([\d.]+\d)", "GCC"), (rb"clang version ([\d.]+\d)", "clang")):
        if found := re.search(pattern, library):
            return f"{name} {found[1].decode()}"
    return "unknown compiler"


def everything() -> str:
    """All of it, for what uses both."""
    return f"{natives()}; {numpys()}"


@contextmanager
def one_thread() -> Iterator[None]:
    """BLAS on one thread, as another number of threads adds in another order."""
    with threadpool_limits(1, "blas"):
        yield
