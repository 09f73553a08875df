"""Dates and instants taken apart for a network: the calendar beside the time."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from backlit.tables.columns.scaled import Piecewise, as_numbers

if TYPE_CHECKING:
    import polars as pl
    from numpy.typing import NDArray

DAY = 86_400.0
DAYS = ("Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday", "Sunday")
MONTHS = (
    *("January", "February", "March", "April", "May", "June"),
    *("July", "August", "September", "October", "November", "December"),
)
YEAR_WAVES = 3  # sine and cosine of the year and of its half and third


@dataclass(frozen=True, kw_only=True)
class Calendar(Piecewise):
    """A moment as `Piecewise` has it, then day of the week, time of the year, for instants the hour, month and day.

    Weekday, month and day of the month are one of those that there are: month and day together name a day as
    "25 December" does, or a month's end.  Year and hours are circles, given as sine and cosine, the year's with
    overtones.  A missing moment has zeros in all of that.

    months, days : those that have a feature, ascending; a moment in another one has zeros there.  Files of before
        have none.
    """

    form = "calendar"

    months: tuple[int, ...] = ()
    days: tuple[int, ...] = ()

    @property
    def features(self) -> tuple[str, ...]:
        """Those of the time, the weekdays, the year, the hours, the months, the days."""
        return (*super().features, *(f"{self.name} {part}" for part in self.parts()))

    @property
    def treatment(self) -> str:
        """The time's own, and what was added."""
        added = {"weekday": True, "time of the year": True, "hour": self.kind == "datetime"}
        added |= {"month": bool(self.months), "day of the month": bool(self.days)}
        return f"{super().treatment}; {', '.join(name for name, there in added.items() if there)}"

    def parts(self) -> list[str]:
        """What is added, by name."""
        weekdays = [f"is {day}" for day in DAYS]
        waves = [f"{f} of the year {k}" for k in range(1, YEAR_WAVES + 1) for f in ("sine", "cosine")]
        hours = ["sine of the day", "cosine of the day"] if self.kind == "datetime" else []
        months = [f"is in {MONTHS[month - 1]}" for month in self.months]
        return weekdays + waves + hours + months + [f"is day {day} of its month" for day in self.days]

    def encode(self, column: pl.Series, out: NDArray[np.floating]) -> None:
        """Write the features; see `Piecewise.encode`."""
        time = len(super().features)
        super().encode(column, out[:, :time])
        values = as_numbers(column, self.kind)
        known = np.flatnonzero(~np.isnan(values))
        days = in_days(values[known], self.kind)
        weekday = (np.floor(days).astype(np.int64) + 3) % 7  # 1970-01-01 was a Thursday
        angles = [2 * np.pi * k * years(days) for k in range(1, YEAR_WAVES + 1)]
        angles += [2 * np.pi * (days % 1)] if self.kind == "datetime" else []
        month, day = month_and_day(days)
        parts = [
            *(weekday == k for k in range(7)),
            *(wave(angle) for angle in angles for wave in (np.sin, np.cos)),
            *(month == k for k in self.months),
            *(day == k for k in self.days),
        ]
        for k, part in enumerate(parts, time):
            out[known, k] = part

    def problem(self) -> str | None:
        """Piecewise's; months and days are some that there are, ascending."""
        for name, slots, most in (("months", self.months, 12), ("days", self.days, 31)):
            if list(slots) != sorted(set(slots) & set(range(1, most + 1))):
                return f"{name} are {list(slots)}"
        return super().problem()


def fit_calendar(time: Piecewise, values: NDArray[np.float64]) -> Calendar:
    """The calendar beside a moment's time, for the training rows' values (m,), NaN where missing.

    A month, or a day of the month, that all rows share gets no feature: it would say nothing.
    """
    seen = month_and_day(in_days(values[~np.isnan(values)], time.kind))
    months, days = (tuple(map(int, slots)) if len(slots) > 1 else () for slots in map(np.unique, seen))
    return Calendar(**vars(time), months=months, days=days)


def in_days(values: NDArray[np.float64], kind: str) -> NDArray[np.float64]:
    """Days since 1970-01-01 for dates or instants."""
    return values if kind == "date" else values / DAY


def month_and_day(days: NDArray[np.float64]) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Month, 1 to 12, and day of the month, 1 to 31, for days since 1970-01-01.

    >>> month_and_day(np.array([0.0, 59.5]))
    (array([1, 3]), array([1, 1]))
    """
    whole = np.floor(days).astype("datetime64[D]")
    month = whole.astype("datetime64[M]")
    return month.astype(np.int64) % 12 + 1, (whole - month.astype("datetime64[D]")).astype(np.int64) + 1


def years(days: NDArray[np.float64]) -> NDArray[np.float64]:
    """Share of its year that has passed, for days since 1970-01-01.

    >>> years(np.array([0.0, 365.25])).round(3)
    array([0.   , 0.001])
    """
    whole = np.floor(days).astype("datetime64[D]")
    start = whole.astype("datetime64[Y]")
    length = ((start + 1).astype("datetime64[D]") - start.astype("datetime64[D]")).astype(float)
    return ((whole - start.astype("datetime64[D]")).astype(float) + days % 1) / length
