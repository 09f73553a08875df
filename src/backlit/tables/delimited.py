"""CSV, TSV and their kin: one header line, then one record a row, every record as wide as the header."""

from __future__ import annotations

import csv
import re
from collections import Counter
from dataclasses import dataclass
from io import StringIO
from itertools import islice
from typing import TYPE_CHECKING, Literal

import numpy as np

from backlit.errors import TableError
from backlit.tables.column_formats import cleaned
from backlit.tables.messages import count, listed

if TYPE_CHECKING:
    from collections.abc import Collection

    import polars as pl
    from numpy.typing import NDArray

NUMBER = re.compile(r"[+-]?(\d+([.,]\d*)*|[.,]\d+)([eE][+-]?\d+)?")
WHOLE = re.compile(r"\d+")


def read_delimited(body: bytes, path: object, names: Collection[str] = ()) -> tuple[pl.DataFrame, str]:
    r"""Read a text table in UTF-8, each cell as it is written; and its delimiter.

    names : columns that are expected, by which the delimiter is told in a table that leaves it open.

    >>> table, delimiter = read_delimited(b"name;weight\nkiwi;0,1\nmelon;1,5\n", "fruit.csv")
    >>> table.rows(), delimiter
    ([('kiwi', '0,1'), ('melon', '1,5')], ';')
    """
    import polars as pl

    stated = stated_dialect(body)
    dialect = stated or expected_dialect(body, names) or find_dialect(body, path)
    records = without_blank(body, scan(body, dialect.delimiter, quoted=dialect.quoted))
    if stated:
        records = records.take(slice(1, None))  # the line `sep=;`
    if not records.fields.size or not body.strip():
        raise TableError(f"{path}: is empty: a table needs a header line with the names of the columns, and rows")
    names = _checked(body, records, dialect, path)
    if records.fields.size == 1:
        raise TableError(f"{path}: has a header line and no rows below it: add rows, or check how it was exported")
    table = pl.read_csv(
        cut(body, records.take(slice(1, None))),
        has_header=False,
        infer_schema=False,
        separator=dialect.delimiter,
        quote_char='"' if dialect.quoted else None,
        schema=dict.fromkeys(names, pl.String),
    )
    rows = records.fields.size - 1
    if table.height != rows:
        raise TableError(
            f"{path}: {table.height:,} of {rows:,} rows could be read: check the quotes, or save it as Parquet"
        )
    header = dialect.split(body[records.start[0] : records.stop[0]])
    unnamed = [name for name, title in zip(names, header, strict=True) if not title.strip()]
    return _without_labels(table, unnamed), dialect.delimiter


def _checked(body: bytes, records: Records, dialect: Dialect, path: object) -> list[str]:
    """Names of the columns, once quotes, widths and header are found to be in order."""
    if dialect.quoted:
        _check_quotes(body, records, dialect, path)
    header = dialect.split(body[records.start[0] : records.stop[0]])
    _check_widths(body, records, header, dialect, path)
    names = [name.strip() or f"column_{i}" for i, name in enumerate(header, start=1)]
    line = line_of(body, records.start[0])
    if all(NUMBER.fullmatch(name) for name in names) and not (
        all(WHOLE.fullmatch(name) for name in names) and len(set(names)) == len(names)
    ):
        raise TableError(
            f"{path}: line {line} holds numbers ({listed(names, most=3)}) where the names of the columns belong: "
            f"add a header line"
        )
    twice = sorted(name for name, count in Counter(names).items() if count > 1)
    if twice:
        raise TableError(
            f"{path}: line {line} names {listed(twice, most=3)} more than once: give each column a name of its own"
        )
    return names


def _check_quotes(body: bytes, records: Records, dialect: Dialect, path: object) -> None:
    wrong = misplaced_quote(body, dialect.delimiter)
    if wrong is not None:
        raise TableError(
            f'{path}: line {line_of(body, wrong)} has a quote (") inside a field that does not begin with one: '
            f'put the field in quotes and write "" for each quote in it'
        )
    if records.open:
        line = line_of(body, records.start[-1])
        raise TableError(
            f'{path}: a quote (") opens at line {line} or below and never closes: close it, or take it out'
        )


