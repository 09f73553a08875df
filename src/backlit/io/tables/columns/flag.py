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

        given = column.is_not_null().to_numpy()
        fits = column.dtype in (pl.Boolean, pl.Null) or column.dtype.is_numeric() or not given.any()
        values = np.full(len(column), np.nan)
        if fits and given.any():
            values = column.cast(pl.Float64).to_numpy()
        wrong = given & ~np.isin(values, (0.0, 1.0))
        if wrong.any():
            raise other_type(column, "boolean", pl.Series(wrong), "write true and false, or 1 and 0")
        out[:, 0] = np.where(given, values, self.mean)
        if self.indicator:
            out[:, 1] = ~given

    def problem(self) -> str | None:
        """The share is between 0 and 1."""
        return None if 0 < self.mean < 1 else f"mean is {self.mean}"
