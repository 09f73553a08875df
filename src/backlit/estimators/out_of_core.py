"""Fit on chunks: more rows than memory holds, given a part at a time by a function that makes them anew."""

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import islice
from typing import Any

import numpy as np
from scipy.sparse import csr_matrix, vstack
from sklearn.utils.validation import _check_sample_weight

from backlit.engine import Data
from backlit.errors import ProblemError
from backlit.estimators.early_stopping import SAMPLE, HeldOut
from backlit.estimators.train import check_resumable, monitor_of, run_training, settings_of, warn_of_end
from backlit.estimators.validation import check_scorer, unchanged_on_error
from backlit.files import checksum

Array = np.ndarray
Chunks = Iterable[Any] | Callable[[], Iterable[Any]]
FIRST_ROWS = 1000  # that are kept from the first pass, for an initialization that looks at X


def blocks_of(collections: tuple[Any, ...]) -> Callable[[], Iterator[tuple[Any, ...]]]:
    """Chunks of Dask arrays or data frames X, y and perhaps sample_weight: a block of each, computed when it is due.

    Raises ProblemError if they are not cut at the same rows.
    """
    parts = [
        each.rechunk({1: -1}) if getattr(each, "ndim", 0) == 2 and hasattr(each, "rechunk") else each
        for each in collections
    ]
    blocks = [np.ravel(np.array(part.to_delayed(), dtype=object)) for part in parts]
    if len({len(part) for part in blocks}) > 1:
        raise ProblemError(
            f"X and y are in {' and '.join(str(len(part)) for part in blocks)} blocks: cut both at the same rows "
            f"(rechunk, repartition)"
        )

    def chunks() -> Iterator[tuple[Any, ...]]:
        from dask import compute

        for block in zip(*blocks, strict=True):
            yield compute(*block)

    return chunks


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


