"""Which sign separates the fields of a text table, found from the text itself.

The right sign gives every line as many fields as the header.  Where two do (`1,5;2,5` under `a,x;b,y` splits evenly by
either), the one whose fields read as numbers is right: split at the wrong sign, they are scraps like `5;2`.
"""

import csv
import re
from dataclasses import dataclass
from io import StringIO
from itertools import islice
from typing import Literal

import numpy as np

from backlit.io.tables.records import Records, has_quoted_fields, scan, without_blank

DELIMITERS = {",": "comma", ";": "semicolon", "\t": "tab", "|": "pipe"}
SAMPLE = 1 << 20  # bytes looked at
ROWS = 200  # lines of the sample whose fields are read
NUMBER = {
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
    number = NUMBER[dialect.delimiter != ","]
    return sum(number.fullmatch(cell) is not None for cell in cells) / max(len(cells), 1)
