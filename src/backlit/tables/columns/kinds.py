"""Columns of words, of true and false, and those that say little: how the values of each become numbers."""

from __future__ import annotations

from dataclasses import dataclass, fields
from math import isfinite, sqrt
from typing import TYPE_CHECKING

import numpy as np

from backlit.tables.columns.base import Column, other_type
from backlit.tables.messages import count

if TYPE_CHECKING:
    import numpy as np
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
