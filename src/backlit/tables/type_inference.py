"""The type of a column of text, found over all of its rows: number, true or false, date, date and time, time of day.

A column has a type where every value that is not missing reads as it; one word in the last row makes it text.
"""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

from backlit.tables.number_formats import read_numbers, with_ascii_digits

if TYPE_CHECKING:
    from collections.abc import Collection

    import polars as pl

MISSING = (  # what pandas and R write and read for a value that is not there, and the UCI repository's question mark
    *("", "NA", "N/A", "n/a", "<NA>", "#N/A", "#NA", "#N/A N/A", "NaN", "nan", "-NaN", "-nan", "NULL", "null", "None"),
    *("1.#IND", "-1.#IND", "1.#QNAN", "-1.#QNAN", "?"),
)
DAY_FIRST, MONTH_FIRST = "%d/%m/%Y", "%m/%d/%Y"
DATES = {  # shape of the text: formats, of which exactly one must read every value
    r"^\d{4}-\d{1,2}-\d{1,2}$": ("%Y-%m-%d",),
    r"^\d{4}/\d{1,2}/\d{1,2}$": ("%Y/%m/%d",),
    r"^\d{1,2}\.\d{1,2}\.\d{4}$": ("%d.%m.%Y",),
    r"^\d{1,2}/\d{1,2}/\d{4}$": (DAY_FIRST, MONTH_FIRST),
}
INSTANTS = {
    r"^\d{4}-\d\d-\d\d \d\d:\d\d:\d\d(\.\d+)?$": "%Y-%m-%d %H:%M:%S%.f",
    r"^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?$": "%Y-%m-%dT%H:%M:%S%.f",
    r"^\d{4}-\d\d-\d\d \d\d:\d\d$": "%Y-%m-%d %H:%M",
    r"^\d{4}-\d\d-\d\dT\d\d:\d\d$": "%Y-%m-%dT%H:%M",
    r"^\d{4}-\d\d-\d\d \d\d:\d\d:\d\d(\.\d+)?([+-]\d\d:?\d\d|Z)$": "%Y-%m-%d %H:%M:%S%.f%#z",
    r"^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?([+-]\d\d:?\d\d|Z)$": "%Y-%m-%dT%H:%M:%S%.f%#z",
    r"^\d{1,2}\.\d{1,2}\.\d{4} \d\d:\d\d:\d\d$": "%d.%m.%Y %H:%M:%S",
    r"^\d{1,2}\.\d{1,2}\.\d{4} \d\d:\d\d$": "%d.%m.%Y %H:%M",
}
TIMES = {r"^\d{1,2}:\d\d:\d\d(\.\d+)?$": "%H:%M:%S%.f", r"^\d{1,2}:\d\d$": "%H:%M"}
FIRST = 64  # rows that are tried before all are


def typed(table: pl.DataFrame, delimiter: str, text: Collection[str]) -> pl.DataFrame:
    """Give each column of text its type; those named in `text` stay text.

    >>> import polars as pl
    >>> typed(pl.DataFrame({"a": ["1", " 2"], "b": ["x", "NA"]}), ",", ()).rows()
    [(1, 'x'), (2, None)]
    """
    columns = {name: stripped(table[name]) for name in table.columns}
    free = {name: with_ascii_digits(series) for name, series in columns.items() if name not in text}
    found = read_numbers(free, delimiter)
    for name in free.keys() - found.keys():
        series = moments_or_flags(free[name])
        if series is not None:
            found[name] = series
    return table.with_columns([found.get(name, series).alias(name) for name, series in columns.items()])


def stripped(column: pl.Series) -> pl.Series:
    """Remove the blanks around each value, and make null of words that stand for a missing value."""
    import polars as pl

    bare = column.str.strip_chars()
    missing = bare.is_in(list(MISSING))
    return bare.set(missing, None) if missing.any() else bare.cast(pl.String)


def moments_or_flags(column: pl.Series) -> pl.Series | None:
    """Read a column of text as true and false, dates or times; None if some value is none of it.

    >>> import polars as pl
    >>> moments_or_flags(pl.Series(["31/12/2024", "01/02/2024"])).to_list()
    [datetime.date(2024, 12, 31), datetime.date(2024, 2, 1)]
    """
    if column.null_count() == len(column):
        return None
    flags = _flags(column)
    return _moments(column) if flags is None else flags


def _flags(column: pl.Series) -> pl.Series | None:
    first = column.drop_nulls().head(FIRST).str.to_lowercase()
    if not first.is_in(["true", "false"]).all():
        return None
    lower = column.str.to_lowercase()
    return lower == "true" if lower.drop_nulls().is_in(["true", "false"]).all() else None


def _moments(column: pl.Series) -> pl.Series | None:
    """Date, Datetime (in microseconds; UTC where the text says an offset) or Time."""
    first = column.drop_nulls().head(FIRST)
    for shape, formats in DATES.items():
        if _fits(first, shape):
            read = [column.str.to_date(format, strict=False) for format in formats]
            whole = [dates for dates in read if dates.null_count() == column.null_count() and _fits(column, shape)]
            # 03/04/2024 may be March or April: where no day above 12 tells, the column stays text
            return whole[0] if whole and all(other.equals(whole[0]) for other in whole) else None
    for shape, format in (INSTANTS | TIMES).items():
        if _fits(first, shape) and _fits(column, shape):
            times = column.str.to_time if shape in TIMES else partial(column.str.to_datetime, time_unit="us")
            read_all = times(format, strict=False)
            return read_all if read_all.null_count() == column.null_count() else None
    return None


def _fits(column: pl.Series, shape: str) -> bool:
    return bool(column.str.contains(shape).all())
