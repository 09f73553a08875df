"""Learn an encoder, or a target, from chunks: one pass, memory that does not grow with the rows.

The rules are those of a table in memory (`fitting`, `target`).  Three things differ, as they would need every value
at once: a text column may hold at most MOST_WORDS different values; the remark on whole numbers that differ in every
row is made where they ascend from row to row; and sums are exact, so that mean and scale may differ from those in
memory in the last digit.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections import Counter
from typing import TYPE_CHECKING

import numpy as np

from backlit.errors import TableError
from backlit.io.tables.columns import Column, Flag, as_numbers, leave_out
from backlit.io.tables.deciding import AMONG, category, constant, empty, kind_of, scaled
from backlit.io.tables.exact import ExactMoments
from backlit.io.tables.naming import shown

if TYPE_CHECKING:
    import polars as pl

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
        self.ascends, self.last = True, -np.inf

    def see(self, column: pl.Series) -> None:
        """Take in its values; raises TableError if one is infinite."""
        values = as_numbers(column, self.kind, AMONG)
        values = values[~np.isnan(values)]
        self.first = self.first or shown(str(column.drop_nulls()[0]))
        self.ascends &= column.dtype.is_integer() and values[0] > self.last and bool((np.diff(values) > 0).all())
        self.last = float(values[-1])
        self.moments.add(values)

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
        for value, times in column.drop_nulls().value_counts().iter_rows():
            self.frequency[value] += times
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
