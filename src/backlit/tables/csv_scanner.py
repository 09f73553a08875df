"""Where the records of a delimited text begin and end, and how many fields each has, counted by NumPy.

Polars fills a short line with missing values without a word, so the counting is done here.  A quote that opens a field
hides the delimiters and the line ends up to the quote that closes it (RFC 4180); a doubled quote closes and opens.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

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
