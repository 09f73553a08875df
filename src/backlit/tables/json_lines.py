"""JSON lines: one object a line, its keys the names of the columns, read within bounds."""

from __future__ import annotations

import io
import json
import re
from typing import TYPE_CHECKING, NoReturn

from backlit.bounded_reading import DEEPEST, from_json, limits_said
from backlit.errors import TableError
from backlit.tables.messages import shown

if TYPE_CHECKING:
    import polars as pl

KEY = re.compile(rb'"((?:[^"\\\n]|\\.)*+)"[ \t]*+:')
STRING = re.compile(rb'"(?:[^"\\\n]|\\.)*+"')
HALF = re.compile(rb"\\u[dD][89a-fA-F]")  # of a character written as two escapes, or of none
MOST_COLUMNS = 50_000
SPARSE = 2000  # columns, from which on cells without a value are counted too: reading takes time and memory for each
FEW = 16  # brackets of a line that nobody need look at
TYPES = {
    bool: "true or false",
    int: "a number",
    float: "a number",
    str: "text",
    list: "a list",
    dict: "an object",
}


def read_json_lines(body: bytes, path: object) -> pl.DataFrame:
    r"""Read JSON lines in UTF-8; a column of numbers in some lines and of texts in others is one of texts.

    >>> read_json_lines(b'{"a": 1, "b": "x"}\n{"a": 2.5}\n', "t.jsonl").rows()
    [(1.0, 'x'), (2.5, None)]
    """
    import polars as pl

    if not body.strip():
        raise TableError(f'{path}: is empty: JSON lines hold one object a line, such as {{"age": 31}}')
    check_lines(body, path)
    try:
        table = pl.read_ndjson(body, infer_schema_length=None)
    except (pl.exceptions.PolarsError, pl.exceptions.PanicException, RuntimeError) as error:
        _explain(body, path, error)
    if not table.width:
        raise TableError(f'{path}: its objects are empty: name the columns, such as {{"age": 31}}')
    return table


def _explain(body: bytes, path: object, error: BaseException) -> NoReturn:
    """Find the line that Polars could not read; slow, as it reads line by line, and only for a broken file."""
    kinds: dict[str, tuple[str, int]] = {}
    for number, line in enumerate(body.decode("utf-8").split("\n"), start=1):
        if not line.strip():
            continue
        try:
            with limits_said():
                row = json.loads(line, parse_constant=_refuse_constant)
        except json.JSONDecodeError as fault:
            at = f"{path}: line {number}, column {fault.colno}"
            if number == 1 and line.lstrip().startswith("["):
                raise TableError(f"{at}: begins a JSON array, not JSON lines: write one object a line") from None
            raise TableError(f"{at}: is not JSON ({fault.msg}): mend it, or write one object a line") from None
        except ValueError as fault:
            raise TableError(f"{path}: line {number} holds {fault}: write null or another number") from None
        if not isinstance(row, dict):
            kind = TYPES.get(type(row), "null")
            raise TableError(f"{path}: line {number} holds {kind}, not an object: write one object a line")
        _same_kinds(row, kinds, number, path)
    reason = str(error).splitlines()[0]
    raise TableError(f"{path}: could not be read as JSON lines ({reason}): save it as CSV or Parquet") from error


def _same_kinds(row: dict[str, object], kinds: dict[str, tuple[str, int]], number: int, path: object) -> None:
    for name, value in row.items():
        if value is not None:
            kind, first = kinds.setdefault(name, (TYPES[type(value)], number))
            if TYPES[type(value)] != kind:
                raise TableError(
                    f"{path}: line {number} has {TYPES[type(value)]} in {shown(name)} and line {first} {kind}: "
                    f"write the column in one type"
                )


def _refuse_constant(name: str) -> NoReturn:
    """NaN, Infinity: Python writes them."""
    raise ValueError(f"{name}, which JSON does not have")


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
