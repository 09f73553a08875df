"""JSON lines: one object a line, its keys the names of the columns."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, NoReturn

from backlit.errors import TableError
from backlit.tables.json_bounds import check_lines
from backlit.tables.messages import shown

if TYPE_CHECKING:
    import polars as pl

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
            row = json.loads(line, parse_constant=_refuse_constant)
        except json.JSONDecodeError as fault:
            at = f"{path}: line {number}, column {fault.colno}"
            if number == 1 and line.lstrip().startswith("["):
                raise TableError(f"{at}: begins a JSON array, not JSON lines: write one object a line") from None
            raise TableError(f"{at}: is not JSON ({fault.msg}): mend it, or write one object a line") from None
        except _NotJson as fault:
            raise TableError(f"{path}: line {number} holds {fault}, which JSON does not have: write null") from None
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


class _NotJson(Exception):
    """NaN, Infinity: Python writes them, JSON does not have them."""


def _refuse_constant(name: str) -> NoReturn:
    raise _NotJson(name)
