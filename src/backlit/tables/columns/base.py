"""What the kinds of column have in common: data, a series to numbers and back to plain JSON types."""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass, fields
from typing import TYPE_CHECKING, Any, ClassVar

from backlit.errors import TableError
from backlit.tables.messages import shown

if TYPE_CHECKING:
    import numpy as np
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
    return column.fill_nan(None) if column.dtype.is_float() else column


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
