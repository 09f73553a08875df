"""The column to predict, learned from chunks by the rules of `target`; memory does not grow with the rows."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING, Any

import numpy as np

from backlit.errors import TableError
from backlit.io.tables.columns import settle
from backlit.io.tables.labels import Label, TargetCodec, Task
from backlit.io.tables.naming import count, shown
from backlit.io.tables.target import check_column, check_type, codec_of, decide, doubts, numbers_of, too_many

if TYPE_CHECKING:
    import polars as pl
    from numpy.typing import NDArray

MOST_VALUES = 100_000  # different values that are counted; more cannot be classes


class GatheredTarget:
    """What has been seen of the target.

    >>> import polars as pl
    >>> seen = GatheredTarget({"won": pl.Int64()}, "won")
    >>> seen.add(pl.Series("won", [0, 1, None, 1])), seen.add(pl.Series("won", [0, 0]))
    (array([ True,  True, False,  True]), array([ True,  True]))
    >>> codec, notes = seen.learned()
    >>> codec.classes, codec.task, notes[0]
    ((0, 1), 'classification', '1 row without a target left out')
    """

    def __init__(self, schema: dict[str, Any], column: str, task: Task | None = None):
        check_column(list(schema), column, task)
        self.name, self.asked = column, task
        self.rows = self.given = 0
        self.frequency: Counter[Label] | None = Counter()
        self.dtype: pl.DataType | None = None

    def add(self, column: pl.Series, first: int = 0) -> NDArray[np.bool_]:
        """Take in a chunk; which of its rows (m,) have a target.

        first : number of the chunk's first row in its file, from 0, for errors.
        """
        whole = settle(column)
        has = whole.is_not_null().to_numpy()
        self.rows += len(whole)
        given = whole.drop_nulls()
        if not len(given):
            return has
        rows = first + np.flatnonzero(has)
        check_type(given, rows)
        if self.asked == "regression":
            numbers_of(given, rows)  # refuses words
        self.given, self.dtype = self.given + len(given), given.dtype
        if self.frequency is not None:
            for value, times in given.value_counts().iter_rows():
                self.frequency[value] += times
            self.frequency = self.frequency if len(self.frequency) <= MOST_VALUES else None
        return has

    def learned(self) -> tuple[TargetCodec, tuple[str, ...]]:
        """Task and labels, and what a reader should know.  Raises TableError if the column cannot be a target."""
        name = shown(self.name)
        if not self.given or self.dtype is None:
            raise TableError(f"target {name} has no value in any of {count(self.rows, 'row')}: name another column")
        different = MOST_VALUES + 1 if self.frequency is None else len(self.frequency)
        if different == 1 and self.frequency:
            alone = f"target {name} has one value only, {shown(next(iter(self.frequency)))}"
            raise TableError(
                f"{alone}, in {count(self.given, 'row')}: there is nothing to tell apart; add rows with other values, "
                f"or name another column"
            )
        task = self.asked or decide(self.dtype, different, self.given)
        left = self.rows - self.given
        notes = [f"{count(left, 'row')} without a target left out"] if left else []
        codec = TargetCodec(self.name, "regression") if task == "regression" else self._classes()
        if self.asked is None:
            whole = all(float(value).is_integer() for value in self._numbers())
            notes += doubts(self.dtype, task, different, self.given, whole)
        return codec, tuple(notes)

    def _classes(self) -> TargetCodec:
        if self.frequency is None:
            raise TableError(
                f"target {shown(self.name)} has more than {MOST_VALUES:,} different values, too many for classes: "
                f"{too_many(self.dtype, [])}"
            )
        return codec_of(self.name, self.dtype, dict(self.frequency))[0]

    def _numbers(self) -> list[Any]:
        numeric = self.dtype is not None and self.dtype.is_numeric()
        return list(self.frequency or ()) if numeric else []


def class_indices(codec: TargetCodec, column: pl.Series) -> NDArray[np.int64]:
    """Index of each value of a settled column without nulls, (m,), among the classes that were learned from it."""
    import polars as pl

    indices = list(range(len(codec.classes)))
    return column.replace_strict(list(codec.classes), indices, return_dtype=pl.Int64).to_numpy()
