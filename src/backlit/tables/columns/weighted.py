"""One-hots that do not drown the numbers beside them: a category of many values is heard more softly."""

from __future__ import annotations

from dataclasses import dataclass, fields
from math import isfinite, sqrt
from typing import TYPE_CHECKING

import numpy as np

from backlit.tables.columns.kinds import Category

if TYPE_CHECKING:
    import polars as pl
    from numpy.typing import NDArray


@dataclass(frozen=True, kw_only=True)
class Weighted(Category):
    """One-hot, as `Category`, with `weight` in place of 1."""

    form = "weighted"

    weight: float

    @property
    def treatment(self) -> str:
        """How many values have a slot, and how softly."""
        return f"{super().treatment}, times {self.weight:.3g}"

    def encode(self, column: pl.Series, out: NDArray[np.floating]) -> None:
        """Write one weight a row; see `Category.encode`."""
        super().encode(column, out)
        out *= self.weight

    def problem(self) -> str | None:
        """Category's, and the weight is positive."""
        wrong = not (isfinite(self.weight) and self.weight > 0)
        return f"weight is {self.weight}" if wrong else super().problem()


def weighted(column: Category) -> Weighted:
    """The column with weight 1/√(number of values), by which all of its slots together are about one number."""
    values = {field.name: getattr(column, field.name) for field in fields(column)}
    return Weighted(**values, weight=1 / sqrt(max(len(column.values), 1)))
