"""A richer encoding of the columns that a TableEncoder learned: bins beside numbers, dates apart, softer one-hots."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np

from backlit.tables.columns import Calendar, Category, Column, Scaled, as_numbers, settle
from backlit.tables.columns.kinds import weighted
from backlit.tables.columns.piecewise import fit_piecewise
from backlit.tables.encoder import TableEncoder

if TYPE_CHECKING:
    import numpy as np
    import polars as pl
    from numpy.typing import NDArray

GAIN = 1e-3  # of the target's impurity that a cut must remove, else it is not made: noise gets no bins
LEAST, SHARE = 20, 1 / 30  # rows of a bin, and for few rows this share of them
MOST_ROWS = 10_000  # that a tree looks at, at even distances
MOST_BINS, MOST_CELLS = 2_000, 30_000_000  # over all columns, and times rows: 120 MB in float32


@dataclass(frozen=True)
class Bins:
    """How numbers are cut: into at most `most` bins, by quantiles or where the target changes; 0 for none.

    steps : whether the encoding jumps at each cut, as a tree's prediction does, beside rising between the cuts.
    """

    most: int = 0
    by_target: bool = False
    steps: bool = False


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
    fitting = replace(bins, most=min(bins.most, room // 2 if bins.steps else room))
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
    if bins.steps and edges:
        edges = around_cuts(edges, values)
    numbers = fit_piecewise(column, values, bins.most, edges)
    return Calendar(**vars(numbers)) if column.kind in ("date", "datetime") else numbers


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
