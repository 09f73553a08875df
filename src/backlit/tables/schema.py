"""An encoder as plain JSON types, and back again with every field looked at: a model file may come from anywhere."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import MISSING, fields
from math import isfinite
from typing import Any

from backlit.errors import ModelError
from backlit.tables.columns import FORMS, Column
from backlit.tables.messages import listed, shown

FORMAT, VERSION = "backlit table encoder", 2  # 1 says nothing of how columns are written


def finite(value: object) -> bool:
    """Whether a value is a finite number, and no boolean."""
    return type(value) in (int, float) and isfinite(value)  # type: ignore[arg-type]  # checked before


REMEDY = "the file was altered or is not Backlit's; write the model again with 'backlit train'"
CHECKS = {  # annotation of a field: what the value must be, in words, and the test of it
    "str": ("text", lambda v: isinstance(v, str)),
    "int": ("a whole number, 0 or more", lambda v: type(v) is int and v >= 0),
    "bool": ("true or false", lambda v: isinstance(v, bool)),
    "float": ("a finite number", finite),
    "tuple[str, ...]": ("a list of texts", lambda v: isinstance(v, list) and all(isinstance(each, str) for each in v)),
    "tuple[int, ...]": (
        "a list of whole numbers",
        lambda v: isinstance(v, list) and all(type(each) is int for each in v),
    ),
    "tuple[float, ...]": ("a list of finite numbers", lambda v: isinstance(v, list) and all(map(finite, v))),
}


def encoder_to_dict(columns: Iterable[Column], rows: int, written: dict[str, Any] | None) -> dict[str, Any]:
    """Return the data of an encoder under a format name and a version; written : how its columns are, in files."""
    version = 1 if written is None else VERSION
    stored = {"format": FORMAT, "version": version, "rows": rows, "columns": [column.to_dict() for column in columns]}
    return stored | ({} if written is None else {"written": written})


def encoder_from_dict(stored: object) -> tuple[tuple[Column, ...], int, object]:
    """Return columns, number of rows, and how the columns are written (None: not known).

    Raises ModelError if a field is missing, strange or of another type.
    """
    record = check_header(stored, FORMAT, VERSION)
    rows = check_field(record, "rows", "int", f"{FORMAT}: ")
    entries = record.get("columns")
    if not isinstance(entries, list):
        raise fault(f"{FORMAT}: columns", "a list", entries)
    columns = tuple(_column(entry, f"{FORMAT}: columns[{i}]") for i, entry in enumerate(entries))
    names = [column.name for column in columns]
    if len(set(names)) < len(names):
        raise ModelError(f"{FORMAT}: columns share a name ({listed(names)}): {REMEDY}")
    return columns, rows, record.get("written")


def check_header(stored: object, format: str, version: int) -> dict[str, Any]:
    """Return `stored` as a dict where its format is the one expected and its version is known."""
    if not isinstance(stored, dict) or stored.get("format") != format:
        found = stored.get("format") if isinstance(stored, dict) else stored
        raise ModelError(f"{format}: {shown(str(found))} was found in its place: {REMEDY}")
    if type(stored.get("version")) is not int or stored["version"] > version:
        raise ModelError(
            f"{format}: its version is {shown(stored.get('version'))} and this program knows up to {version}: "
            f"update Backlit"
        )
    return stored


def check_field(record: dict[str, Any], name: str, annotation: str, where: str) -> Any:
    """Return a field of a record where it is what the annotation says; `where` stands before its name in the error."""
    wanted, test = CHECKS[annotation]
    value: Any = record.get(name)
    if not test(value):
        raise fault(f"{where}{name}", wanted, value)
    if annotation == "float":
        return float(value)
    return tuple(value) if isinstance(value, list) else value


def fault(where: str, wanted: str, value: object) -> ModelError:
    """The error for a field that is not what it has to be."""
    return ModelError(f"{where} has to be {wanted} and is {shown(str(value))}: {REMEDY}")


def _column(entry: object, where: str) -> Column:
    form = FORMS.get(str(entry.get("form"))) if isinstance(entry, dict) else None
    if form is None or not isinstance(entry, dict):
        raise fault(where, f"a column of form {', '.join(FORMS)}", entry)
    told = [field for field in fields(form) if field.name in entry or field.default is MISSING]
    unknown = sorted(entry.keys() - {"form", *(field.name for field in told)})
    if unknown:
        raise ModelError(f"{where} has fields that are not known ({listed(unknown)}): {REMEDY}")
    column = form(**{field.name: check_field(entry, field.name, str(field.type), f"{where}.") for field in told})
    problem = column.problem()
    if problem is not None:
        raise ModelError(f"{where}.{problem}, which cannot be: {REMEDY}")
    return column