class ChunkedFit:
    """`fit_chunks`; mixed into the estimators."""

    _has_classes = False
    _state: Any
    _stopping: Any
    partial_fit: Callable[..., Any]

    @unchanged_on_error
    def fit_chunks(
        self: Any,
        chunks: Chunks,
        *,
        classes: Any = None,
        validation_data: Any = None,
        checkpoint: Any = None,
        checkpoint_every: int | None = None,
    ) -> Any:
        """Train on chunks as `fit` does on arrays; memory holds two or three chunks.

        Rows are shuffled within a chunk, the chunks keep their order, and batches go across their borders: with
        shuffle=False the bits are those of `fit` on all rows.

        Parameters
        ----------
        chunks : callable or iterable
            A function that makes an iterator of chunks (X, y) or (X, y, sample_weight), or a list of them.  They are
            gone through once to see what there is, then once an epoch, and must be the same each time.  An iterator can
            be gone through once only, and makes one epoch of `partial_fit`, a call a chunk.  Or a tuple (X, y) or
            (X, y, sample_weight) of Dask arrays or data frames, whose blocks are the chunks.
        classes : array, or list of one for each label, optional
            All classes that will come, for a classifier; those that the chunks hold if not given.
        validation_data : tuple (X, y) or (X, y, sample_weight), optional
            As in `fit`.  With early_stopping and without it, one more pass holds out the share `validation_fraction` of
            the rows, at most 10,000.
        checkpoint : str or Path, optional
            As in `fit`; a checkpoint may lie in the middle of a chunk.
        checkpoint_every : int, optional
            As in `fit`.

        Returns
        -------
        MLPClassifier or MLPRegressor
            The estimator itself.

        Raises
        ------
        ProblemError
            If something cannot be used; the error names the chunk.

        Examples
        --------
        >>> from backlit.estimators import MLPRegressor
        >>> X = np.linspace(-1, 1, 400)[:, None]
        >>> def chunks():
        ...     for rows in np.array_split(np.arange(400), 4):
        ...         yield X[rows], X[rows, 0] ** 2
        >>> model = MLPRegressor(hidden_layer_sizes=(16,), learning_rate_init=0.01, random_state=0)
        >>> model.fit_chunks(chunks).score(X, X[:, 0] ** 2) > 0.9
        True
        """
        self._validate_params()
        if self.solver == "lbfgs":
            raise ProblemError('solver="lbfgs" needs all rows at once: set solver to "adam" or "sgd", or call fit')
        if isinstance(chunks, tuple) and chunks and all(hasattr(part, "__dask_graph__") for part in chunks):
            chunks = blocks_of(chunks)
        if isinstance(chunks, Iterator):
            if checkpoint is not None:
                raise ProblemError(f"checkpoint cannot go on from an iterator, which {ONCE}")
            return self._fit_once(chunks, classes, validation_data)
        if not (callable(chunks) or hasattr(chunks, "__iter__")):
            raise ProblemError(f"chunks is {type(chunks).__name__}: give a function that makes an iterator, or a list")
        check_resumable(self, checkpoint)
        self._refuse_balanced()
        check_scorer(self)
        go_on = self.warm_start and hasattr(self, "network_")
        found = survey(self, chunks, new=not go_on, summed=checkpoint is not None)
        self._begin(found, classes, go_on)
        stream, held_out = self._stream(chunks, found, validation_data)
        settings = settings_of(self, len(stream), self.max_iter)
        outcome = run_training(self, stream, held_out, settings, checkpoint, checkpoint_every)
        warn_of_end(self, outcome.history.stopped)
        return self

    def _refuse_balanced(self) -> None:
        """Raise ValueError for class weights that need all examples at once."""

    def _begin(self: Any, found: Survey, classes: Any, go_on: bool) -> None:
        """Make the network, or with warm_start copies of what was learned."""
        X, y, weight = found.first
        if go_on:
            self._state, self._stopping = None, None
            self._go_on_with_copies()
        elif self._has_classes:
            self._name_classes(found.classes() if classes is None else classes, y)
        first = self._as_data(X.astype(self._dtype(found, go_on), copy=False), y, weight, False)
        if not go_on:
            self._start(first, sum(found.rows), found.weight)
        self._check_shapes(first)

    def _dtype(self: Any, found: Survey, go_on: bool) -> Any:
        return self._params.theta.dtype if go_on else found.dtype

    def _stream(self: Any, chunks: Chunks, found: Survey, validation_data: Any) -> tuple[ChunkStream, Data | None]:
        """The rows to learn from, and those to measure on."""
        dtype = self._params.theta.dtype

        def read(X: Any, y: Any, weight: Any) -> Data:
            X, y = self._check_arrays(X, y, first=False, dtype=dtype)
            data = alike(self._as_data(X, y, weight, False), found)
            self._check_shapes(data)
            return data

        rows, held_out, out = found.rows, None, None
        if validation_data is not None:
            held_out = self._read_validation(validation_data)
        elif self.early_stopping:
            fraction = min(self.validation_fraction, SAMPLE / sum(rows))
            out = HeldOut(self._draw_seed(), fraction)
            rows = [len(out.split(read(*chunk))) for chunk in each(chunks)]
            held_out = out.enough()
            if held_out is None or not sum(rows):
                raise ProblemError(
                    f"early_stopping with validation_fraction={self.validation_fraction:g} holds "
                    f"{sum(found.rows) - sum(rows)} of {sum(found.rows)} rows out, and needs some on both sides: "
                    f"change it, or give validation_data=(X, y)"
                )
        elif monitor_of(self) != "loss":
            raise ProblemError(f"monitor={self.monitor!r} needs validation_data=(X, y), or early_stopping=True")

        def learned(X: Any, y: Any, weight: Any) -> Data:
            data = read(X, y, weight)
            return self._smooth(data if out is None else out.left(data))

        return ChunkStream(chunks, learned, tuple(rows), found.is_sparse, dtype, found.checksum), held_out

    def _fit_once(self: Any, chunks: Iterator[Any], classes: Any, validation_data: Any) -> Any:
        """One epoch, a call of `partial_fit` a chunk."""
        go_on = self.warm_start and hasattr(self, "network_")
        before = len(self.history_) if go_on else 0
        first: dict[str, Any] = {} if classes is None else {"classes": classes}
        if go_on:
            self._state, self._stopping = None, None
        elif hasattr(self, "network_"):
            del self.network_
        if self._has_classes and classes is None and not go_on:
            raise ProblemError(f"classes has to name all that will come, as an iterator {ONCE}")
        seen = False
        for X, y, weight in each(chunks):
            self.partial_fit(X, y, weight, validation_data=validation_data, **first)
            first, seen = {}, True
        if not seen:
            raise ProblemError("chunks held no rows: give chunks (X, y) with rows")
        if len(self.history_) == before:
            raise ProblemError("early_stopping held every row of the chunks out: lower validation_fraction")
        self.n_iter_ = 1
        return self


ONCE = "can be gone through once: give a function that makes a new iterator each time it is called"


def alike(data: Data, found: Survey) -> Data:
    """The data sparse where some chunk is, and with weights where some chunk has them, as batches cross chunks."""
    X, weight = data.X, data.sample_weight
    if found.is_sparse and not data.is_sparse:
        from scipy.sparse import csr_matrix

        X = csr_matrix(X)
    if found.weighted and weight is None:
        weight = np.ones(len(data), data.X.dtype)
    return replace(data, X=X, sample_weight=weight)
