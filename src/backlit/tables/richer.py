"""A richer encoding of the columns that a TableEncoder learned: bins beside numbers, dates apart, softer one-hots."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from backlit.tables.columns import Calendar, Category, Column, Scaled, as_numbers, settle
from backlit.tables.columns.piecewise import fit_piecewise
from backlit.tables.columns.weighted import weighted
from backlit.tables.encoder import TableEncoder
from backlit.tables.target_bins import target_edges

if TYPE_CHECKING:
    import numpy as np
    import polars as pl
    from numpy.typing import NDArray

MOST_BINS, MOST_CELLS = 2_000, 30_000_000  # over all columns, and times rows: 120 MB in float32


@dataclass(frozen=True)
class Bins:
    """How numbers are cut: into at most `most` bins, by quantiles or where the target changes; 0 for none."""

    most: int = 0
    by_target: bool = False


def enriched(encoder: TableEncoder, table: pl.DataFrame, bins: Bins, y: NDArray[np.floating]) -> TableEncoder:
    """The same columns: numbers as `Piecewise`, moments as `Calendar`, words as `Weighted`.

    table, y : rows to learn from and their target, class indices or numbers.  Many columns get fewer bins each.

    >>> import numpy as np, polars as pl
    >>> table = pl.DataFrame({"age": [20, 40, 60], "color": ["red", "red", "blue"]})
    >>> enriched(TableEncoder.fit(table), table, Bins(2), np.zeros(3)).feature_names_out[:3]
    ('age', 'age in 20 to 40', 'age in 40 to 60')
    """
    numbers = sum(type(column) is Scaled for column in encoder.columns)
    room = min(MOST_BINS, MOST_CELLS // max(table.height, 1)) // max(numbers, 1)
    fitting = Bins(min(bins.most, room), bins.by_target)
    columns = (richer(column, table, fitting, y) for column in encoder.columns)
    return TableEncoder.of(columns, encoder.rows, encoder.format)


def richer(column: Column, table: pl.DataFrame, bins: Bins, y: NDArray[np.floating]) -> Column:
    """One column's; flags and columns that say little stay as they are."""
    if type(column) is Category:
        return weighted(column)
    if type(column) is not Scaled:
        return column
    values = as_numbers(settle(table[column.name]), column.kind)
    edges = target_edges(values, y, bins.most) if bins.by_target else None
    numbers = fit_piecewise(column, values, bins.most, edges)
    return Calendar(**vars(numbers)) if column.kind in ("date", "datetime") else numbers
