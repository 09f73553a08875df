"""Learn an encoder from chunks: one pass, memory that does not grow with the rows.

The rules are those of a table in memory (`fitting`).  Three things differ, as they would need every value at once: a
text column may hold at most MOST_WORDS different values; the remark on whole numbers that differ in every row is made
where they ascend from row to row; and sums are exact, so that mean and scale may differ from those in memory in the
last digit.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections import Counter, defaultdict
from fractions import Fraction
from math import isqrt
from typing import TYPE_CHECKING, Self

import numpy as np

from backlit.errors import TableError
from backlit.tables.columns import Column, Flag, as_numbers, frequencies, leave_out
from backlit.tables.fitting import AMONG, category, constant, empty, kind_of, scaled
from backlit.tables.messages import shown

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


# --- sums without rounding --------------------------------------------------------------------------------------------
# A float64 is a whole number of 53 bits times a power of two.  So Σx and Σx² are sums of whole numbers, one for each
# power of two, and whole numbers add without rounding: no chunk border, no order and no cancellation can show.  One
# division and one root at the end round once.  Source: Kulisch 2013, the complete accumulator.

DIGITS = 18  # bits of a limb; three make the 53 bits of a float64
AT_ONCE = 1 << 14  # values: sums of 2^14 products of two limbs, times two, stay below 2^53 and are exact in float64


class ExactMoments:
    """Σx and Σx² of the values seen, without rounding, and the least and the greatest.

    >>> moments = ExactMoments()
    >>> moments.add(np.array([1e9 + 2]))
    >>> moments.add(np.array([1e9]))
    >>> moments.mean_and_scale()
    (1000000001.0, 1.0)
    """

    def __init__(self) -> None:
        self.n = 0
        self.low, self.high = np.inf, -np.inf
        self.sums: defaultdict[int, int] = defaultdict(int)  # by power of two
        self.squares: defaultdict[int, int] = defaultdict(int)

    def add(self, values: NDArray[np.float64]) -> None:
        """Take in values (n,), finite."""
        if not values.size:
            return
        self.n += values.size
        self.low, self.high = min(self.low, float(values.min())), max(self.high, float(values.max()))
        for start in range(0, values.size, AT_ONCE):
            self._add(values[start : start + AT_ONCE])

    def _add(self, values: NDArray[np.float64]) -> None:
        fraction, power = np.frexp(values)
        least = int(power.min())
        slot = power.astype(np.intp) - least
        rest = fraction * 2.0 ** (53 - 2 * DIGITS)
        a = np.trunc(rest)
        rest = (rest - a) * 2.0**DIGITS
        b = np.trunc(rest)
        c = (rest - b) * 2.0**DIGITS  # value = (a 2^36 + b 2^18 + c) 2^(power - 53)
        limbs = {2: a, 1: b, 0: c}
        products = {4: a * a, 3: 2 * a * b, 2: 2 * a * c + b * b, 1: 2 * b * c, 0: c * c}
        for parts, into, factor in ((limbs, self.sums, 1), (products, self.squares, 2)):
            for place, part in parts.items():
                if not part.any():
                    continue
                totals = np.bincount(slot, weights=part)
                for k in np.flatnonzero(totals):
                    into[factor * (int(k) + least - 53) + place * DIGITS] += int(totals[k])

    def merge(self, other: ExactMoments) -> None:
        """Take in what another has seen."""
        self.n += other.n
        self.low, self.high = min(self.low, other.low), max(self.high, other.high)
        for mine, theirs in ((self.sums, other.sums), (self.squares, other.squares)):
            for power, total in theirs.items():
                mine[power] += total

    def mean_and_scale(self) -> tuple[float, float]:
        """Mean and standard deviation (over n, not n - 1) of at least one value, each rounded once.

        The scale is 0 if all values are equal, infinite if they span more than float64 holds.
        """
        if self.low == self.high:
            return self.low, 0.0
        mean = exact(self.sums) / self.n
        scale = 0.0 if np.isinf(self.high - self.low) else root(exact(self.squares) / self.n - mean**2)
        return float(mean), scale if np.isfinite(self.high - self.low) else np.inf


def exact(sums: dict[int, int]) -> Fraction:
    """Σ sums[k] 2^k."""
    least = min(sums, default=0)
    whole = sum(value << (power - least) for power, value in sums.items())
    return Fraction(whole) * Fraction(2) ** least


def root(value: Fraction) -> float:
    """The square root, with digits to spare before it is rounded to a float.

    >>> root(Fraction(9, 4)), root(Fraction(2)) == 2**0.5
    (1.5, True)
    """
    shift = max(0, 140 + value.denominator.bit_length() - value.numerator.bit_length())
    shift += shift % 2
    return float(Fraction(isqrt((value.numerator << shift) // value.denominator), 1 << shift // 2))
