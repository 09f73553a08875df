"""How the columns of a table are written: learned in training, kept in the model, and used for every later file."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Collection, Iterable, Sequence
from dataclasses import dataclass, fields
from typing import TYPE_CHECKING, Any

from backlit.errors import TableError
from backlit.tables.column_formats import (
    KINDS,
    NAMES,
    CellCounts,
    ColumnFormat,
    as_text,
    check_types,
    checked,
    decide_formats,
)
from backlit.tables.columns import frequencies
from backlit.tables.messages import shown
from backlit.tables.moment_formats import ORDERS
from backlit.tables.number_formats import STYLES
from backlit.tables.schema import check_field, fault

if TYPE_CHECKING:
    import polars as pl

Chunks = Callable[[Sequence[str]], Iterable["pl.DataFrame"]]


@dataclass(frozen=True)
class TableFormat:
    """The format of each column, by name.

    >>> import polars as pl
    >>> format = TableFormat.learn(pl.DataFrame({"day": ["13/01/2024", "01/02/2024"], "price": ["$1,200", "$900"]}))
    >>> format.read(pl.DataFrame({"day": ["03/04/2024"], "price": ["$1,234"]})).rows()
    [(datetime.date(2024, 4, 3), 1234)]
    """

    columns: dict[str, ColumnFormat]

    def __hash__(self) -> int:
        return hash(tuple(self.columns.items()))

    @classmethod
    def learn(cls, table: pl.DataFrame, delimiter: str = "", types: dict[str, str] | None = None) -> TableFormat:
        """Learn from a table in memory; see `learn_chunks`."""
        return cls.learn_chunks(dict(table.schema), lambda names: [table.select(names)], delimiter, types)

    @classmethod
    def learn_chunks(
        cls,
        schema: dict[str, pl.DataType],
        chunks: Chunks,
        delimiter: str = "",
        types: dict[str, str] | None = None,
    ) -> TableFormat:
        """Learn how each column is written, in one pass over its text, and one more where some cells do not fit.

        schema : types of the columns; those that are not text are as the file says.  chunks : gives the rows of the
        columns that it is asked for.  delimiter : between fields of a text file.  types : what the user says of
        columns, one of `column_formats.TYPES` each.  Raises an error for a type or a column that there is not.
        """
        types = types or {}
        check_types(types, schema)
        text = [name for name, dtype in schema.items() if is_text(dtype) or types.get(name, "ignore") != "ignore"]
        counts = {name: CellCounts() for name in text}
        for chunk in chunks(text) if text else ():
            for name in text:
                counts[name].add(as_text(chunk[name]))
        formats = decide_formats(counts, delimiter, types)
        strays: dict[str, Counter[str]] = {name: Counter() for name in text}
        doubtful = [name for name in text if formats[name].kind in NAMES and not counts[name].fits(formats[name])]
        for chunk in chunks(doubtful) if doubtful else ():
            for name in doubtful:
                cells = as_text(chunk[name])
                unread = cells.filter(formats[name].read(cells)[1]).str.strip_chars()
                strays[name].update(frequencies(unread))
        for name in text:
            formats[name] = checked(name, formats[name], counts[name], strays[name], types.get(name, "") != "")
        stored = {name: formats.get(name) or of_type(dtype) for name, dtype in schema.items()}
        return cls(stored)

    def read(
        self, table: pl.DataFrame, names: Collection[str] | None = None, lenient: Collection[str] = ()
    ) -> pl.DataFrame:
        """The table with each column read by its format; columns without one stay as they are.

        names : the columns to read, all unless told.  lenient : those of them whose cells may be unreadable, and then
        are missing.  Raises TableError that names column, row and cell where a cell is not what it was in training.
        """
        found = []
        for name in table.columns:
            format = self.columns.get(name)
            if format is None or (names is not None and name not in names and name not in lenient):
                continue
            values, unread = format.read(table[name])
            if unread.any() and name not in lenient:
                row = int(unread.arg_max() or 0)
                cell = shown(str(table[name][row]).strip())
                kind = format.words or NAMES[format.kind]
                raise TableError(
                    f"column {shown(name)} held {kind} in training and has {cell} in row {row + 1:,}: write it as in "
                    f"training, or empty it"
                )
            found.append(values.alias(name))
        return table.with_columns(found)

    def refuse_problems(self, dropped: Collection[str]) -> None:
        """Raise TableError for a column of which it cannot be told what it is, unless it is dropped."""
        for name, format in self.columns.items():
            if format.problem and name not in dropped:
                raise TableError(f"column {shown(name)} {format.problem}")

    def notes(self, names: Collection[str]) -> tuple[str, ...]:
        """What a reader should know of how these columns were read, one line each, where there is something to say."""
        said = {name: self.columns[name].note for name in names if name in self.columns}
        return tuple(f"column {shown(name)}: {note}" for name, note in said.items() if note)

    def schema(self, schema: dict[str, pl.DataType]) -> dict[str, pl.DataType]:
        """Types of the columns once they are read, from those in the file."""
        import polars as pl

        empty = pl.DataFrame(schema=schema)
        return dict(self.read(empty).schema)

    def to_dict(self) -> dict[str, Any]:
        """Return everything as plain JSON types, defaults left out."""
        return {
            name: {
                field.name: list(value) if isinstance(value, tuple) else value
                for field in fields(format)
                if (value := getattr(format, field.name)) != field.default
            }
            for name, format in self.columns.items()
        }

    @classmethod
    def from_dict(cls, stored: object, where: str) -> TableFormat:
        """Build the format that `to_dict` was called on; raises ModelError for anything else."""
        if not isinstance(stored, dict):
            raise fault(where, "the formats of columns", stored)
        return cls({name: _format(record, f"{where}[{name!r}]") for name, record in stored.items()})


def _format(record: object, where: str) -> ColumnFormat:
    """A column's format, every field looked at; a field that is not there has its default."""
    known = {field.name: field for field in fields(ColumnFormat)}
    if not isinstance(record, dict) or not record.keys() <= known.keys() or record.get("kind") not in KINDS:
        raise fault(where, f"a format of kind {', '.join(KINDS)}", record)
    given = {name: check_field(record, name, str(known[name].type), f"{where}.") for name in record}
    format = ColumnFormat(**given)
    if (format.thousands, format.decimal) not in STYLES or format.order not in ("", *ORDERS):
        raise fault(where, "a known way to write numbers and dates", record)
    return format


def is_text(dtype: Any) -> bool:
    """Whether a column's values are texts that may mean something else."""
    import polars as pl

    return bool(dtype == pl.String)


def of_type(dtype: pl.DataType) -> ColumnFormat:
    """The format of a column whose type the file says: what later text for it is read as."""
    import polars as pl

    if dtype.is_numeric():
        return ColumnFormat("number")
    kinds = {pl.Boolean: "boolean", pl.Date: "date", pl.Datetime: "date", pl.Duration: "duration", pl.Time: "time"}
    kind: Any = next((kind for known, kind in kinds.items() if dtype == known), None)
    if kind is not None:
        return ColumnFormat(kind)
    return ColumnFormat("typed" if dtype.is_nested() or dtype in (pl.Binary, pl.Object) else "text")
