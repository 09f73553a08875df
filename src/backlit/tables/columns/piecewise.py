"""Numbers and dates taken apart for a network: quantile bins beside the number, the calendar beside the time."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise
from math import isfinite
from typing import TYPE_CHECKING

import numpy as np

from backlit.tables.columns.base import Column
from backlit.tables.columns.scaled import UNITS, Scaled, as_numbers

if TYPE_CHECKING:
    import polars as pl
    from numpy.typing import NDArray


CLIP = 3.0  # no scaled value is farther from 0; source: Holzmüller et al. 2024, section 3
HEAVY, HEAVY_SHARE = 6.0, 0.005  # a tail is heavy where more than this share of rows lies farther out


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


def fit_piecewise(
    column: Scaled, values: NDArray[np.float64], bins: int, edges: tuple[float, ...] | None = None
) -> Piecewise:
    """Learn from the training rows' values (m,), NaN where missing; the order of the rows changes nothing.

    bins : at most; none where it is 0.  A column of few values has a bin between each two neighbors.
    edges : of the bins, where they are known.  Values that are all equal keep the column's mean and scale.
    """
    given = np.sort(values[~np.isnan(values)])
    low, center, high = np.quantile(given, [0.25, 0.5, 0.75]) if len(given) else (0.0, column.mean, 0.0)
    scale = (high - low) or (given[-1] - given[0] if len(given) else 0.0) / 2 or column.scale
    with np.errstate(over="ignore"):
        heavy = int((np.abs(given - center) > HEAVY * scale).sum()) > HEAVY_SHARE * len(given)
    return Piecewise(
        name=column.name,
        kind=column.kind,
        missing=column.missing,
        note=column.note,
        center=float(center),
        scale=float(scale),
        log=heavy,
        edges=quantile_edges(given, bins) if edges is None else edges,
        indicator=column.missing > 0,
    )


def quantile_edges(ordered: NDArray[np.float64], bins: int) -> tuple[float, ...]:
    """Edges of at most `bins` bins that hold about as many of the sorted values each, no two of them equal.

    >>> quantile_edges(np.array([0.0, 0.0, 1.0, 5.0]), 8)
    (0.0, 1.0, 5.0)
    """
    if not bins or not len(ordered):
        return ()
    different = np.unique(ordered)
    if len(different) > bins + 1:
        different = np.unique(np.quantile(ordered, np.linspace(0, 1, bins + 1)))
    with np.errstate(over="ignore"):
        wide = np.isfinite(np.diff(different)).all()
    return tuple(map(float, different)) if wide else ()


DAY = 86_400.0
DAYS = ("Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday", "Sunday")
YEAR_WAVES = 3  # sine and cosine of the year and of its half and third


@dataclass(frozen=True, kw_only=True)
class Calendar(Piecewise):
    """A moment as `Piecewise` has it, then day of the week, time of the year, and for instants the hour.

    The weekday is one of seven; year and day are circles, given as sine and cosine, the year's with overtones.  A
    missing moment has zeros there.
    """

    form = "calendar"

    @property
    def features(self) -> tuple[str, ...]:
        """Those of the time, the weekdays, the year, the day."""
        return (*super().features, *(f"{self.name} {part}" for part in self.parts()))

    @property
    def treatment(self) -> str:
        """The time's own, and what was added."""
        return f"{super().treatment}; weekday, time of the year{', hour' if self.kind == 'datetime' else ''}"

    def parts(self) -> list[str]:
        """What is added, by name."""
        waves = [f"{f} of the year {k}" for k in range(1, YEAR_WAVES + 1) for f in ("sine", "cosine")]
        hours = ["sine of the day", "cosine of the day"] if self.kind == "datetime" else []
        return [f"is {day}" for day in DAYS] + waves + hours

    def encode(self, column: pl.Series, out: NDArray[np.floating]) -> None:
        """Write the features; see `Piecewise.encode`."""
        from backlit.tables.columns.scaled import as_numbers

        time = len(super().features)
        super().encode(column, out[:, :time])
        values = as_numbers(column, self.kind)
        days = values if self.kind == "date" else values / DAY
        known = np.flatnonzero(~np.isnan(days))
        days = days[known]
        parts = out[:, time:]
        parts[known, (np.floor(days).astype(np.int64) + 3) % 7] = 1  # 1970-01-01 was a Thursday
        angles = [2 * np.pi * k * years(days) for k in range(1, YEAR_WAVES + 1)]
        angles += [2 * np.pi * (days % 1)] if self.kind == "datetime" else []
        for k, angle in enumerate(angles):
            parts[known, 7 + 2 * k], parts[known, 8 + 2 * k] = np.sin(angle), np.cos(angle)


def years(days: NDArray[np.float64]) -> NDArray[np.float64]:
    """Share of its year that has passed, for days since 1970-01-01.

    >>> years(np.array([0.0, 365.25])).round(3)
    array([0.   , 0.001])
    """
    whole = np.floor(days).astype("datetime64[D]")
    start = whole.astype("datetime64[Y]")
    length = ((start + 1).astype("datetime64[D]") - start.astype("datetime64[D]")).astype(float)
    return ((whole - start.astype("datetime64[D]")).astype(float) + days % 1) / length