def _check_widths(body: bytes, records: Records, header: list[str], dialect: Dialect, path: object) -> None:
    width = len(header)
    ragged = np.flatnonzero(records.fields != width)
    if not ragged.size:
        return
    first, rows = ragged[0], records.fields.size - 1
    found, line = int(records.fields[first]), line_of(body, records.start[first])
    head = line_of(body, records.start[0])
    others = f" ({count(ragged.size - 1, 'line')} more like it)" if ragged.size > 1 else ""
    remedy = f"mend the line, or put fields that hold a {dialect.name} in quotes"
    if width == 1:
        remedy = "name every column in the header, and take out lines above it"
    elif ragged.size == rows and found == width + 1 and np.all(records.fields[1:] == found):
        remedy = f"name every column, row names too, or put fields that hold a {dialect.name} in quotes"
    raise TableError(
        f"{path}: line {line} has {count(found, 'field')}, the header in line {head} has {width}{others}: {remedy}"
    )


def _without_labels(table: pl.DataFrame, unnamed: list[str]) -> pl.DataFrame:
    """Leave out row labels: a first column without a name, of values that differ in every row and are no decimals.

    They say where a row stood, not what it is: a model that learns from them has seen the answer where rows are sorted.
    Columns without name and values come from delimiters at the ends of lines, and are left out too.
    """
    import polars as pl

    empty = [name for name in unnamed if cleaned(table[name]).null_count() == table.height]
    table = table.drop(empty) if len(empty) < table.width else table
    first = table.columns[0]
    if first in unnamed and table.height > 1 and table[first].n_unique() == table.height:
        numbers = table[first].cast(pl.Float64, strict=False)
        if numbers.null_count() or (numbers == numbers.round()).all():
            table = table.drop(first)
    return table


DELIMITERS = {",": "comma", ";": "semicolon", "\t": "tab", "|": "pipe"}
SAMPLE = 1 << 20  # bytes looked at
ROWS = 200  # lines of the sample whose fields are read
NUMBER_PATTERN = {
    True: re.compile(r"\s*[+-]?(\d+([.,]\d+)*|[.,]\d+)([eE][+-]?\d+)?\s*"),  # 1,5 and 1.234,5 too
    False: re.compile(r"\s*[+-]?(\d+\.?\d*|\.\d+)([eE][+-]?\d+)?\s*"),
}
SEPARATOR_LINE = re.compile(rb'^"?sep=([ -~\t])"?\r?\n')  # Excel's own way to say it, above the header


@dataclass(frozen=True)
class Dialect:
    """The delimiter of a text table, and whether double quotes hold fields together in it."""

    delimiter: str
    quoted: bool

    @property
    def name(self) -> str:
        """The delimiter in a word."""
        return DELIMITERS.get(self.delimiter, repr(self.delimiter))

    def split(self, line: bytes) -> list[str]:
        """Fields of one record; fewer where it is none in this dialect.

        >>> Dialect(",", quoted=True).split(b'1,"a, b"')
        ['1', 'a, b']
        """
        quoting: Literal[0, 3] = csv.QUOTE_MINIMAL if self.quoted else csv.QUOTE_NONE
        text = line.decode("utf-8", errors="replace").removesuffix("\r")
        try:
            return next(csv.reader(StringIO(text, newline=""), delimiter=self.delimiter, quoting=quoting), [])
        except csv.Error:  # a field that is too long to be one
            return []


def stated_dialect(data: bytes) -> Dialect | None:
    r"""Dialect that a first line `sep=;` states.

    >>> stated_dialect(b"sep=;\na;b\n")
    Dialect(delimiter=';', quoted=False)
    """
    found = SEPARATOR_LINE.match(data)
    if found is None:
        return None
    delimiter = found[1].decode("ascii")
    return Dialect(delimiter, has_quoted_fields(data[found.end() :], delimiter))


