"""What becomes of a column, decided from the counts over its training rows.

The counts come from a table in memory (`fitting`) or from one pass over chunks (`gathering`): one rule for both.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

import numpy as np

from backlit.errors import TableError
from backlit.tables.columns import (
    Category,
    Column,
    Dropped,
    Flag,
    Presence,
    Scaled,
    as_numbers,
    frequencies,
    leave_out,
    standard,
)
from backlit.tables.messages import count, shown

if TYPE_CHECKING:
    import polars as pl

AMONG = " of the training rows"  # a row's number is not the file's where rows were held out
NUMERIC_WORDS = 20  # a text column with more different numbers than this, and other words, is a spoiled number column
MOMENTS = {"Date": "date", "Datetime": "datetime", "Duration": "duration", "Time": "time"}

Example = Callable[["pl.Series"], str]  # where a spoiled column has one of these words, as `'x' in row 3`


def kind_of(dtype: pl.DataType) -> str:
    """Kind of a settled column: number, boolean, category, date, datetime, duration or time."""
    import polars as pl

    if dtype.is_numeric():
        return "number"
    return "boolean" if dtype == pl.Boolean else MOMENTS.get(str(dtype.base_type()), "category")


def empty(name: str, kind: str, missing: int) -> Column:
    """A column without a value."""
    return Dropped(name=name, kind=kind, missing=missing, note="no row has a value")


def constant(name: str, kind: str, missing: int, value: str) -> Column:
    """A column of one value, and perhaps of rows without it."""
    if missing:
        return Presence(name=name, kind=kind, missing=missing, note=f"every value that is not missing is {value}")
    return Dropped(name=name, kind=kind, missing=0, note=f"every row has {value}")


def scaled(
    name: str,
    kind: str,
    missing: int,
    mean: float,
    scale: float,
    extremes: tuple[float, float],
    all_differ: bool,
) -> Column:
    """A column of numbers or moments with that mean and standard deviation.

    all_differ : whole numbers that differ in every row.  Raises TableError if the span is beyond float64.
    """
    if not np.isfinite(scale):
        raise TableError(
            f"column {shown(name)} spans more than float64 holds ({extremes[0]} to {extremes[1]}): "
            f"write it in a larger unit, or {leave_out(name)}"
        )
    if scale == 0:  # values differ, but by less than a standard deviation can say
        return Dropped(name=name, kind=kind, missing=missing, note="its values are equal to within rounding")
    note = f"every row has another whole number: if it is an identifier, {leave_out(name)}" if all_differ else ""
    return Scaled(name=name, kind=kind, missing=missing, note=note, mean=mean, scale=scale, indicator=missing > 0)


def category(name: str, missing: int, frequency: dict[str, int], max_categories: int, example: Example) -> Column:
    """A column of words; raises TableError for unread dates and for numbers spoiled by a few words."""
    import polars as pl

    if identifies(name, frequency, missing):
        note = f"text that differs in every row, such as {shown(min(frequency))}: an identifier, left out"
        return Dropped(name=name, kind="category", missing=missing, note=note)
    different = pl.Series(list(frequency), dtype=pl.String)
    numbers = different.cast(pl.Float64, strict=False).is_not_null()
    words = different.filter(~numbers).sort()
    if numbers.sum() > NUMERIC_WORDS and 0 < len(words) <= numbers.sum():
        spoiling = count(sum(frequency[word] for word in words), "value")
        raise TableError(
            f"column {shown(name)} has {int(numbers.sum()):,} different numbers, and {spoiling} that cannot be read as "
            f"numbers, such as {example(words)}: mend or empty these, or {leave_out(name)}"
        )
    ordered = sorted(frequency, key=lambda value: (-frequency[value], value))  # order of the rows does not matter
    kept, rare = sorted(ordered[:max_categories]), ordered[max_categories:]
    pooled = sum(frequency[value] for value in rare)
    note = f"{count(len(rare), 'rarer value')} ({count(pooled, 'row')}) share the unseen slot" if rare else ""
    return Category(
        name=name,
        kind="category",
        missing=missing,
        note=note,
        values=tuple(kept),
        pooled=pooled,
        indicator=missing > 0,
    )


def identifies(name: str, frequency: dict[str, int], missing: int) -> bool:
    """Whether no two rows have the same text, of which nothing can be learned; raises TableError if it is a date's."""
    given = sum(frequency.values())
    if len(frequency) < given or given < missing:
        return False
    example = min(frequency)
    if example[:1].isdigit() and sum(map(example.count, "/.-")) >= 2:
        raise TableError(
            f"column {shown(name)} is text that differs in each of its {count(given, 'row')}, such as "
            f"{shown(example)}: write dates as year-month-day, or {leave_out(name)}"
        )
    return True


def fit_column(column: pl.Series, max_categories: int) -> Column:
    """Learn how to encode one settled column.

    >>> import polars as pl
    >>> fit_column(pl.Series("age", [20, 30, 40]), 100).treatment
    'standardized: (x - 30) / 8.16497'
    """
    import polars as pl

    kind, missing, rows = kind_of(column.dtype), column.null_count(), len(column)
    if missing == rows:
        return empty(column.name, kind, missing)
    if column.n_unique() - bool(missing) == 1:
        if kind in ("number", *MOMENTS.values()):
            as_numbers(column, kind, AMONG)  # refuses an infinite value
        return constant(column.name, kind, missing, shown(str(column.drop_nulls()[0])))
    if kind == "category":
        frequency = frequencies(column.drop_nulls())
        return category(column.name, missing, frequency, max_categories, lambda words: _first_of(words, column))
    if kind == "boolean":
        share = float(column.drop_nulls().cast(pl.Float64).to_numpy().mean())
        return Flag(name=column.name, kind=kind, missing=missing, mean=share, indicator=missing > 0)
    return _fit_scaled(column, kind)


def _fit_scaled(column: pl.Series, kind: str) -> Column:
    values = as_numbers(column, kind, AMONG)
    values = values[~np.isnan(values)]
    all_differ = column.dtype.is_integer() and column.n_unique() == len(column) > 2
    extremes = float(values.min()), float(values.max())
    return scaled(column.name, kind, column.null_count(), *standard(values), extremes, all_differ)


def _first_of(words: pl.Series, column: pl.Series) -> str:
    at = int(column.is_in(words.to_list()).arg_max() or 0)
    return f"{shown(str(column[at]))} in row {at + 1}{AMONG}"
