"""Training on more rows than memory holds: an epoch as a sequence of blocks, each filled while the last is learned.

A stream gives an epoch in buffers: parts of the data that fit in memory, in an order that is a function of the seed
and the epoch's number alone.  The rows of a buffer are shuffled; the rows of all buffers, one after another, are the
epoch's order, and its batches are cut from that order as if it were one array: rows that are left over when a buffer
ends begin the next block.  So batch b is the same rows wherever a run begins, and a run that is resumed in the middle
of an epoch reads the buffer in which it stopped, and none before it.
"""

from collections.abc import Generator, Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from itertools import accumulate
from typing import Any, Protocol, TypeVar

import numpy as np

from backlit.engine import Data
from backlit.engine.base import permutation

Array = np.ndarray
T = TypeVar("T")


class Stream(Protocol):
    """Training rows that are read when they are needed: what `fit` takes in place of arrays.

    An object with these methods is a stream; it need not inherit from this class.

    Examples
    --------
    >>> from backlit.training import Stream
    >>> sorted(name for name in vars(Stream) if not name.startswith("_"))
    ['digest', 'is_sparse', 'loads', 'sizes']
    """

    @property
    def is_sparse(self) -> bool:
        """Whether the X of its buffers are CSR matrices."""
        ...

    def __len__(self) -> int:
        """Rows of an epoch."""
        ...

    def sizes(self, seed: int, epoch: int, shuffle: bool) -> Sequence[int]:
        """Rows of each buffer of an epoch, in the epoch's order; their sum is the number of rows."""
        ...

    def loads(self, seed: int, epoch: int, shuffle: bool, first: int, heads: Sequence[int]) -> Iterator[Data]:
        """The buffers of an epoch from number `first` on, each with heads[k] unwritten rows before its own."""
        ...

    def digest(self) -> list[Any]:
        """Rows, type and a checksum of the data: what a resumed run compares."""
        ...


def blocks(
    data: Data | Stream, seed: int, epoch: int, batch_size: int, batches_done: int, shuffle: bool
) -> Generator[tuple[Data, Array]]:
    """What is left of an epoch: examples, and the rows (k,) of them to learn in order, whole batches but the last."""
    if isinstance(data, Data):
        yield from data.blocks(seed, epoch, batch_size, batches_done, shuffle)
        return
    first_row = batches_done * batch_size
    sizes = data.sizes(seed, epoch, shuffle)
    starts = list(accumulate(sizes, initial=0))
    first = next((k for k in range(len(sizes)) if starts[k + 1] > first_row), len(sizes))
    heads = [max(starts[k] - first_row, 0) % batch_size for k in range(first, len(sizes))]
    loaded = read_ahead(data.loads(seed, epoch, shuffle, first, heads))
    rest: Data | None = None  # rows of the last block that did not fill a batch
    for k, (buffer, head) in enumerate(zip(loaded, heads, strict=True), start=first):
        if head and rest is not None:
            buffer = with_head(buffer, rest)
        order = permutation(sizes[k], (seed, epoch, k), shuffle)[max(first_row - starts[k], 0) :]
        order = np.concatenate([np.arange(head), head + order])
        whole = len(order) if k == len(sizes) - 1 else len(order) // batch_size * batch_size
        if whole:
            yield buffer, order[:whole]
        rest = take(buffer, order[whole:])


def take(data: Data, rows: Array) -> Data:
    """Some examples, copied."""
    return Data(data.X[rows], data.Y[rows], None if data.sample_weight is None else data.sample_weight[rows])


def with_head(data: Data, rest: Data) -> Data:
    """The data with examples in their first, unwritten rows; written in place where X is dense."""
    X = data.X
    if data.is_sparse:
        from scipy.sparse import vstack

        X = vstack([rest.X, X[len(rest) :]], format="csr")
    else:
        X[: len(rest)] = rest.X
    for array, rows in ((data.Y, rest.Y), (data.sample_weight, rest.sample_weight)):
        if array is not None:
            array[: len(rest)] = rows
    return Data(X, data.Y, data.sample_weight)


def read_ahead(items: Iterable[T]) -> Iterator[T]:
    """The same items; the next one is made in a thread while the caller is busy with the last.

    Two exist at a time, no more.  An error in the making is raised where its item would have come.

    >>> list(read_ahead(iter("abc")))
    ['a', 'b', 'c']
    """
    iterator = iter(items)
    with ThreadPoolExecutor(1, thread_name_prefix="backlit-reader") as reader:
        coming = reader.submit(next, iterator, None)
        while (item := coming.result()) is not None:
            coming = reader.submit(next, iterator, None)
            yield item
            del item
