"""Tables in files, by suffix: read from CSV and its kin, Parquet, JSON lines, Excel, packed ones too; and written."""

from __future__ import annotations

import os
import re
import sys
from collections.abc import Collection, Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from backlit.bounded_reading import SHARE, check_address_space, check_memory, machine_memory, read_bytes
from backlit.errors import TableError
from backlit.files import atomic_write
from backlit.tables.binary_files import read_parquet, read_workbook, sheet_of
from backlit.tables.column_formats import ColumnFormat
from backlit.tables.delimited import read_delimited
from backlit.tables.json_lines import read_json_lines
from backlit.tables.messages import count, near, shown
from backlit.tables.table_formats import TableFormat
from backlit.tables.text_encoding import SUFFIXES as PACKED
from backlit.tables.text_encoding import UTF_8, text_bytes, unpacked

if TYPE_CHECKING:
    import polars as pl

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


# --- writing ----------------------------------------------------------------------------------------------------------

FORMULA = r"^[=+\-@\t\r\n]"
WRITTEN = (".csv", ".tsv", ".parquet", ".jsonl", ".ndjson")


def write_table(table: pl.DataFrame, path: str | os.PathLike[str]) -> None:
    """Write a table as CSV (.csv), tab-separated text (.tsv), Parquet (.parquet) or JSON lines (.jsonl, .ndjson).

    Floats are written so that reading gives the same bits.  The file appears whole or not at all (`atomic_write`).
    Raises TableError for another suffix or values that the format cannot hold, BacklitError where writing fails.

    >>> import tempfile, polars as pl
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     write_table(pl.DataFrame({"color": ["red"], "p": [0.1]}), Path(folder, "t.csv"))
    ...     Path(folder, "t.csv").read_text(encoding="utf-8")
    'color,p\\nred,0.1\\n'
    """
    import polars as pl

    suffix = Path(path).suffix.lower()
    check_table_suffix(path)
    try:
        with atomic_write(path) as temporary, temporary.open("wb") as file:
            if suffix == ".parquet":
                table.write_parquet(file)
            elif suffix in (".csv", ".tsv"):
                separator, missing = csv_marks(suffix, table.width)
                table.write_csv(file, separator=separator, null_value=missing)
            else:
                table.write_ndjson(file)
    except pl.exceptions.PolarsError as error:
        raise TableError(
            f"{path}: could not be written ({str(error).splitlines()[0]}): write .parquet instead"
        ) from error


def spreadsheet_safe(table: pl.DataFrame) -> pl.DataFrame:
    """The table with an apostrophe before each text and name that a spreadsheet would run as a formula.

    Those begin with = + - @, a tab or a line's end.  Numbers stay as they are.

    >>> import polars as pl
    >>> spreadsheet_safe(pl.DataFrame({"=A1": ["-x", "x"], "n": [-1, 2]})).rows(named=True)
    [{"'=A1": "'-x", 'n': -1}, {"'=A1": 'x', 'n': 2}]
    """
    import polars as pl

    text = pl.col(pl.String)
    safe = table.with_columns(pl.when(text.str.contains(FORMULA)).then("'" + text).otherwise(text).name.keep())
    return safe.rename({name: f"'{name}" for name in table.columns if re.match(FORMULA, name)})


def csv_marks(suffix: str, columns: int) -> tuple[str, str]:
    """What separates values, and what stands for a missing one: in a table of one column an empty line is no row."""
    return "\t" if suffix == ".tsv" else ",", "NA" if columns == 1 else ""


def check_table_suffix(path: str | os.PathLike[str]) -> None:
    """Raise TableError where `write_table` does not know the suffix; to be asked before hours of work.

    >>> check_table_suffix("predictions.csv")
    """
    suffix = Path(path).suffix.lower()
    if suffix not in WRITTEN:
        ending = f"its name ends in {suffix!r}" if suffix else "its name has no suffix"
        raise TableError(f"{path}: {ending}, which says no known format: end it in {', '.join(WRITTEN)}")
