"""TableEncoder: a table in, an array of features out, by rules that are data, learned from the training rows."""

from __future__ import annotations

import os
from collections.abc import Iterable
from dataclasses import dataclass, replace
from itertools import accumulate
from typing import TYPE_CHECKING, Any

import numpy as np

from backlit.bounded_reading import check_memory
from backlit.errors import DomainError, TableError
from backlit.tables.column_formats import NAMES, ColumnFormat
from backlit.tables.columns import Category, Column, Dropped, Scaled, settle
from backlit.tables.fitting import Bins, fit_column, fit_richer
from backlit.tables.frames import frame_of
from backlit.tables.messages import count, listed, near, shown
from backlit.tables.schema import encoder_from_dict, encoder_to_dict
from backlit.tables.table_files import Source, read_cells, read_table
from backlit.tables.table_formats import TableFormat

if TYPE_CHECKING:
    import polars as pl
    from numpy.typing import DTypeLike, NDArray

MAX_CATEGORIES = 100
MOST_BINS, MOST_CELLS = 2_000, 30_000_000  # over all columns, and times rows: 120 MB in float32
TYPED = ColumnFormat("typed")  # of a column that was learned from values alone


@dataclass(frozen=True)
class ColumnSummary:
    """One line of a report: what a column is and what was done to it.

    missing : training rows without a value.  features : how many it became.
    read_as, not_so : how its cells are written in files, and the share of them that were not written so.
    """

    name: str
    kind: str
    treatment: str
    missing: int
    features: int
    note: str
    read_as: str
    not_so: float


