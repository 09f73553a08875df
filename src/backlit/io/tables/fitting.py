"""Decide what a column is, and learn from the training rows what its encoding needs.

| column | becomes |
|---|---|
| numbers, whole or not, few values or many | `Scaled` |
| dates, dates with times, durations, times of day | `Scaled`, in days or seconds |
| true and false | `Flag` |
| text, categories | `Category`, its most frequent values |
| one value, and none in some rows | `Presence` |
| one value everywhere, or none anywhere | `Dropped` |

A column that would mislead is refused: infinite values, lists and structs, text that differs in every row (an
identifier), numbers spoiled by a few words.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from backlit.errors import TableError
from backlit.io.tables.columns import Category, Column, Dropped, Flag, Presence, Scaled, as_numbers, leave_out, standard
from backlit.io.tables.naming import count, shown

if TYPE_CHECKING:
    import polars as pl

AMONG = " of the training rows"  # a row's number is not the file's where rows were held out
NUMERIC_WORDS = 20  # a text column with more different numbers than this, and other words, is a spoiled number column


def fit_column(column: pl.Series, max_categories: int) -> Column:
    """Learn how to encode one settled column.

    >>> import polars as pl
    >>> fit_column(pl.Series("age", [20, 30, 40]), 100).treatment
    'standardized: (x - 30) / 8.16497'
    """
    import polars as pl

    kind, missing, rows = kind_of(column), column.null_count(), len(column)
    if missing == rows:
        return Dropped(name=column.name, kind=kind, missing=missing, note="no row has a value")
    if column.n_unique() - bool(missing) == 1:
        value = shown(str(column.drop_nulls()[0]))
        if kind in ("number", *MOMENTS.values()):
            as_numbers(column, kind, AMONG)  # refuses an infinite value
        if missing:
            note = f"every value that is not missing is {value}"
            return Presence(name=column.name, kind=kind, missing=missing, note=note)
        return Dropped(name=column.name, kind=kind, missing=0, note=f"every row has {value}")
    if kind == "category":
        return _fit_category(column, max_categories)
    if kind == "boolean":
        share = float(column.cast(pl.Float64).mean())  # type: ignore[arg-type]
        return Flag(name=column.name, kind=kind, missing=missing, mean=share, indicator=missing > 0)
    return _fit_scaled(column, kind)


MOMENTS = {"Date": "date", "Datetime": "datetime", "Duration": "duration", "Time": "time"}


def kind_of(column: pl.Series) -> str:
    """Kind of a settled column: number, boolean, category, date, datetime, duration or time."""
    import polars as pl

    if column.dtype.is_numeric():
        return "number"
    return "boolean" if column.dtype == pl.Boolean else MOMENTS.get(str(column.dtype.base_type()), "category")


def _fit_scaled(column: pl.Series, kind: str) -> Column:
    values = as_numbers(column, kind, AMONG)
    missing = column.null_count()
    mean, scale = standard(values[~np.isnan(values)])
    if not np.isfinite(scale):
        raise TableError(
            f"column {shown(column.name)} spans more than float64 holds ({np.nanmin(values)} to {np.nanmax(values)}): "
            f"write it in a larger unit, or {leave_out(column.name)}"
        )
    if scale == 0:  # values differ, but by less than a standard deviation can say
        return Dropped(name=column.name, kind=kind, missing=missing, note="its values are equal to within rounding")
    note = ""
    if column.dtype.is_integer() and column.n_unique() == len(column) > 2:
        note = f"every row has another whole number: if it is an identifier, {leave_out(column.name)}"
    return Scaled(
        name=column.name, kind=kind, missing=missing, note=note, mean=mean, scale=scale, indicator=missing > 0
    )


def _fit_category(column: pl.Series, max_categories: int) -> Category:
    import polars as pl

    given = column.drop_nulls()
    frequency = dict(given.value_counts().iter_rows())
    _refuse_identifier(column, len(frequency), len(given))
    numbers = pl.Series(list(frequency)).cast(pl.Float64, strict=False).is_not_null()
    words = pl.Series(list(frequency)).filter(~numbers).sort()
    if numbers.sum() > NUMERIC_WORDS and 0 < len(words) <= numbers.sum():
        _refuse_spoiled(column, int(numbers.sum()), words)
    ordered = sorted(frequency, key=lambda value: (-frequency[value], value))  # order of the rows does not matter
    kept, rare = sorted(ordered[:max_categories]), ordered[max_categories:]
    pooled = sum(frequency[value] for value in rare)
    note = f"{count(len(rare), 'rarer value')} ({count(pooled, 'row')}) share the unseen slot" if rare else ""
    missing = column.null_count()
    return Category(
        name=column.name,
        kind="category",
        missing=missing,
        note=note,
        values=tuple(kept),
        pooled=pooled,
        indicator=missing > 0,
    )


def _refuse_identifier(column: pl.Series, different: int, given: int) -> None:
    if different == given and 2 * given >= len(column):
        example = shown(str(column.drop_nulls().sort()[0]))
        dates = " (write dates as year-month-day)" if sum(map(example.count, "/.-")) >= 2 else ""
        raise TableError(
            f"column {shown(column.name)} is text that differs in each of its {count(given, 'row')}, such as "
            f"{example}: nothing can be learned from an identifier, so {leave_out(column.name)}{dates}"
        )


def _refuse_spoiled(column: pl.Series, numbers: int, words: pl.Series) -> None:
    rows = column.is_in(words.to_list())
    at = int(rows.arg_max() or 0)
    raise TableError(
        f"column {shown(column.name)} has {numbers:,} different numbers, and {count(int(rows.sum()), 'value')} that "
        f"cannot be read as numbers, such as {shown(str(column[at]))} in row {at + 1}{AMONG}: mend or empty these, "
        f"or {leave_out(column.name)}"
    )
