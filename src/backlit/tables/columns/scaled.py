"""Numbers, dates, times and durations: one number each, or taken apart for a network.

One number has mean 0 and variance 1 over the training rows.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from itertools import pairwise
from math import isfinite
from typing import TYPE_CHECKING

import numpy as np

from backlit.errors import TableError
from backlit.tables.columns.kinds import PLURALS, Column, leave_out, other_type
from backlit.tables.messages import count, shown

if TYPE_CHECKING:
    import polars as pl
    from numpy.typing import NDArray

UNITS = {  # what one unit of mean and scale is
    "number": "",
    "date": "days since 1970-01-01",
    "datetime": "seconds since 1970-01-01 00:00 UTC",
    "duration": "seconds",
    "time": "seconds since midnight",
}


@dataclass(frozen=True, kw_only=True)
class Scaled(Column):
    """x becomes (x - mean) / scale; a missing value becomes 0, which is the mean.

    mean, scale : in the unit of UNITS[kind].
    indicator : a second feature says 1 if the value is missing; only where training rows had missing values.  A
        column that had none takes the mean without a word when it is missing later.
    """

    form = "scaled"

    mean: float
    scale: float
    indicator: bool

    @property
    def features(self) -> tuple[str, ...]:
        """The value, and whether it is missing."""
        return (self.name, f"{self.name} (missing)") if self.indicator else (self.name,)

    @property
    def treatment(self) -> str:
        """How it is standardized."""
        unit = f" in {UNITS[self.kind]}" if UNITS[self.kind] else ""
        sign = "-" if self.mean >= 0 else "+"
        return f"standardized: (x {sign} {abs(self.mean):.6g}) / {self.scale:.6g}{unit}"

    def encode(self, column: pl.Series, out: NDArray[np.floating]) -> None:
        """Standardize; raises TableError if the type is another or a value is infinite or far off."""
        values = as_numbers(column, self.kind)
        missing = np.isnan(values)
        with np.errstate(over="ignore"):  # float32 and float64 overflow alike, and are told below
            out[:, 0] = np.where(missing, 0.0, (values - self.mean) / self.scale)
        far = ~np.isfinite(out[:, 0])
        if far.any():
            row = int(far.argmax())
            raise TableError(
                f"column {shown(self.name)} has {values[row]:g} in row {row + 1}, which is too far from the "
                f"training rows for {out.dtype}: check its unit, or {leave_out(self.name)}"
            )
        if self.indicator:
            out[:, 1] = missing

    def problem(self) -> str | None:
        """The kind is known, the mean finite, the scale finite and positive."""
        if self.kind not in UNITS:
            return f"kind is {self.kind!r}"
        if not isfinite(self.mean):
            return f"mean is {self.mean}"
        return None if isfinite(self.scale) and self.scale > 0 else f"scale is {self.scale}"


def standard(values: NDArray[np.float64]) -> tuple[float, float]:
    """Mean and standard deviation (over n, not n - 1), the same to the bit in any order of the values.

    values : (n,) finite, n > 0.  The scale is 0 if all are equal, infinite if they span more than float64 holds.
    Sorting makes the order not matter; taking the least value away and dividing by the range keeps the digits of
    values that are large beside their spread.

    >>> standard(np.array([1e9 + 2, 1e9]))
    (1000000001.0, 1.0)
    """
    ordered = np.sort(values)
    low, extent = float(ordered[0]), float(ordered[-1]) - float(ordered[0])
    if extent in (0.0, np.inf):
        return low, extent
    unit = (ordered - low) / extent
    return low + extent * float(unit.mean()), extent * float(unit.std())


def as_numbers(column: pl.Series, kind: str, among: str = "") -> NDArray[np.float64]:
    """Values of a settled column in the unit of its kind, NaN where missing.

    among : said after the number of a row, such as " of the training rows".
    Raises TableError if the column is of another kind, or a value is infinite.
    """
    import polars as pl

    if column.dtype == pl.Null or column.null_count() == len(column):
        return np.full(len(column), np.nan)
    read = READ[kind](column)
    if read is None:
        wrong = column.is_not_null()
        if kind == "number" and column.dtype == pl.String:
            wrong &= column.cast(pl.Float64, strict=False).is_null()
        raise other_type(column, kind, wrong, f"give it {PLURALS[kind]}, and leave missing values empty")
    numbers, per_unit = read
    values = np.asarray(numbers.cast(pl.Float64).to_numpy(), dtype=np.float64) / per_unit
    infinite = np.isinf(values)
    if infinite.any():
        raise TableError(
            f"column {shown(column.name)} is infinite in {count(int(infinite.sum()), 'row')}, first in row "
            f"{int(infinite.argmax()) + 1}{among}: write numbers there, empty the values, or {leave_out(column.name)}"
        )
    return values


Read = tuple["pl.Series", float]  # whole numbers or floats, and how many make one unit of the kind


def _number(column: pl.Series) -> Read | None:
    return (column, 1.0) if column.dtype.is_numeric() else None


def _date(column: pl.Series) -> Read | None:
    import polars as pl

    if column.dtype == pl.Datetime:
        return column.dt.epoch("us"), 86_400e6
    return (column.to_physical(), 1.0) if column.dtype == pl.Date else None


def _datetime(column: pl.Series) -> Read | None:
    import polars as pl

    return (column.dt.epoch("us"), 1e6) if column.dtype in (pl.Datetime, pl.Date) else None


def _duration(column: pl.Series) -> Read | None:
    import polars as pl

    return (column.dt.total_microseconds(), 1e6) if column.dtype == pl.Duration else None


def _time(column: pl.Series) -> Read | None:
    import polars as pl

    return (column.to_physical(), 1e9) if column.dtype == pl.Time else None


READ: dict[str, Callable[[pl.Series], Read | None]] = {
    "number": _number,
    "date": _date,
    "datetime": _datetime,
    "duration": _duration,
    "time": _time,
}


# --- taken apart: quantile bins beside the number ---------------------------------------------------------------------

CLIP = 3.0  # no scaled value is farther from 0; source: Holzmüller et al. 2024, section 3


@dataclass(frozen=True, kw_only=True)
class Piecewise(Column):
    """x becomes t/√(1 + (t/3)²) with t = (x − center)/scale, and each bin (a, b) the share of it that x has passed.

    That share is clip((x − a)/(b − a), 0, 1).

    center, scale : median and distance of the quartiles, in the unit of UNITS[kind].
    log : whether t is then replaced by sign(t) ln(1 + |t|), for a column with heavy tails.
    edges : of the bins, ascending; fewer than two make no bin.
    indicator : a last feature says 1 if the value is missing; a missing value counts as the center.
    Source: Holzmüller et al. 2024 (scaling and clip); Gorishniy et al. 2022 (piecewise linear encoding).
    """

    form = "piecewise"

    center: float
    scale: float
    log: bool
    edges: tuple[float, ...]
    indicator: bool

    @property
    def features(self) -> tuple[str, ...]:
        """The value, its bins, and whether it is missing."""
        bins = (f"{self.name} in {a:.6g} to {b:.6g}" for a, b in pairwise(self.edges))
        return (self.name, *bins, *((f"{self.name} (missing)",) if self.indicator else ()))

    @property
    def treatment(self) -> str:
        """How it is scaled, and into how many bins it is cut."""
        unit = f" in {UNITS[self.kind]}" if UNITS[self.kind] else ""
        sign = "-" if self.center >= 0 else "+"
        text = f"(x {sign} {abs(self.center):.6g}) / {self.scale:.6g}{unit}{', its log' if self.log else ''}, clipped"
        return text + (f"; piecewise linear in {len(self.edges) - 1} bins" if len(self.edges) > 1 else "")

    def encode(self, column: pl.Series, out: NDArray[np.floating]) -> None:
        """Write the features; no value is too far off.  Raises TableError for another type or an infinite value."""
        values = as_numbers(column, self.kind)
        missing = np.isnan(values)
        x = np.where(missing, self.center, values)
        out[:, 0] = self.clipped(x)
        with np.errstate(over="ignore"):  # far beyond a narrow bin is beyond it
            for k, (a, b) in enumerate(pairwise(self.edges), 1):
                out[:, k] = np.clip((x - a) / (b - a), 0, 1)
        if self.indicator:
            out[:, -1] = missing

    def clipped(self, x: NDArray[np.float64]) -> NDArray[np.float64]:
        """t/√(1 + (t/3)²), which lies within ±3 and is t near 0."""
        with np.errstate(over="ignore"):  # an infinite t is clipped to ±3 as well
            t = np.clip((x - self.center) / self.scale, -1e300, 1e300)
        t = np.sign(t) * np.log1p(np.abs(t)) if self.log else t
        return t / np.hypot(1, t / CLIP)

    def problem(self) -> str | None:
        """The kind is known, the numbers are finite, the scale is positive and the edges ascend."""
        if self.kind not in UNITS:
            return f"kind is {self.kind!r}"
        if not (isfinite(self.scale) and self.scale > 0):
            return f"scale is {self.scale}"
        return None if all(a < b for a, b in pairwise(self.edges)) else "edges do not ascend"
