"""Read a table from files, by their suffix: CSV and its kin, Parquet, JSON lines, Excel; compressed ones too."""

from __future__ import annotations

import os
import sys
from collections.abc import Collection, Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from backlit.bounded_reading import SHARE, check_address_space, check_memory, machine_memory, read_bytes
from backlit.errors import TableError
from backlit.tables.column_formats import ColumnFormat
from backlit.tables.delimited import read_delimited
from backlit.tables.json_lines import read_json_lines
from backlit.tables.messages import count, near, shown
from backlit.tables.sources import read_workbook, sheet_of
from backlit.tables.table_formats import TableFormat
from backlit.tables.text_encoding import SUFFIXES as PACKED
from backlit.tables.text_encoding import UTF_8, text_bytes, unpacked

if TYPE_CHECKING:
    import polars as pl

MAGIC = b"PAR1"  # first and last four bytes of every Parquet file
ROW_LABELS = "__index_level_0__"  # pandas' name for an index without a name


def read_parquet(data: bytes, path: object) -> pl.DataFrame:
    """Read a Parquet file."""
    import polars as pl

    if not data.startswith(MAGIC):
        raise TableError(
            f"{path}: is not a Parquet file, though its name says so: give it its own suffix, or write it anew"
        )
    if not data.endswith(MAGIC):
        raise TableError(f"{path}: is a Parquet file cut short (its end is missing): copy or write it anew")
    try:
        return pl.read_parquet(data).drop(ROW_LABELS, strict=False)
    except (pl.exceptions.PolarsError, pl.exceptions.PanicException, OSError) as error:
        reason = (str(error).splitlines() or [type(error).__name__])[0]
        raise TableError(f"{path}: is a damaged Parquet file ({reason}): copy or write it anew") from error


TEXT, JSON, PARQUET, WORKBOOK = (
    (".csv", ".tsv", ".txt"),
    (".jsonl", ".ndjson"),
    (".parquet",),
    (".xlsx", ".xls", ".ods"),
)
SUFFIXES = (*TEXT, *JSON, *PARQUET, *WORKBOOK)
HELD = {True: 2, False: 6}  # bytes of memory that one of a Parquet file, or of a text file, takes while it is read
KNOWN = "CSV (.csv, .tsv, .txt), Parquet (.parquet), JSON lines (.jsonl, .ndjson) or Excel (.xlsx)"

Source = str | os.PathLike[str]


@dataclass(frozen=True)
class RawTable:
    """A table as its file holds it: text as it is written, and types where the file itself says them.

    name : what to call it.  delimiter : between the fields of a text file, else "".  notes : what a reader should know.
    """

    name: str
    frame: pl.DataFrame
    delimiter: str = ""
    notes: tuple[str, ...] = ()

    def learn(self, types: dict[str, str]) -> TableFormat:
        """How its columns are written; types : what the user says of some (`column_formats.TYPES`)."""
        return TableFormat.learn(self.frame, self.delimiter, types)

    def typed(self, types: dict[str, str], dropped: Collection[str]) -> tuple[TableFormat, pl.DataFrame]:
        """How its columns are written, and the table read by it.

        Raises TableError for a column of which it cannot be told what it is, unless it is dropped.
        """
        try:
            format = self.learn(types)
            format.refuse_problems(dropped)
        except TableError as error:
            raise TableError(f"{self.name}: {error}") from None
        return format, format.read(self.frame)


def read_table(path: Source, *, text: Collection[str] = ()) -> pl.DataFrame:
    """Read a table from a CSV, TSV, TXT, Parquet, JSON lines or Excel file.

    path : the suffix says the format; .gz, .bz2, .xz, .zst or .zip may follow it, and :SHEET a workbook's.
    text : names of columns that stay as they are written.

    In text files the delimiter (comma, semicolon, tab, pipe) is found; in all of them, numbers, dates and truth values
    that are written as text, over all rows: docs/reading-tables.md says what is read as what.  Blank lines are no rows.
    Row labels, which pandas and R write as a first column without a name, are left out; another column without a name
    is called column_3 by its place.  The file is held in memory as it is read.

    Raises TableError, one line with file, line or column and remedy, for a file that is missing, unreadable, empty or
    of another format, for a record that is wider or narrower than the header, and for names given twice.

    >>> import tempfile
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     path = Path(folder, "t.csv")
    ...     _ = path.write_text("size;color;ripe\\n1,5;red;true\\n2;;false\\n", encoding="utf-8")
    ...     read_table(path).rows()
    [(1.5, 'red', True), (2.0, None, False)]
    """
    raw = read_cells(path)
    words = [name for name in text if name in raw.frame.columns]
    format = raw.learn(dict.fromkeys(words, "category"))
    return TableFormat(format.columns | dict.fromkeys(words, ColumnFormat("text"))).read(raw.frame)


