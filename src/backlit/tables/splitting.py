"""Hold rows out for an honest score: at random, by class where there are classes, or by a hash of the row number."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from backlit.errors import DomainError, TableError

if TYPE_CHECKING:
    from numpy.typing import NDArray


def split(
    rows: int | NDArray[np.int64], *, test_size: float = 0.25, seed: int = 0
) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Return the indices of training and of test rows, each ascending; the same for the same arguments everywhere.

    rows : the number of rows, for a plain split; or their class indices (m,), for one in which each class has the same
        share in both parts, to within a row.  There a class of two rows or more is in both parts, for which the test
        part grows where it must; a class of one row is in training.
    test_size : share of rows to hold out, between 0 and 1.

    Raises DomainError for another test_size, TableError if a part would be empty.

    >>> split(np.array([0, 0, 0, 0, 1, 1, 1, 1]), test_size=0.25)
    (array([0, 1, 2, 4, 5, 7]), array([3, 6]))
    """
    if not 0 < test_size < 1:
        raise DomainError(f"test_size is {test_size}: give a share between 0 and 1, such as 0.25")
    classes = np.zeros(rows, np.int64) if isinstance(rows, int | np.integer) else np.asarray(rows)
    _, label, sizes = np.unique(classes, return_inverse=True, return_counts=True)
    take = _test_counts(sizes, test_size)
    if not take.sum():
        raise TableError(
            f"{classes.size} rows cannot be split in two"
            + (
                ", as each is a class of its own: join classes, or hold fewer rows out"
                if classes.size > 1
                else ": give two or more"
            )
        )
    draw = np.random.Generator(np.random.PCG64(seed)).random(classes.size)
    order = np.lexsort((draw, label))  # class by class, at random within each
    place = np.arange(classes.size) - np.repeat(np.cumsum(sizes) - sizes, sizes)
    test = np.zeros(classes.size, bool)
    test[order] = place < np.repeat(take, sizes)
    return np.flatnonzero(~test), np.flatnonzero(test)


def _test_counts(sizes: NDArray[np.int64], test_size: float) -> NDArray[np.int64]:
    """Rows of each class to hold out: its share rounded down, then one more by the largest remainders."""
    exact = sizes * test_size
    low = np.where(sizes > 1, 1, 0)
    take = np.clip(np.floor(exact).astype(np.int64), low, np.maximum(sizes - 1, 0))
    wanted = round(float(exact[sizes > 1].sum()))
    for k in np.argsort(take - exact, kind="stable"):
        if take.sum() >= wanted:
            break
        take[k] += take[k] < min(exact[k], sizes[k] - 1)
    return take


def drawn(first: int, rows: int, seed: int) -> NDArray[np.float64]:
    """A number in [0, 1) for each of the rows first, first + 1, … (rows,), by its row number and the seed alone.

    What is split by it needs no list of rows: a table of any length is split in no memory, and a row stays where it
    was when others are read with it.  Source: Steele, Lea & Flood 2014, SplitMix64.

    >>> bool((drawn(0, 5, seed=1)[3:] == drawn(3, 2, seed=1)).all())
    True
    """
    start = np.random.SeedSequence(seed).generate_state(1, np.uint64)[0]
    z = np.arange(first + 1, first + rows + 1, dtype=np.uint64) * np.uint64(0x9E3779B97F4A7C15) + start
    z = (z ^ (z >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    z = (z ^ (z >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return ((z ^ (z >> np.uint64(31))) >> np.uint64(11)) * 2.0**-53
