"""What becomes of a column, decided from the counts over its training rows; and its richer encodings.

The counts come from a table in memory (`fit_column`) or from one pass over chunks (`accumulators`): one rule for both.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, fields
from math import sqrt
from typing import TYPE_CHECKING

import numpy as np

from backlit.errors import TableError
from backlit.tables.columns import (
    Category,
    Column,
    Dropped,
    Flag,
    Piecewise,
    Presence,
    Scaled,
    Weighted,
    as_numbers,
    frequencies,
    leave_out,
    settle,
    standard,
)
from backlit.tables.columns.calendar import fit_calendar
from backlit.tables.messages import count, shown

if TYPE_CHECKING:
    import polars as pl
    from numpy.typing import NDArray

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


# --- a richer encoding: bins beside numbers, dates apart, softer one-hots ---------------------------------------------

GAIN = 1e-3  # of the target's impurity that a cut must remove, else it is not made: noise gets no bins
LEAST, SHARE = 20, 1 / 30  # rows of a bin, and for few rows this share of them
MOST_ROWS = 10_000  # that a tree looks at, at even distances
HEAVY, HEAVY_SHARE = 6.0, 0.005  # a tail is heavy where more than this share of rows lies farther out


@dataclass(frozen=True)
class Bins:
    """How numbers are cut: into at most `most` bins, by quantiles or where the target changes; 0 for none.

    steps : whether the encoding jumps at each cut, as a tree's prediction does, beside rising between the cuts.
    """

    most: int = 0
    by_target: bool = False
    steps: bool = False


def fit_richer(column: Column, table: pl.DataFrame, bins: Bins, y: NDArray[np.floating]) -> Column:
    """One column's; flags and columns that say little stay as they are."""
    if type(column) is Category:
        return weighted(column)
    if type(column) is not Scaled:
        return column
    values = as_numbers(settle(table[column.name]), column.kind)
    edges = target_edges(values, y, bins.most) if bins.by_target else None
    if bins.steps and edges:
        edges = around_cuts(edges, values)
    numbers = fit_piecewise(column, values, bins.most, edges)
    return fit_calendar(numbers, values) if column.kind in ("date", "datetime") else numbers


def target_edges(values: NDArray[np.float64], y: NDArray[np.floating], bins: int) -> tuple[float, ...]:
    """Edges of at most `bins` bins of the values (m,), NaN where missing, for class indices or numbers y (m,).

    A column that says nothing of the target gets no edges.  Source: Gorishniy et al. 2022, section 3.2.2.

    >>> x = np.arange(1000.0)
    >>> target_edges(x, (x > 499).astype(np.int64), 8), target_edges(x, x.astype(np.int64) % 2, 8)
    ((0.0, 499.5, 999.0), ())
    """
    from sklearn.tree import DecisionTreeClassifier, DecisionTreeRegressor

    given = ~np.isnan(values)
    x, y = values[given], y[given]
    step = max(-(-len(x) // MOST_ROWS), 1)
    x, y = x[::step], y[::step]
    if bins < 2 or len(x) < 2 or not np.isfinite(x.max() - x.min()):
        return ()
    classes = np.issubdtype(y.dtype, np.integer)
    tree = (DecisionTreeClassifier if classes else DecisionTreeRegressor)(
        max_leaf_nodes=bins,
        min_samples_leaf=max(1, min(LEAST, int(len(x) * SHARE))),
        min_impurity_decrease=GAIN * (1.0 if classes else float(y.var())),
        random_state=0,
    )
    middle = float(np.median(x))  # trees compare in float32: near the median its digits suffice
    scale = float(np.abs(x - middle).max()) or 1.0
    fitted = tree.fit(((x - middle) / scale)[:, None], y).tree_
    cuts = middle + scale * fitted.threshold[fitted.feature >= 0]
    edges = np.unique(np.concatenate([[x.min()], cuts, [x.max()]]))
    return tuple(map(float, edges)) if len(cuts) else ()


def around_cuts(edges: tuple[float, ...], values: NDArray[np.float64]) -> tuple[float, ...]:
    """Two edges in place of each inner one, at the values (m,) next to it: no row lies in the bin between the two.

    For the rows that are learned from that bin is 0 below the cut and 1 above it, and so a step; a linear layer on it
    can jump there, where one on wider bins can only change its slope.

    >>> around_cuts((0.0, 2.5, 9.0), np.array([0.0, 2.0, 3.0, 9.0]))
    (0.0, 2.0, 3.0, 9.0)
    """
    known = np.unique(values[~np.isnan(values)])
    above = np.searchsorted(known, edges[1:-1]).clip(1, len(known) - 1)
    return tuple(map(float, np.unique([edges[0], *known[above - 1], *known[above], edges[-1]])))


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


def weighted(column: Category) -> Weighted:
    """The column with weight 1/√(number of values), by which all of its slots together are about one number."""
    values = {field.name: getattr(column, field.name) for field in fields(column)}
    return Weighted(**values, weight=1 / sqrt(max(len(column.values), 1)))
