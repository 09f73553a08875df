"""Tables that are no files: data sets that scikit-learn ships, arrays, and data frames of any library."""

from typing import TYPE_CHECKING, Any

import numpy as np

from backlit.bounded_reading import check_address_space
from backlit.errors import ProblemError, near

if TYPE_CHECKING:
    import polars as pl

DATASETS = ("digits", "iris", "wine", "breast_cancer", "diabetes")


def load_dataset(name: str) -> "pl.DataFrame":
    """One of DATASETS as a table, its column "target" last; classes by their names.  Nothing is downloaded.

    Raises ProblemError for another name.

    >>> load_dataset("iris").columns
    ['sepal_length_cm', 'sepal_width_cm', 'petal_length_cm', 'petal_width_cm', 'target']
    """
    check_address_space()
    import polars as pl
    from sklearn import datasets

    if name not in DATASETS:
        raise ProblemError(f"unknown dataset {name!r}: {near(name, DATASETS)}")
    bunch = getattr(datasets, f"load_{name}")()
    columns = [str(column).replace(" (cm)", "_cm").replace(" ", "_") for column in bunch.feature_names]
    table = pl.DataFrame(bunch.data, schema=columns)
    names = getattr(bunch, "target_names", None)
    labels = bunch.target if names is None or name == "digits" else [str(names[k]) for k in bunch.target]
    return table.with_columns(pl.Series("target", labels))


# --- arrays and data frames -------------------------------------------------------------------------------------------


def is_frame(X: Any) -> bool:
    """Whether X is a data frame: it has columns with names."""
    return hasattr(X, "columns") and hasattr(X, "shape")


def as_table(X: Any) -> "pl.DataFrame":
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


def as_series(name: str, column: Any) -> "pl.Series":
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
