"""Count the operations that NumPy code executes: an array that adds up what is done with it.

Each arithmetic call counts one operation for each element of its result; a reduction one for each element that it
reads; a matrix product two for each multiply-add.  Copying, reshaping, selecting (`np.where`) and comparing bits count
nothing.

>>> with counting() as counter:
...     u = counted(np.ones((2, 3)))
...     _ = np.exp(-u) @ np.ones((3, 4))
>>> counter.total, counter.matmul
(60, 48)
"""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import numpy as np


@dataclass
class Counter:
    """What has been counted: all operations, and those of matrix products among them."""

    total: int = 0
    matmul: int = 0


class CountedArray(np.ndarray):
    """An array whose arithmetic is counted by the counters that are on; results are counted arrays too."""

    counters: list[Counter] = []  # noqa: RUF012  the ones that are on

    def __array_ufunc__(self, ufunc: np.ufunc, method: str, *inputs: Any, **kwargs: Any) -> Any:
        """Do the arithmetic on plain arrays, and count it."""
        raw = [plain(value) for value in inputs]
        if "out" in kwargs:
            kwargs["out"] = tuple(plain(value) for value in kwargs["out"])
        result = getattr(ufunc, method)(*raw, **kwargs)
        matmul = 2 * np.size(result) * np.shape(raw[0])[-1] if ufunc is np.matmul else 0
        operations = matmul or (np.size(raw[0]) if method == "reduce" else np.size(result))
        for counter in self.counters:
            counter.total += operations
            counter.matmul += matmul
        return counted(result)

    def __array_function__(self, function: Any, types: Any, args: Any, kwargs: Any) -> Any:
        """Let NumPy do the rest, and keep counting what is done with it."""
        result = super().__array_function__(function, types, args, kwargs)
        return counted(result) if isinstance(result, np.ndarray) else result


def counted(value: Any) -> Any:
    """An array, seen as one that counts; a number as it is."""
    return value.view(CountedArray) if isinstance(value, np.ndarray) else value


def plain(value: Any) -> Any:
    """The array without the counting."""
    return value.view(np.ndarray) if isinstance(value, CountedArray) else value


@contextmanager
def counting() -> Iterator[Counter]:
    """Count what counted arrays do inside the block."""
    counter = Counter()
    CountedArray.counters.append(counter)
    try:
        yield counter
    finally:
        CountedArray.counters.remove(counter)


def operations_of(function: Any, *arrays: np.ndarray) -> int:
    """The operations that function(*arrays) executes."""
    with counting() as counter:
        function(*(counted(array) for array in arrays))
    return counter.total
