"""Columns that say little: one value beside missing ones, or nothing to learn from."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from backlit.io.tables.columns.base import Column

if TYPE_CHECKING:
    import numpy as np
    import polars as pl
    from numpy.typing import NDArray


@dataclass(frozen=True, kw_only=True)
class Presence(Column):
    """One value, or none: the only feature is whether the value is missing."""

    form = "presence"

    @property
    def features(self) -> tuple[str, ...]:
        """Whether it is missing."""
        return (f"{self.name} (missing)",)

    @property
    def treatment(self) -> str:
        """What the feature says."""
        return "missing 1, else 0"

    def encode(self, column: pl.Series, out: NDArray[np.floating]) -> None:
        """Write 1 if the value is missing."""
        out[:, 0] = column.is_null().to_numpy()


@dataclass(frozen=True, kw_only=True)
class Dropped(Column):
    """No feature; the note says why."""

    form = "dropped"

    @property
    def treatment(self) -> str:
        """Nothing is done."""
        return "left out"

    def encode(self, column: pl.Series, out: NDArray[np.floating]) -> None:
        """Write nothing."""
