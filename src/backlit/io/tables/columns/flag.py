"""Booleans: one feature, 1 for true and 0 for false."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from backlit.io.tables.columns.base import Column, other_type

if TYPE_CHECKING:
    import polars as pl
    from numpy.typing import NDArray


@dataclass(frozen=True, kw_only=True)
class Flag(Column):
    """True becomes 1, false 0, a missing value the share of true in training, which is the mean.

    mean : that share.  indicator : as in `Scaled`.
    """

    form = "flag"

    mean: float
    indicator: bool

    @property
    def features(self) -> tuple[str, ...]:
        """The value, and whether it is missing."""
        return (self.name, f"{self.name} (missing)") if self.indicator else (self.name,)

    @property
    def treatment(self) -> str:
        """What true and false become."""
        return "true 1, false 0"

    def encode(self, column: pl.Series, out: NDArray[np.floating]) -> None:
        """Write 0 and 1; numbers 0 and 1 count as false and true, others raise TableError."""
        import polars as pl

        truth = column.dtype in (pl.Boolean, pl.Null) or column.null_count() == len(column)
        wrong = column.is_not_null() if not truth else column.is_null() & False
        if column.dtype.is_numeric():
            wrong = column.is_not_null() & ~column.is_in([0, 1])
        if wrong.any():
            raise other_type(column, "boolean", wrong, "write true and false, or 1 and 0")
        values = np.asarray(column.cast(pl.Float64, strict=False).to_numpy(), dtype=np.float64)
        missing = np.isnan(values)
        out[:, 0] = np.where(missing, self.mean, values)
        if self.indicator:
            out[:, 1] = missing

    def problem(self) -> str | None:
        """The share is between 0 and 1."""
        return None if 0 < self.mean < 1 else f"mean is {self.mean}"
