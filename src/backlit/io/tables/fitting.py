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

from backlit.io.tables.columns import Column, Flag, as_numbers, standard
from backlit.io.tables.deciding import AMONG, MOMENTS, category, constant, empty, kind_of, scaled
from backlit.io.tables.naming import shown

if TYPE_CHECKING:
    import polars as pl


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
        frequency = dict(column.drop_nulls().value_counts().iter_rows())
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
