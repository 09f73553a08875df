"""Data sets that scikit-learn ships, as tables."""

from typing import TYPE_CHECKING

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
