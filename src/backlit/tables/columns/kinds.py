"""What the kinds of column have in common, and those of words, of true and false, and those that say little."""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass, fields
from math import isfinite
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np

from backlit.errors import TableError
from backlit.tables.messages import count, shown

if TYPE_CHECKING:
    import polars as pl
    from numpy.typing import NDArray


@dataclass(frozen=True, kw_only=True)
class Column(ABC):
    """One column of the table that was learned from, and how its values become features.

    name : the column's.  kind : its type in a word.  missing : rows of the training table without a value.
    note : what a reader of the report should know; may be empty.
    """

    form: ClassVar[str] = ""  # how it is written in a model file

    name: str
    kind: str
    missing: int
    note: str = ""

    @property
    def features(self) -> tuple[str, ...]:
        """Names of the features, in their order."""
        return ()

    @property
    @abstractmethod
    def treatment(self) -> str:
        """What is done to a value, for a report."""

    @abstractmethod
    def encode(self, column: pl.Series, out: NDArray[np.floating]) -> None:
        """Write the features of a settled column into `out` (m, len(features)), which holds zeros."""

    def problem(self) -> str | None:
        """What makes these data impossible, where they come from a file; None if they are in order."""
        return None

    def to_dict(self) -> dict[str, Any]:
        """Return the fields as plain JSON types."""
        values = {field.name: getattr(self, field.name) for field in fields(self)}
        return {"form": self.form} | {name: list(v) if isinstance(v, tuple) else v for name, v in values.items()}


def settle(column: pl.Series) -> pl.Series:
    """Bring a column to one of few types: numbers, text, booleans, moments; NaN becomes missing.

    Raises TableError for lists, structs, arrays, binary data and objects, which a network cannot take.

    >>> import polars as pl
    >>> settle(pl.Series("x", [1.0, float("nan")])).to_list()
    [1.0, None]
    """
    import polars as pl

    if column.dtype.is_nested() or column.dtype in (pl.Binary, pl.Object):
        raise TableError(
            f"column {shown(column.name)} holds {str(column.dtype).split('(')[0].lower()} values, and a feature is one "
            f"number, word, date or truth value: spread it over plain columns first, or {leave_out(column.name)}"
        )
    if column.dtype in (pl.Categorical, pl.Enum):
        return column.cast(pl.String)
    if column.dtype.is_decimal():
        return column.cast(pl.Float64)
    if column.dtype.is_float() and (column.null_count() or np.isnan(column.to_numpy()).any()):
        return column.fill_nan(None)  # by Polars' own threads, for which a column without NaN would wait in vain
    return column


def frequencies(column: pl.Series) -> dict[Any, int]:
    """How often each value is there, whatever the column is called.

    >>> import polars as pl
    >>> frequencies(pl.Series("count", ["a", "a"]))
    {'a': 2}
    """
    return dict(column.alias("value").value_counts().iter_rows())


def leave_out(name: str) -> str:
    """The remedy that always works: do without the column.

    >>> leave_out("name")
    'leave the column out (--drop name)'
    """
    quoted = f"'{name}'" if any(letter.isspace() for letter in name) else name
    return f"leave the column out (--drop {quoted})"


def other_type(column: pl.Series, kind: str, wrong: pl.Series, remedy: str) -> TableError:
    """The error for a column that is of another type than in training; `wrong` marks the rows that do not fit."""
    at = int(wrong.arg_max() or 0)
    return TableError(
        f"column {shown(column.name)} held {PLURALS[kind]} in training and has {described(column)} now, "
        f"such as {shown(str(column[at]))} in row {at + 1}: {remedy}"
    )


PLURALS = {
    "number": "numbers",
    "boolean": "true and false",
    "category": "words",
    "date": "dates",
    "datetime": "dates with times",
    "duration": "durations",
    "time": "times of day",
}


def described(column: pl.Series) -> str:
    """The type of a settled column in words."""
    import polars as pl

    if column.dtype.is_numeric():
        return PLURALS["number"]
    names = {pl.Boolean: "boolean", pl.Date: "date", pl.Datetime: "datetime", pl.Duration: "duration", pl.Time: "time"}
    return next((PLURALS[kind] for dtype, kind in names.items() if column.dtype == dtype), PLURALS["category"])


# --- the kinds --------------------------------------------------------------------------------------------------------


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
