"""Words: one feature a value that training rows had, 1 if the row has it, and one for every other value."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from backlit.io.tables.columns.base import Column, other_type
from backlit.io.tables.naming import count

if TYPE_CHECKING:
    import polars as pl
    from numpy.typing import NDArray


@dataclass(frozen=True, kw_only=True)
class Category(Column):
    """One-hot: features for `values`, then one for a missing value where training had such, then "unseen".

    values : the values with a feature, the most frequent ones where there were more than the encoder's limit.
    pooled : training rows whose value was rarer than these.  They light the unseen slot and so teach the network what
        to make of it; where `pooled` is 0 no training row does, and the weights from that slot stay as they were
        drawn (`TableEncoder.silent_features` names such slots).
    indicator : there is a slot for missing values.  Where training had none, a missing value is an unseen one.
    """

    form = "category"

    values: tuple[str, ...]
    pooled: int
    indicator: bool

    @property
    def features(self) -> tuple[str, ...]:
        """column=value, then the slots for missing and unseen."""
        missing = (f"{self.name} (missing)",) if self.indicator else ()
        return (*(f"{self.name}={value}" for value in self.values), *missing, f"{self.name} (unseen)")

    @property
    def treatment(self) -> str:
        """How many values have a slot."""
        return f"one-hot: {count(len(self.values), 'value')}, {'missing, ' if self.indicator else ''}unseen"

    def encode(self, column: pl.Series, out: NDArray[np.floating]) -> None:
        """Write one 1 a row; whole numbers count as their digits, other types raise TableError."""
        import polars as pl

        if not (
            column.dtype in (pl.String, pl.Null) or column.dtype.is_integer() or column.null_count() == len(column)
        ):
            remedy = f"read the table with text=[{self.name!r}], so that its values stay as they are written"
            raise other_type(column, "category", column.is_not_null(), remedy)
        unseen = len(self.features) - 1
        text = column.cast(pl.String)
        slot = text.replace_strict(
            list(self.values), list(range(len(self.values))), default=unseen, return_dtype=pl.Int64
        )
        if text.null_count():
            slot = slot.set(text.is_null(), len(self.values))  # the missing slot, or the unseen one in its place
        out[np.arange(len(column)), slot.to_numpy()] = 1.0

    def problem(self) -> str | None:
        """The values differ and there are some."""
        if not self.values or len(set(self.values)) < len(self.values):
            return f"values are {len(self.values)}, of which {len(set(self.values))} differ"
        return None if self.pooled >= 0 else f"pooled is {self.pooled}"
