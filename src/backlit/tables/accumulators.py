"""Learn an encoder, or a target, from chunks: one pass, memory that does not grow with the rows.

The rules are those of a table in memory (`fitting`, `target`).  Three things differ, as they would need every value
at once: a text column may hold at most MOST_WORDS different values; the remark on whole numbers that differ in every
row is made where they ascend from row to row; and sums are exact, so that mean and scale may differ from those in
memory in the last digit.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections import Counter
from typing import TYPE_CHECKING, Any, Self

import numpy as np

from backlit.errors import TableError
from backlit.tables.column_types import AMONG, category, constant, empty, kind_of, scaled
from backlit.tables.columns import Column, Flag, as_numbers, frequencies, leave_out, settle
from backlit.tables.exact_moments import ExactMoments
from backlit.tables.messages import count, shown
from backlit.tables.target import (
    Label,
    TargetCodec,
    Task,
    check_column,
    check_type,
    codec_of,
    decide,
    doubts,
    numbers_of,
    too_many,
)

if TYPE_CHECKING:
    import polars as pl
    from numpy.typing import NDArray

MOST_WORDS = 100_000  # different values of a text column, all of which are counted


class Gathered(ABC):
    """What has been seen of one column; `add` takes settled chunks of its training rows."""

    def __init__(self, name: str, kind: str):
        self.name, self.kind = name, kind
        self.rows = self.missing = 0

    def add(self, column: pl.Series) -> None:
        """Take in a chunk, of any length."""
        self.rows += len(column)
        self.missing += column.null_count()
        if column.null_count() < len(column):
            self.see(column)

    @abstractmethod
    def see(self, column: pl.Series) -> None:
        """Take in a chunk that has a value."""

    def merge(self, other: Self) -> None:
        """Take in what another has seen of the rows that follow."""
        self.rows += other.rows
        self.missing += other.missing
        self.join(other)

    @abstractmethod
    def join(self, other: Self) -> None:
        """Take in what another has seen of the values."""

    @abstractmethod
    def learned(self, max_categories: int) -> Column:
        """How to encode the column, of which at least one value was seen."""

    def column(self, max_categories: int) -> Column:
        """How to encode the column."""
        if self.missing == self.rows:
            return empty(self.name, self.kind, self.missing)
        return self.learned(max_categories)


class GatheredNumbers(Gathered):
    """Numbers, dates, durations, times of day."""

    def __init__(self, name: str, kind: str):
        super().__init__(name, kind)
        self.moments = ExactMoments()
        self.first = ""
        self.ascends, self.least, self.last = True, np.inf, -np.inf

    def see(self, column: pl.Series) -> None:
        """Take in its values; raises TableError if one is infinite."""
        values = as_numbers(column, self.kind, AMONG)
        values = values[~np.isnan(values)]
        self.first = self.first or shown(str(column.drop_nulls()[0]))
        self.ascends &= column.dtype.is_integer() and values[0] > self.last and bool((np.diff(values) > 0).all())
        self.least, self.last = min(self.least, float(values.min())), float(values[-1])
        self.moments.add(values)

    def join(self, other: Self) -> None:
        """Add its sums; whether both ascend."""
        self.first = self.first or other.first
        self.ascends &= other.ascends and other.least > self.last
        self.least, self.last = min(self.least, other.least), other.last if other.moments.n else self.last
        self.moments.merge(other.moments)

    def learned(self, max_categories: int) -> Column:
        """Mean and scale, or why the column is left out."""
        low, high = self.moments.low, self.moments.high
        if low == high:
            return constant(self.name, self.kind, self.missing, self.first)
        all_differ = self.ascends and self.rows > 2 and not self.missing
        return scaled(
            self.name, self.kind, self.missing, *self.moments.mean_and_scale(), (float(low), float(high)), all_differ
        )


class GatheredFlags(Gathered):
    """True and false."""

    true = 0

    def see(self, column: pl.Series) -> None:
        """Count what is true."""
        self.true += int(column.sum())

    def join(self, other: Self) -> None:
        """Add its count."""
        self.true += other.true

    def learned(self, max_categories: int) -> Column:
        """The share of true."""
        given = self.rows - self.missing
        if self.true in (0, given):
            return constant(self.name, self.kind, self.missing, shown(str(bool(self.true)).lower()))
        share = self.true / given
        return Flag(name=self.name, kind=self.kind, missing=self.missing, mean=share, indicator=self.missing > 0)


class GatheredWords(Gathered):
    """Text and categories."""

    def __init__(self, name: str, kind: str):
        super().__init__(name, kind)
        self.frequency: Counter[str] = Counter()

    def see(self, column: pl.Series) -> None:
        """Count each value; raises TableError if there are too many to count."""
        for value, times in frequencies(column.drop_nulls()).items():
            self.frequency[value] += times
        self.check()

    def join(self, other: Self) -> None:
        """Add its counts; raises TableError if there are too many."""
        self.frequency.update(other.frequency)
        self.check()

    def check(self) -> None:
        """Raise TableError if there are too many to count."""
        if len(self.frequency) > MOST_WORDS:
            raise TableError(
                f"column {shown(self.name)} is text with more than {MOST_WORDS:,} different values in its first "
                f"{self.rows:,} training rows, such as {shown(min(self.frequency))}: join rare values, "
                f"or {leave_out(self.name)}"
            )

    def learned(self, max_categories: int) -> Column:
        """The most frequent values."""
        if len(self.frequency) == 1:
            return constant(self.name, self.kind, self.missing, shown(next(iter(self.frequency))))
        return category(
            self.name, self.missing, self.frequency, max_categories, lambda words: f"{shown(str(words[0]))}"
        )


def gathered(name: str, dtype: pl.DataType) -> Gathered:
    """What gathers a settled column of that type.

    >>> import polars as pl
    >>> size = gathered("size", pl.Int64())
    >>> size.add(pl.Series([1, None])), size.add(pl.Series([3]))
    (None, None)
    >>> size.column(100).treatment
    'standardized: (x - 2) / 1'
    """
    kind = kind_of(dtype)
    forms = {"boolean": GatheredFlags, "category": GatheredWords}
    return forms.get(kind, GatheredNumbers)(name, kind)


MOST_VALUES = 100_000  # different values that are counted; more cannot be classes


class GatheredTarget:
    """What has been seen of the target.

    >>> import polars as pl
    >>> seen = GatheredTarget({"won": pl.Int64()}, "won")
    >>> seen.add(pl.Series("won", [0, 1, None, 1])), seen.add(pl.Series("won", [0, 0]))
    (array([ True,  True, False,  True]), array([ True,  True]))
    >>> codec, notes = seen.learned()
    >>> codec.classes, codec.task, notes[0]
    ((0, 1), 'classification', '1 row without a target left out')
    """

    def __init__(self, schema: dict[str, Any], column: str, task: Task | None = None):
        check_column(list(schema), column, task)
        self.name, self.asked = column, task
        self.rows = self.given = 0
        self.frequency: Counter[Label] | None = Counter()
        self.dtype: pl.DataType | None = None

    def add(self, column: pl.Series, first: int = 0) -> NDArray[np.bool_]:
        """Take in a chunk; which of its rows (m,) have a target.

        first : number of the chunk's first row in its file, from 0, for errors.
        """
        whole = settle(column)
        has = whole.is_not_null().to_numpy()
        self.rows += len(whole)
        given = whole.drop_nulls()
        if not len(given):
            return has
        rows = first + np.flatnonzero(has)
        check_type(given, rows)
        if self.asked == "regression":
            numbers_of(given, rows)  # refuses words
        self.given, self.dtype = self.given + len(given), given.dtype
        if self.frequency is not None:
            for value, times in frequencies(given).items():
                self.frequency[value] += times
            self.frequency = self.frequency if len(self.frequency) <= MOST_VALUES else None
        return has

    def merge(self, other: GatheredTarget) -> None:
        """Take in what another has seen of the rows that follow."""
        self.rows, self.given = self.rows + other.rows, self.given + other.given
        self.dtype = other.dtype or self.dtype
        if self.frequency is None or other.frequency is None:
            self.frequency = None
            return
        self.frequency.update(other.frequency)
        self.frequency = self.frequency if len(self.frequency) <= MOST_VALUES else None

    def learned(self) -> tuple[TargetCodec, tuple[str, ...]]:
        """Task and labels, and what a reader should know.  Raises TableError if the column cannot be a target."""
        name = shown(self.name)
        if not self.given or self.dtype is None:
            raise TableError(f"target {name} has no value in any of {count(self.rows, 'row')}: name another column")
        different = MOST_VALUES + 1 if self.frequency is None else len(self.frequency)
        if different == 1 and self.frequency:
            alone = f"target {name} has one value only, {shown(next(iter(self.frequency)))}"
            raise TableError(
                f"{alone}, in {count(self.given, 'row')}: there is nothing to tell apart; add rows with other values, "
                f"or name another column"
            )
        task = self.asked or decide(self.dtype, different, self.given)
        left = self.rows - self.given
        notes = [f"{count(left, 'row')} without a target left out"] if left else []
        codec = TargetCodec(self.name, "regression") if task == "regression" else self._classes()
        if self.asked is None:
            whole = all(float(value).is_integer() for value in self._numbers())
            notes += doubts(self.dtype, task, different, self.given, whole)
        return codec, tuple(notes)

    def _classes(self) -> TargetCodec:
        if self.frequency is None:
            raise TableError(
                f"target {shown(self.name)} has more than {MOST_VALUES:,} different values, too many for classes: "
                f"{too_many(self.dtype, [])}"
            )
        return codec_of(self.name, self.dtype, dict(self.frequency))[0]

    def _numbers(self) -> list[Any]:
        numeric = self.dtype is not None and self.dtype.is_numeric()
        return list(self.frequency or ()) if numeric else []


def class_indices(codec: TargetCodec, column: pl.Series) -> NDArray[np.int64]:
    """Index of each value of a settled column without nulls, (m,), among the classes that were learned from it."""
    import polars as pl

    indices = list(range(len(codec.classes)))
    return column.replace_strict(list(codec.classes), indices, return_dtype=pl.Int64).to_numpy()
