"""Files that are no text: a Parquet file read whole, its pages' counts looked at first, and a sheet of a workbook.

Workbooks are read by Polars' engine fastexcel (extra `excel`), their cells as text.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any

from backlit.errors import TableError
from backlit.tables.messages import listed, near

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
        check_pages(data)
        return pl.read_parquet(data).drop(ROW_LABELS, strict=False)
    except (pl.exceptions.PolarsError, pl.exceptions.PanicException, OSError, ValueError) as error:
        reason = (str(error).splitlines() or [type(error).__name__])[0]
        raise TableError(f"{path}: is a damaged Parquet file ({reason}): copy or write it anew") from error


def sheet_of(path: Path) -> tuple[Path, str]:
    """The file and the sheet that FILE.xlsx:SHEET names; "" where it names none.

    >>> sheet_of(Path("a.xlsx:Prices")), sheet_of(Path("a.csv"))
    ((PosixPath('a.xlsx'), 'Prices'), (PosixPath('a.csv'), ''))
    """
    for suffix in (".xlsx:", ".xls:", ".ods:"):
        at = path.name.lower().find(suffix)
        if at >= 0:
            end = at + len(suffix)
            return path.with_name(path.name[: end - 1]), path.name[end:]
    return path, ""


def read_workbook(data: bytes, path: object, sheet: str) -> pl.DataFrame:
    """Read a sheet as text; dates come as year-month-day.

    sheet : its name; "" for the only one that has cells.  Raises TableError if there is no such sheet, or several.
    """
    import polars as pl

    try:
        from fastexcel import FastExcelError, read_excel
    except ImportError:
        raise TableError(
            f"{path}: reading a workbook needs fastexcel: pip install 'backlit[excel]', or save it as CSV"
        ) from None
    try:
        book = read_excel(data)
        names = book.sheet_names
        if sheet and sheet not in names:
            raise TableError(f"{path}: has no sheet {sheet!r}: {near(sheet, names)}")
        tables = {name: book.load_sheet(name, dtypes="string").to_polars() for name in ([sheet] if sheet else names)}
    except FastExcelError as error:
        reason = (str(error).splitlines() or ["no reason given"])[0]
        raise TableError(f"{path}: could not be read as a workbook ({reason}): save it anew, or as CSV") from None
    full = [name for name, table in tables.items() if table.width]
    if len(full) > 1:
        raise TableError(f"{path}: has sheets {listed(full)}: say which, {Path(str(path)).name}:{full[0]}")
    table = tables[full[0]] if full else pl.DataFrame()
    filled = pl.any_horizontal(pl.all().str.strip_chars().fill_null("") != "")
    return table.filter(filled) if table.width else table


# --- counts in the headers of pages -----------------------------------------------------------------------------------
# Polars believes them: at one below 0 it aborts the process.  Read here is as much of the format as finds them
# (https://parquet.apache.org/docs/file-format, in Thrift's compact protocol), in files with a footer of ordinary size.
# What cannot be read so is left to Polars.

MOST_FOOTER, MOST_PAGES = 2**18, 10_000  # bytes and pages that are looked at; larger files take too long in Python
TRUE, FALSE, BYTE, SMALLEST, LARGEST, DOUBLE, BINARY, LIST, SET, STRUCT = 1, 2, 3, 4, 6, 7, 8, 9, 10, 12
GROUPS, COLUMNS, METADATA = 4, 1, 3  # fields of the footer, of a group of rows, and of a column in it
VALUES, LENGTH, DATA, DICTIONARY = 5, 7, 9, 11  # of a column's metadata: counts, and where its pages lie
SIZE, STORED, PAGE, WORDS, PAGE_2 = 2, 3, 5, 7, 8  # of a page's header


def check_pages(data: bytes) -> None:
    """Raise ValueError if a page says that it has less than no values, or more than its column."""
    with suppress(IndexError, KeyError, TypeError, AttributeError, RecursionError, UnreadError):
        for header, values in headers(data):
            if header[SIZE] < 0 or header[STORED] < 0:
                raise ValueError("a page of less than 0 bytes")
            for kind, most in ((PAGE, values), (PAGE_2, values), (WORDS, header[SIZE])):
                if kind in header and not 0 <= header[kind][1] <= most:
                    raise ValueError(f"a page of {header[kind][1]:,} values, where its column has {values:,}")


def headers(data: bytes) -> Iterator[tuple[dict[int, Any], int]]:
    """The header of each page, and how many values its column has in these rows."""
    size = int.from_bytes(data[-8:-4], "little")
    if size > MOST_FOOTER:
        return
    seen = 0
    for group in Compact(data, len(data) - 8 - size).struct()[GROUPS]:
        for column in group[COLUMNS]:
            about = column[METADATA]
            at = min(about[DATA], about.get(DICTIONARY) or about[DATA])
            end = at + about[LENGTH]
            while at < end and seen < MOST_PAGES:
                reader = Compact(data, at)
                header = reader.struct()
                yield header, about[VALUES]
                at, seen = reader.at + header[STORED], seen + 1


class UnreadError(Exception):
    """What is no Thrift, or a part of it that Parquet does not use."""


class Compact:
    """Values of Thrift's compact protocol, one after the other; a struct is a table by the numbers of its fields."""

    def __init__(self, data: bytes, at: int) -> None:
        self.data, self.at = data, at

    def byte(self) -> int:
        """The next one."""
        self.at += 1
        return self.data[self.at - 1]

    def unsigned(self) -> int:
        """Seven bits a byte, the lowest first."""
        number = 0
        for shift in range(0, 70, 7):
            byte = self.byte()
            number |= (byte & 127) << shift
            if byte < 128:
                return number
        raise UnreadError

    def signed(self) -> int:
        """0, −1, 1, −2, 2, … as 0, 1, 2, 3, 4, …"""
        number = self.unsigned()
        return number >> 1 ^ -(number & 1)

    def value(self, kind: int) -> Any:
        """One value of a kind; texts and floats are passed over."""
        if kind in (TRUE, FALSE):
            return kind == TRUE
        if kind == BYTE:
            return self.byte()
        if SMALLEST <= kind <= LARGEST:
            return self.signed()
        if kind == STRUCT:
            return self.struct()
        if kind in (LIST, SET):
            head = self.byte()
            length = head >> 4 if head >> 4 < 15 else self.unsigned()
            if head & 15 in (TRUE, FALSE):  # a byte each in a list
                self.at += length
                return None
            return [self.value(head & 15) for _ in range(length)]
        if kind not in (DOUBLE, BINARY):
            raise UnreadError
        length = 8 if kind == DOUBLE else self.unsigned()
        self.at += length  # not in one line: reading the length moves on too
        return None

    def struct(self) -> dict[int, Any]:
        """Fields up to the byte 0; each says its kind and how far its number is from the last one's."""
        fields: dict[int, Any] = {}
        number = 0
        while head := self.byte():
            number = number + (head >> 4) if head >> 4 else self.signed()
            fields[number] = self.value(head & 15)
        return fields
