"""Data frames of any library, and arrays, as tables."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING, Any

import numpy as np

from backlit.errors import TableError
from backlit.tables.messages import shown

if TYPE_CHECKING:
    import polars as pl


def frame_of(table: Any) -> pl.DataFrame:
    """A data frame of Polars, or of pandas or a library alike, as a Polars DataFrame.

    Raises TableError for anything else, and for a name that two columns have.

    >>> import pandas as pd
    >>> frame_of(pd.DataFrame({"a": [1, 2], "b": ["x", None]})).rows()
    [(1, 'x'), (2, None)]
    """
    if hasattr(table, "__dask_graph__"):
        raise TableError("a Dask data frame is learned from on the disk: write it with to_parquet, and give the folder")
    if not is_frame(table):
        kind = type(table).__name__
        raise TableError(f"a table is a path or a data frame of Polars or pandas, not {shown(kind)}: name its columns")
    again = [name for name, times in Counter(map(str, table.columns)).items() if times > 1]
    if again:
        raise TableError(f"column {shown(again[0])} is there twice: rename one, or leave it out")
    return as_table(table)


def is_frame(X: Any) -> bool:
    """Whether X is a data frame: it has columns with names."""
    return hasattr(X, "columns") and hasattr(X, "shape")


def as_table(X: Any) -> pl.DataFrame:
    """A Polars DataFrame of a data frame, or of an array (n, columns), whose columns are then x0, x1, …

    Words, truth values, dates and missing values stay what they are.

    >>> as_table(np.zeros((2, 3))).columns
    ['x0', 'x1', 'x2']
    """
    import polars as pl

    if isinstance(X, pl.DataFrame):
        return X
    if not is_frame(X):
        return pl.DataFrame({f"x{k}": X[:, k] for k in range(X.shape[1])})
    return pl.DataFrame([as_series(str(name), X[name]) for name in X.columns])


def as_series(name: str, column: Any) -> pl.Series:
    """One column of pandas, or of a library alike."""
    import polars as pl

    kind = getattr(column.dtype, "kind", "O")
    if kind in "iufb" and isinstance(column.dtype, np.dtype):
        return pl.Series(name, column.to_numpy())
    missing = column.isna().to_numpy()
    if kind in "iuf":  # an extension's numbers, which may be missing
        return pl.Series(name, column.to_numpy(dtype=np.float64, na_value=np.nan))
    if kind == "M":
        moments = column.dt.tz_convert("UTC").dt.tz_localize(None) if getattr(column.dt, "tz", None) else column
        return pl.Series(name, moments.to_numpy().astype("datetime64[us]"))
    if kind == "m":
        return pl.Series(name, column.to_numpy().astype("timedelta64[us]"))
    values = [None if gone else value for value, gone in zip(column.tolist(), missing, strict=True)]
    if all(value is None or isinstance(value, bool | np.bool_) for value in values):
        return pl.Series(name, [None if value is None else bool(value) for value in values], dtype=pl.Boolean)
    if all(value is None or isinstance(value, int | float) for value in values):
        return pl.Series(name, values, dtype=pl.Float64)
    return pl.Series(name, [None if value is None else str(value) for value in values], dtype=pl.String)
