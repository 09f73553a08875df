"""JSON lines that Polars would need memory without bound for, or read as something else than they say."""

import io
import json
import re

from backlit.bounded_reading import DEEPEST, from_json
from backlit.errors import TableError

KEY = re.compile(rb'"((?:[^"\\\n]|\\.)*+)"[ \t]*+:')
STRING = re.compile(rb'"(?:[^"\\\n]|\\.)*+"')
HALF = re.compile(rb"\\u[dD][89a-fA-F]")  # of a character written as two escapes, or of none
MOST_COLUMNS = 50_000
SPARSE = 2000  # columns, from which on cells without a value are counted too: reading takes time and memory for each
FEW = 16  # brackets of a line that nobody need look at


def check_lines(body: bytes, path: object) -> None:
    r"""Raise TableError, with the line, for deep nesting, too many columns, a key given twice, half a character.

    Lines with the same keys in the same order are looked at once; it takes a small part of the time that reading does.

    >>> check_lines(b'{"a": 1, "a": 2}\n', "t.jsonl")
    Traceback (most recent call last):
    backlit.errors.TableError: t.jsonl: line 1: key 'a' is given twice: mend the line
    """
    layouts: set[tuple[bytes, ...]] = set()
    columns: set[bytes] = set()
    given = 0
    for number, line in enumerate(io.BytesIO(body), start=1):
        if line.count(b"{") + line.count(b"[") > FEW:
            check_depth(line, number, path)
        keys = tuple(KEY.findall(line))
        given += len(keys)
        if keys not in layouts:
            layouts.add(keys)
            columns.update(keys)
            empty = len(columns) * number - given if len(columns) > SPARSE else 0
            if len(columns) > MOST_COLUMNS or empty > 30 * given + 10**7:
                raise TableError(
                    f"{path}: line {number}: its lines have {len(columns):,} different keys, most of them in few "
                    f"lines: give every line the same keys"
                )
            if len(set(keys)) < len(keys):
                check_whole(line, number, path)
        if HALF.search(line):
            check_whole(line, number, path)
        if len(layouts) > MOST_COLUMNS:
            layouts.clear()  # keys in ever other orders need no memory


def check_depth(line: bytes, number: int, path: object) -> None:
    """Raise TableError where a line nests too deep."""
    depth = deepest = 0
    for bracket in re.findall(rb"[\[\]{}]", STRING.sub(b"", line)):
        depth += 1 if bracket in b"[{" else -1
        deepest = max(deepest, depth)
    if deepest > DEEPEST:
        raise TableError(
            f"{path}: line {number} holds tables inside tables, too deep (more than {DEEPEST}): give numbers and texts"
        )


def check_whole(line: bytes, number: int, path: object) -> None:
    """Raise TableError where a line of JSON gives a key twice or holds half a character; what is no JSON passes."""
    try:
        json.loads(line)
    except (ValueError, RecursionError):  # who reads it says so
        return
    try:
        from_json(line.decode())
    except ValueError as error:
        raise TableError(f"{path}: line {number}: {error}: mend the line") from None
