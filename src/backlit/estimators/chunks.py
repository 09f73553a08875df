"""Chunks of examples as a stream for the trainer: a first pass that learns what they are, then a pass an epoch.

An epoch goes through the chunks in their order; the rows of a chunk are shuffled, and batches are cut from the rows of
all chunks as if they were one array (`training.streaming`).  So a place in the training is an epoch, and a batch of it.
"""

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import islice
from typing import Any

import numpy as np
from scipy.sparse import csr_matrix, vstack
from sklearn.utils.validation import _check_sample_weight

from backlit.engine import Data
from backlit.errors import ProblemError
from backlit.io.checksum import checksum

Array = np.ndarray
Chunks = Iterable[Any] | Callable[[], Iterable[Any]]
FIRST_ROWS = 1000  # that are kept from the first pass, for an initialization that looks at X


def each(chunks: Chunks) -> Iterator[tuple[Any, Any, Any]]:
    """The chunks that have rows, as X, y, sample_weight."""
    for number, chunk in enumerate(chunks() if callable(chunks) else chunks, start=1):
        if not isinstance(chunk, tuple) or len(chunk) not in (2, 3):
            raise ProblemError(f"chunk {number} is {type(chunk).__name__}: give tuples (X, y) or (X, y, sample_weight)")
        shape = getattr(chunk[0], "shape", None)
        if shape is None or not shape or shape[0]:
            yield (*chunk, None) if len(chunk) == 2 else chunk


@dataclass
class Survey:
    """What the first pass over the chunks found.

    rows : number of rows of each chunk.  weight : of all rows together.  first : the first rows, X, y and their
    weights.  values : the distinct values of y, one array a column if there are several.
    """

    rows: list[int]
    weight: float
    weighted: bool
    is_sparse: bool
    dtype: Any
    first: tuple[Any, Any, Any]
    values: list[Array]
    checksum: int

    def classes(self) -> Any:
        """The classes that y holds, as `partial_fit` takes them."""
        together = np.unique(np.concatenate(self.values))
        if len(self.values) == 1 or len(together) < 3:  # one label, or a yes or no for each of several
            return together
        return self.values


def survey(estimator: Any, chunks: Chunks, *, new: bool, summed: bool) -> Survey:
    """Go through the chunks once and check them.  new : whether the first says how many features there are.
    summed : whether to take the checksum.  Raises ProblemError if there are none, or for one that cannot be used.
    """
    found: Survey | None = None
    for number, (X, y, weight) in enumerate(each(chunks), start=1):
        with named(number):
            X, y = estimator._check_arrays(X, y, first=new and found is None)
            weight = None if weight is None else _check_sample_weight(weight, X, ensure_non_negative=True)
            columns = [np.unique(column) for column in (y.T if y.ndim == 2 else [y])] if estimator._has_classes else []
            refuse_other_labels(columns, found)
        if found is None:
            first = (X[:FIRST_ROWS].copy(), y[:FIRST_ROWS].copy(), None if weight is None else weight[:FIRST_ROWS])
            found = Survey([], 0.0, False, False, X.dtype, first, columns, 0)
        found.rows.append(X.shape[0])
        found.weight += float(X.shape[0] if weight is None else weight.sum(dtype=np.float64))
        found.weighted |= weight is not None
        found.is_sparse |= not isinstance(X, np.ndarray)
        found.dtype = np.result_type(found.dtype, X.dtype)
        found.values = [np.union1d(old, own) for old, own in zip(found.values, columns, strict=True)]
        if summed:
            found.checksum = checksum_of(X, y, weight, found.checksum)
    if found is None:
        raise ProblemError("chunks held no rows: give a function that makes a new iterator each time it is called")
    return found


def refuse_other_labels(columns: list[Array], before: Survey | None) -> None:
    """Raise ProblemError if y holds words after numbers, or another number of labels."""
    if before is None:
        return
    if len(columns) != len(before.values):
        raise ProblemError(f"y has {len(columns)} columns, but had {len(before.values)} in the chunks before")
    for own, old in zip(columns, before.values, strict=True):
        if (own.dtype.kind in "biuf") != (old.dtype.kind in "biuf"):
            raise ProblemError(f"y holds {own[0]!s}, but the chunks before hold labels of another type, {old[0]!s}")


class named:
    """Let an error say in which chunk it was, in one line."""

    def __init__(self, number: int):
        self.number = number

    def __enter__(self) -> None: ...

    def __exit__(self, kind: Any, error: BaseException | None, trace: Any) -> None:
        if isinstance(error, ValueError | TypeError):
            raise ProblemError(f"chunk {self.number}: {' '.join(str(error).split())}") from error


def checksum_of(X: Any, y: Any, weight: Any, before: int) -> int:
    """A checksum of one chunk that goes on from the checksum of those before it."""
    y = y if y.dtype.kind in "biuf" else y.astype("U")
    arrays = (X,) if isinstance(X, np.ndarray) else (X.data, X.indices, X.indptr)
    for array in (*arrays, y, *([] if weight is None else [np.asarray(weight)])):
        before = checksum(array, before)
    return before


@dataclass(frozen=True)
class ChunkStream:
    """See `training.Stream`.

    read : the examples of a chunk (X, y, sample_weight) that are learned.  rows : how many, of each chunk.
    """

    chunks: Chunks
    read: Callable[[Any, Any, Any], Data]
    rows: tuple[int, ...]
    is_sparse: bool
    dtype: Any
    checksum: int

    def __len__(self) -> int:
        return sum(self.rows)

    def sizes(self, seed: int, epoch: int, shuffle: bool) -> Sequence[int]:
        """Rows of each chunk; the same in every epoch, as the chunks keep their order."""
        return self.rows

    def loads(self, seed: int, epoch: int, shuffle: bool, first: int, heads: Sequence[int]) -> Iterator[Data]:
        """The chunks from number `first` on; those before are passed over."""
        number = first
        for number, chunk in enumerate(islice(each(self.chunks), first, None), start=first + 1):
            with named(number):
                data = self.read(*chunk)
            expected = self.rows[number - 1] if number <= len(self.rows) else 0
            if len(data) != expected:
                raise ProblemError(
                    f"chunk {number} has {len(data)} rows to learn from, but had {expected} in the first pass: chunks "
                    f"must be the same each time that they are gone through"
                )
            if number <= len(self.rows):
                yield behind(data, heads[number - 1 - first])
        if number < len(self.rows):
            raise ProblemError(
                f"chunks ended after {number}, but were {len(self.rows)} in the first pass: give a function that makes "
                f"a new iterator each time it is called"
            )

    def digest(self) -> list[Any]:
        """Rows, type and checksum."""
        return [len(self), str(np.dtype(self.dtype)), self.checksum, len(self.rows)]


def behind(data: Data, head: int) -> Data:
    """The examples behind `head` rows that are not written yet."""
    if not head:
        return data
    X = (
        vstack([csr_matrix((head, data.X.shape[1]), dtype=data.X.dtype), data.X], format="csr")
        if data.is_sparse
        else spaced(data.X, head)
    )
    return Data(X, spaced(data.Y, head), None if data.sample_weight is None else spaced(data.sample_weight, head))


def spaced(array: Array, head: int) -> Array:
    """The array with `head` rows before it."""
    wider = np.empty((head + len(array), *array.shape[1:]), array.dtype)
    wider[head:] = array
    return wider