def read_cells(source: Source | Iterable[Source], names: Collection[str] = ()) -> RawTable:
    """Read one file, or several with the same columns one below the other, and leave open what each text means.

    names : columns that are expected, by which the delimiter of a text file is told.  Raises what `read_table` does.
    """
    check_address_space()
    import polars as pl

    if isinstance(source, str | os.PathLike):
        return _read_file(Path(source), names)
    tables = [_read_file(Path(path), names) for path in source]
    if not tables:
        raise TableError("no file is named: give a table")
    first = tables[0]
    for other in tables[1:]:
        odd = sorted(set(first.frame.columns) ^ set(other.frame.columns))
        if odd:
            has, lacks = (first, other) if odd[0] in first.frame.columns else (other, first)
            raise TableError(
                f"{lacks.name}: has no column {shown(odd[0])}, which {has.name} has: files that are read as one table "
                f"need the same columns"
            )
    frames = [_as_first(table, first) for table in tables]
    name = first.name if len(tables) == 1 else f"{first.name} and {count(len(tables) - 1, 'more file')}"
    notes = tuple(note for table in tables for note in table.notes)
    return RawTable(name, pl.concat(frames, how="vertical_relaxed"), first.delimiter, notes)


def _as_first(table: RawTable, first: RawTable) -> pl.DataFrame:
    """The columns in the first table's order, each of a type that goes with the first's."""
    import polars as pl

    for name, dtype in first.frame.schema.items():
        found = table.frame.schema[name]
        if found != dtype and pl.Null not in (found, dtype) and not (found.is_numeric() and dtype.is_numeric()):
            raise TableError(
                f"{table.name}: column {shown(name)} is {found}, in {first.name} it is {dtype}: write it in one type "
                f"in all files"
            )
    return table.frame.select(first.frame.columns)


def _read_file(path: Path, names: Collection[str]) -> RawTable:
    path, sheet = sheet_of(path)
    kind = _suffix(path)
    data = _bytes(path)
    if not data:
        raise TableError(f"{path}: is empty (0 bytes): check how it was exported")
    if kind not in WORKBOOK:
        data = unpacked(data, path, SHARE * machine_memory() / HELD[kind in PARQUET])
    delimiter, notes = "", []
    if kind in PARQUET:
        table = read_parquet(data, path)
    elif kind in WORKBOOK:
        table = read_workbook(data, path, sheet)
    else:
        body, encoding = text_bytes(data, path)
        if encoding != UTF_8:
            notes.append(f"{path} is in {encoding}")
        if kind in JSON:
            table = read_json_lines(body, path)
        else:
            table, delimiter = read_delimited(body, path, names)
    if not table.width:
        raise TableError(f"{path}: has no columns besides row labels: give a table with columns to learn from")
    if not table.height:
        raise TableError(
            f"{path}: has {count(table.width, 'column')} and no rows: add rows, or check how it was exported"
        )
    return RawTable(f"{path}:{sheet}" if sheet else str(path), table, delimiter, tuple(notes))


def _suffix(path: Path) -> str:
    """The suffix that says the format, that of a packed file before its own; CSV where it has none."""
    last = path.suffix.lower()
    return Path(path.stem).suffix.lower() or ".csv" if last in PACKED else last


def _bytes(path: Path) -> bytes:
    """The whole file; its suffix is looked at once it is known to be there."""
    try:
        if path.exists() and not path.is_dir() and _suffix(path) not in SUFFIXES:
            ending = f"its name ends in {path.suffix!r}" if path.suffix else "its name has no suffix"
            raise TableError(f"{path}: {ending}, which says no known format: give {KNOWN}")
        _refuse_too_large(path)
        return read_bytes(path, sys.maxsize - 1)  # memory is the bound
    except FileNotFoundError:
        folder = path.parent
        if not folder.is_dir():
            raise TableError(f"{path}: the folder {folder} does not exist: check the path") from None
        raise TableError(f"{path}: does not exist: check the name; of tables in {folder}, {_siblings(path)}") from None
    except IsADirectoryError:
        raise TableError(f"{path}: is a folder: give one file, {KNOWN}") from None
    except PermissionError:
        raise TableError(f"{path}: reading it is not allowed: ask for the right to (chmod +r), or copy it") from None
    except OSError as error:
        raise TableError(
            f"{path}: could not be read ({error.strerror or error}): check the path and the disk"
        ) from None


def _refuse_too_large(path: Path) -> None:
    """Say how to stream a file that memory cannot hold as a table, before it is tried."""
    if not path.is_file():
        return
    parquet = path.suffix.lower() == ".parquet"
    streamed = "leave its rows on the disk: --stream, stream=True in Python"
    check_memory(
        path.stat().st_size * HELD[parquet], f"{path}: its rows in memory", streamed if parquet else converted(path)
    )


def converted(path: Path) -> str:
    """How to make of a file what can be streamed.

    >>> converted(Path("big.csv"))
    'write it as Parquet, polars.scan_csv("big.csv").sink_parquet("big.parquet"), and train on that with --stream'
    """
    scan = "scan_ndjson" if _suffix(path) in JSON else "scan_csv"
    call = f'polars.{scan}("{path.name}").sink_parquet("{path.stem}.parquet")'
    return f"write it as Parquet, {call}, and train on that with --stream"


def _siblings(path: Path) -> str:
    try:
        names = sorted(each.name for each in path.parent.iterdir() if _suffix(each) in SUFFIXES)
    except OSError:
        names = []
    return near(path.name, names)
