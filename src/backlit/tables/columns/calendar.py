"""Dates and instants taken apart: what the calendar repeats, beside the time itself."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from backlit.tables.columns.piecewise import Piecewise

if TYPE_CHECKING:
    import polars as pl
    from numpy.typing import NDArray

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
