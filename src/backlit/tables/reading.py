"""Read a table from a file, by its suffix: CSV and its kin, Parquet, JSON lines."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Collection
from pathlib import Path
from typing import TYPE_CHECKING

from backlit.bounded_reading import read_bytes
from backlit.errors import TableError
from backlit.tables.delimited import read_delimited
from backlit.tables.json_lines import read_json_lines
from backlit.tables.memory_check import check_memory
from backlit.tables.messages import count, near

if TYPE_CHECKING:
    from collections.abc import Collection

    import polars as pl

MAGIC = b"PAR1"  # first and last four bytes of every Parquet file
ROW_LABELS = "__index_level_0__"  # pandas' name for an index without a name


def read_parquet(data: bytes, path: object, text: Collection[str]) -> pl.DataFrame:
    """Read a Parquet file; its types are kept, so `text` changes nothing."""
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


READERS: dict[str, Callable[[bytes, object, Collection[str]], pl.DataFrame]] = {
    ".csv": read_delimited,
    ".tsv": read_delimited,
    ".txt": read_delimited,
    ".parquet": read_parquet,
    ".jsonl": read_json_lines,
    ".ndjson": read_json_lines,
}
HELD = {True: 2, False: 6}  # bytes of memory that one of a Parquet file, or of a text file, takes while it is read
KNOWN = "CSV (.csv, .tsv, .txt), Parquet (.parquet) or JSON lines (.jsonl, .ndjson)"


def read_table(path: str | os.PathLike[str], *, text: Collection[str] = ()) -> pl.DataFrame:
    """Read a table from a CSV, TSV, TXT, Parquet or JSON lines file.

    path : the suffix says the format.
    text : names of columns that stay as they are written.  `TableEncoder.text_columns` are those that a model needs so:
        a column of codes that holds `10`, `A7` in training may hold numbers alone in the table to predict.

    In CSV and its kin the delimiter (comma, semicolon, tab, pipe), decimal commas, dates and the types of the columns
    are found, the types over all rows.  Blank lines are no rows.  Blanks around a value are taken off; an empty value,
    NA, NaN, null, None, N/A or ? is missing.  Numbers with leading zeros (007) stay text.  Dates are read where they
    are written year-month-day, or where some day above 12 settles the order.  Row labels, which pandas and R
    write as a first column without a name, are left out; another column without a name is called column_3 by its place.
    The file is held in memory as it is read.

    Raises TableError, one line with file, line or column and remedy, for a file that is missing, unreadable, empty or
    of another format or encoding, for a record that is wider or narrower than the header, and for names given twice.

    >>> import tempfile
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     path = Path(folder, "t.csv")
    ...     _ = path.write_text("size;color;ripe\\n1,5;red;true\\n2;;false\\n", encoding="utf-8")
    ...     read_table(path).rows()
    [(1.5, 'red', True), (2.0, None, False)]
    """
    path = Path(path)
    data = _bytes(path)
    if not data:
        raise TableError(f"{path}: is empty (0 bytes): check how it was exported")
    table = READERS[path.suffix.lower()](data, path, text)
    if not table.width:
        raise TableError(f"{path}: has no columns besides row labels: give a table with columns to learn from")
    if not table.height:
        raise TableError(
            f"{path}: has {count(table.width, 'column')} and no rows: add rows, or check how it was exported"
        )
    return table


def _bytes(path: Path) -> bytes:
    """The whole file; its suffix is looked at once it is known to be there."""
    try:
        if path.exists() and not path.is_dir() and path.suffix.lower() not in READERS:
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
    scan = "scan_ndjson" if READERS.get(path.suffix.lower()) is read_json_lines else "scan_csv"
    call = f'polars.{scan}("{path.name}").sink_parquet("{path.stem}.parquet")'
    return f"write it as Parquet, {call}, and train on that with --stream"


def _siblings(path: Path) -> str:
    try:
        names = sorted(each.name for each in path.parent.iterdir() if each.suffix.lower() in READERS)
    except OSError:
        names = []
    return near(path.name, names)