def expected_dialect(body: bytes, names: Collection[str]) -> Dialect | None:
    """The dialect in which the first line names all the columns that are expected; None if none does.

    >>> expected_dialect(b'a;"b, c"\\n1,5;2,5\\n', ["b, c"])
    Dialect(delimiter=';', quoted=True)
    """
    sample, best, most = body[:SAMPLE], None, -1.0
    for delimiter in DELIMITERS if names else ():
        dialect = Dialect(delimiter, has_quoted_fields(sample, delimiter))
        records = without_blank(sample, scan(sample, delimiter, quoted=dialect.quoted))
        header = dialect.split(sample[records.start[0] : records.stop[0]]) if records.fields.size else []
        if set(names) <= {name.strip() for name in header}:
            agreement = float(np.mean(records.fields == len(header)))
            best, most = (dialect, agreement) if agreement > most else (best, most)
    return best


def find_dialect(data: bytes, name: object = "") -> Dialect:
    """Find the dialect of a text that begins with its header; one without any delimiter has one column.

    name : of the file; one that ends in .tsv has tabs wherever all its lines agree on them.

    >>> find_dialect(b"price;weight\\n1,5;2,5\\n").name
    'semicolon'
    """
    sample = data[:SAMPLE]
    if len(data) > SAMPLE:
        sample = sample[: sample.rfind(b"\n") + 1] or sample
    best, most = Dialect(",", has_quoted_fields(sample, ",")), (0.0, 0.0, 0)
    for delimiter in DELIMITERS:
        dialect = Dialect(delimiter, has_quoted_fields(sample, delimiter))
        score = _score(sample, dialect)
        if delimiter == "\t" and score[0] == 1 and str(name).lower().endswith(".tsv"):
            return dialect
        if score > most:
            best, most = dialect, score
    return best


def _score(sample: bytes, dialect: Dialect) -> tuple[float, float, int]:
    """Share of lines that agree with the header, share of fields that are numbers, number of fields."""
    records = without_blank(sample, scan(sample, dialect.delimiter, quoted=dialect.quoted))
    if not records.fields.size:
        return (0.0, 0.0, 0)
    width = int(records.fields[0])
    if width < 2:  # a title above the header: the lines below it agree, and the reader will name the first
        below = np.unique(records.fields[1:])
        return (0.0, 0.0, int(below[0]) if below.size == 1 and below[0] > 1 else 0)
    agreement = float(np.mean(records.fields[1:] == width)) if records.fields.size > 1 else 1.0
    return (agreement, _share_of_numbers(sample, records, dialect), width)


def _share_of_numbers(sample: bytes, records: Records, dialect: Dialect) -> float:
    rows = islice(zip(records.start[1:], records.stop[1:], strict=True), ROWS)
    cells = [cell for start, stop in rows for cell in dialect.split(sample[start:stop]) if cell.strip()]
    number = NUMBER_PATTERN[dialect.delimiter != ","]
    return sum(number.fullmatch(cell) is not None for cell in cells) / max(len(cells), 1)


# --- where records begin and end --------------------------------------------------------------------------------------
# Polars fills a short line with missing values without a word, so the fields of each record are counted here.  A quote
# that opens a field hides the delimiters and the line ends up to the quote that closes it (RFC 4180); a doubled quote
# closes and opens.

NEWLINE, QUOTE = ord("\n"), ord('"')
BLANKS = b" \r\v\f"
BLOCK = 1 << 21  # bytes at a time: temporary arrays, 40 bytes a line, stay small beside the file


@dataclass(frozen=True)
class Records:
    """Record i is data[start[i]:stop[i]], without its line feed, and has fields[i] fields.

    start, stop, fields : (n,) integers.  `open` says that the last quote never closes.
    """

    start: NDArray[np.int64]
    stop: NDArray[np.int64]
    fields: NDArray[np.int64]
    open: bool

    def take(self, index: NDArray[np.int64] | slice) -> Records:
        """Some of the records."""
        return Records(self.start[index], self.stop[index], self.fields[index], self.open)