@dataclass(frozen=True)
class TableEncoder:
    """How each column of a table becomes features.

    columns : in the order of the training table, those that were left out too.
    rows : training rows that were learned from.
    format : how the columns are written in files; None where it was learned from values alone.

    >>> import polars as pl
    >>> table = pl.DataFrame({"age": [20, 40], "color": ["red", "red"], "ripe": [True, None]})
    >>> encoder = TableEncoder.fit(table)
    >>> encoder.feature_names_out
    ('age', 'ripe (missing)')
    >>> encoder.transform(table)
    array([[-1.,  0.],
           [ 1.,  1.]])
    """

    columns: tuple[Column, ...]
    rows: int
    format: TableFormat | None = None

    @classmethod
    def fit(
        cls,
        table: pl.DataFrame,
        *,
        drop: Iterable[str] = (),
        max_categories: int = MAX_CATEGORIES,
        format: TableFormat | None = None,
    ) -> TableEncoder:
        """Learn from the training rows of a table; the order of its rows changes nothing, to the bit.

        table : training rows alone, without the target, or with it named in `drop`.
        drop : columns to leave out.
        format : by which the table was read, so that `read` reads later ones in the same way.
        max_categories : slots of a text column at most; rarer values share its unseen slot.

        What becomes of each column stands in `backlit.tables.fitting`.  A missing number becomes the mean, a
        missing boolean the share of true, and a second feature says that it was missing where training rows had missing
        values.  A missing word has a slot of its own where training had missing words, and else counts as unseen.

        Raises TableError that names the column for lists, structs, infinite values, an identifier, numbers spoiled by
        words, or if no column is left.
        """
        if max_categories < 1:
            raise DomainError(f"max_categories is {max_categories}: give 1 or more, {MAX_CATEGORIES} unless told")
        names = names_kept(table.columns, drop)
        if not table.height:
            raise TableError("the table has no rows to learn from: give it some")
        return cls.of([fit_column(settle(table[name]), max_categories) for name in names], table.height, format)

    @classmethod
    def of(cls, columns: Iterable[Column], rows: int, format: TableFormat | None = None) -> TableEncoder:
        """Put learned columns together; raises TableError if all of them are left out."""
        encoder = cls(tuple(columns), rows, format)
        if not encoder.feature_names_out:
            left = "; ".join(f"{shown(column.name)}: {column.note}" for column in encoder.columns[:4])
            raise TableError(
                f"no column is left to learn from ({left or 'there are none'}): give columns whose values differ"
            )
        return encoder

    def read(self, table: Source | pl.DataFrame, *others: str) -> pl.DataFrame:
        """Read a table as the training table was read: each cell by the format of its column, whatever its file holds.

        table : a file, or a frame whose texts are read as a file's are.  others : columns that may be read too, whose
        cells are missing where they are not as in training.  Raises TableError that names file, column, row and cell.
        """
        used = [column.name for column in self.columns if column.features]
        if isinstance(table, str | os.PathLike):
            if self.format is None:
                return read_table(table, text=self.text_columns)
            raw = read_cells(table, used)
            frame, where = raw.frame, f"{raw.name}: "
        else:
            frame, where = frame_of(table), ""
        try:
            return frame if self.format is None else self.format.read(frame, used, lenient=others)
        except TableError as error:
            raise TableError(f"{where}{error}") from None

    def transform(self, table: pl.DataFrame, dtype: DTypeLike = np.float64) -> NDArray[np.floating]:
        """Return the features of a table, (m, len(feature_names_out)), finite, in C order.

        dtype : float64 or float32.  Columns are found by name; others are ignored.

        Raises TableError if a column is not there, is of another type than in training or is infinite, or if
        the array would not fit in memory.
        """
        used = [column for column in self.columns if not isinstance(column, Dropped)]
        for column in used:
            if column.name not in table.columns:
                raise TableError(
                    f"column {shown(column.name)} is not in the table, and the model was trained with it: "
                    f"{near(column.name, table.columns)}"
                )
        places = self.places
        width = sum(len(column.features) for column in used)
        size = np.dtype(dtype).itemsize * table.height * width
        check_memory(size, f"{table.height:,} rows of {width:,} features", "give fewer rows or lower max_categories")
        out = np.zeros((table.height, width), dtype)
        for column in used:
            column.encode(settle(table[column.name]), out[:, places[column.name]])
        return out

    @property
    def places(self) -> dict[str, slice]:
        """Which of the features are each column's."""
        ends = list(accumulate((len(column.features) for column in self.columns), initial=0))
        return {column.name: slice(*ends[k : k + 2]) for k, column in enumerate(self.columns)}

    @property
    def feature_names_out(self) -> tuple[str, ...]:
        """Name of each feature, such as `age`, `age (missing)`, `color=red`, `color (unseen)`; no two are the same."""
        names: dict[str, None] = {}
        for name in (name for column in self.columns for name in column.features):
            number, unique = 1, name
            while unique in names:
                number += 1
                unique = f"{name} #{number}"
            names[unique] = None
        return tuple(names)

    @property
    def silent_features(self) -> NDArray[np.int64]:
        """Features that are 0 in every training row: unseen slots that no rare value shares.

        No gradient reaches the weights from them, so a network that is to ignore what it has not seen starts with
        zeros there: `params.W[1][:, encoder.silent_features] = 0`.
        """
        places = self.places
        unseen = (column for column in self.columns if isinstance(column, Category) and not column.pooled)
        return np.array([places[column.name].stop - 1 for column in unseen], dtype=np.int64)

    @property
    def text_columns(self) -> tuple[str, ...]:
        """Columns that hold words; `read_table(path, text=...)` keeps them as they are written."""
        return tuple(column.name for column in self.columns if isinstance(column, Category))

    def summary(self) -> list[ColumnSummary]:
        """One line for each column, in the order of the table."""
        return [self._line(column) for column in self.columns]

    def _line(self, c: Column) -> ColumnSummary:
        format = self.format.columns.get(c.name, TYPED) if self.format else TYPED
        note = "; ".join(part for part in (format.note, c.note) if part)
        read_as = format.words or NAMES.get(format.kind, "words" if format.kind == "text" else "")
        return ColumnSummary(c.name, c.kind, c.treatment, c.missing, len(c.features), note, read_as, format.share)

    def remarks(self) -> tuple[str, ...]:
        """What a reader should know of columns, one line each; those of which there is nothing to say are left out."""
        return tuple(f"column {shown(line.name)}: {line.note}" for line in self.summary() if line.note)

    def to_dict(self) -> dict[str, Any]:
        """Return everything as plain JSON types; floats keep every bit through `json`."""
        return encoder_to_dict(self.columns, self.rows, None if self.format is None else self.format.to_dict())

    @classmethod
    def from_dict(cls, stored: object) -> TableEncoder:
        """Build the encoder that `to_dict` was called on; raises ModelError for anything else."""
        columns, rows, written = encoder_from_dict(stored)
        return cls(columns, rows, None if written is None else TableFormat.from_dict(written, "written"))

    def __repr__(self) -> str:
        names = listed((c.name for c in self.columns), most=4)
        return f"TableEncoder({names}: {count(len(self.feature_names_out), 'feature')} from {count(self.rows, 'row')})"


def enriched(encoder: TableEncoder, table: pl.DataFrame, bins: Bins, y: NDArray[np.floating]) -> TableEncoder:
    """The same columns: numbers as `Piecewise`, moments as `Calendar`, words as `Weighted`.

    table, y : rows to learn from and their target, class indices or numbers.  Many columns get fewer bins each.

    >>> import numpy as np, polars as pl
    >>> table = pl.DataFrame({"age": [20, 40, 60], "color": ["red", "red", "blue"]})
    >>> enriched(TableEncoder.fit(table), table, Bins(2), np.zeros(3)).feature_names_out[:3]
    ('age', 'age in 20 to 40', 'age in 40 to 60')
    """
    numbers = sum(type(column) is Scaled for column in encoder.columns)
    room = min(MOST_BINS, MOST_CELLS // max(table.height, 1)) // max(numbers, 1)
    fitting = replace(bins, most=min(bins.most, room // 2 if bins.steps else room))
    columns = (fit_richer(column, table, fitting, y) for column in encoder.columns)
    return TableEncoder.of(columns, encoder.rows, encoder.format)


def names_kept(columns: Iterable[str], drop: Iterable[str]) -> list[str]:
    """The columns but for those to leave out, each of which has to be there."""
    columns, drop = list(columns), list(drop)
    for name in drop:
        if name not in columns:
            raise TableError(f"column {shown(name)} cannot be left out, as it is not there: {near(name, columns)}")
    return [name for name in columns if name not in drop]