def scan(data: bytes, delimiter: str, *, quoted: bool) -> Records:
    """Find the records of a text; lines without a letter are none, so that millions of them take no memory.

    >>> scan(b'a,b\\n"x,\\ny",2\\n', ",", quoted=True).fields
    array([2, 2])
    """
    starts, stops, counts = ([np.empty(0, np.int64)] for _ in range(3))
    letters, blanks = np.frombuffer(data, np.uint8), list(set(BLANKS) - {ord(delimiter)})
    parity, seen, start = np.uint8(0), 0, 0  # delimiters since the last line end, where a record begins
    for at in range(0, len(data), BLOCK):
        block = np.frombuffer(data, np.uint8, count=min(BLOCK, len(data) - at), offset=at)
        breaks, marks = block == NEWLINE, block == ord(delimiter)
        if quoted:
            inside = (np.cumsum(block == QUOTE, dtype=np.uint8) + parity) & 1  # wrapping at 256 keeps the parity
            breaks &= inside == 0
            marks &= inside == 0
            parity = inside[-1]
        ends, delimiters = np.flatnonzero(breaks), np.flatnonzero(marks)
        if not ends.size:
            seen += delimiters.size
            continue
        length = np.diff(ends, prepend=start - at - 1) - 1
        before = np.searchsorted(delimiters, ends)
        written = np.flatnonzero((length > 1) | ((length == 1) & ~np.isin(letters[ends + at - 1], blanks)))
        stops.append(ends[written] + at)
        starts.append(ends[written] + at - length[written])
        counts.append(np.diff(before, prepend=-seen)[written] + 1)
        start, seen = int(ends[-1]) + at + 1, delimiters.size - int(before[-1])
    if start < len(data) and (len(data) - start > 1 or data[-1] not in blanks):  # a last line without a line feed
        for found, last in ((starts, start), (stops, len(data)), (counts, seen + 1)):
            found.append(np.array([last]))
    return Records(np.concatenate(starts), np.concatenate(stops), np.concatenate(counts), bool(parity))


def has_quoted_fields(data: bytes, delimiter: str) -> bool:
    """Say whether a quote opens a field anywhere; where none does, quotes are letters (5" pipe)."""
    if b'"' not in data:
        return False
    return data.startswith(b'"') or any(mark + b'"' in data for mark in (delimiter.encode(), b"\n"))


def misplaced_quote(data: bytes, delimiter: str) -> int | None:
    """Offset of the first quote that opens where no field begins, or None."""
    parity = np.uint8(0)
    for at in range(0, len(data), BLOCK):
        block = np.frombuffer(data, np.uint8, count=min(BLOCK, len(data) - at), offset=at)
        quotes = block == QUOTE
        inside = (np.cumsum(quotes, dtype=np.uint8) + parity) & 1
        opening = np.flatnonzero(quotes & (inside == 1)) + at
        parity = inside[-1]
        if opening.size:
            previous = np.frombuffer(data, np.uint8)[np.maximum(opening - 1, 0)]
            wrong = (opening > 0) & ~np.isin(previous, [NEWLINE, QUOTE, ord(delimiter)])
            if wrong.any():
                return int(opening[wrong][0])
    return None


def without_blank(data: bytes, records: Records) -> Records:
    """Leave out the records that hold nothing but blanks; they are no rows, in a table of one column neither.

    >>> without_blank(b"a,b\\n\\n1,2\\n  \\n", scan(b"a,b\\n\\n1,2\\n  \\n", ",", quoted=False)).start
    array([0, 5])
    """
    short = records.stop - records.start < 2
    alone = (records.fields == 1) & (short | (records.fields.max(initial=1) > 1))
    length, first = (
        records.stop - records.start,
        np.frombuffer(data, np.uint8)[np.minimum(records.start, len(data) - 1)],
    )
    blank = alone & ((length == 0) | np.isin(first, list(BLANKS)))  # a line of other letters is none, nor its first
    for i in np.flatnonzero(blank & (length > 1)):
        blank[i] = not data[records.start[i] : records.stop[i]].strip(BLANKS)
    return records.take(~blank)


def cut(data: bytes, records: Records) -> bytes:
    """Return the bytes of these records alone, each with its line end."""
    if not records.start.size:
        return b""
    gaps = np.flatnonzero(records.start[1:] != records.stop[:-1] + 1)
    starts = records.start[np.concatenate([[0], gaps + 1])]
    stops = records.stop[np.concatenate([gaps, [-1]])] + 1
    return b"".join(data[start:stop] for start, stop in zip(starts, stops, strict=True))


def line_of(data: bytes, offset: int) -> int:
    """Number of the line, from 1, that a byte stands in."""
    return data.count(b"\n", 0, int(offset)) + 1
