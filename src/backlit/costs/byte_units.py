"""Bytes as people write them, both ways."""

import re
from typing import Any

from backlit.core.specs import positive_integer
from backlit.errors import ProblemError

UNITS = {"": 1, "B": 1, "KB": 10**3, "MB": 10**6, "GB": 10**9, "KIB": 2**10, "MIB": 2**20, "GIB": 2**30}


def read_bytes(value: Any, what: str = "memory_limit") -> int:
    """A number of bytes, or text such as "64MB" (10⁶) or "64 MiB" (2²⁰).

    Raises ProblemError if it is neither, or below 1.

    >>> read_bytes("64MB"), read_bytes("1.5 KiB"), read_bytes(100)
    (64000000, 1536, 100)
    """
    if not isinstance(value, str):
        return positive_integer(value, what)
    found = re.fullmatch(r"\s*([0-9]+(?:\.[0-9]*)?)\s*([KMG]?I?B?)\s*", value.upper())
    unit = found and (found[2] if found[2].endswith("B") or not found[2] else found[2] + "B")
    if found is None or unit not in UNITS:
        raise ProblemError(f"{what} takes bytes, such as 64MB, 2GiB or 1000000, not {value!r}")
    return positive_integer(int(float(found[1]) * UNITS[unit]), what)


def amount(value: float) -> str:
    """A count with a unit.

    >>> amount(12_300_000)
    '12.3 M'
    """
    for unit in ("", " k", " M", " G", " T"):
        if value < 1000:
            return f"{value:.4g}{unit}"
        value /= 1000
    return f"{value:.4g} P"


def size(value: float) -> str:
    """Bytes with a unit.

    >>> size(1536)
    '1.5 KiB'
    """
    for unit in ("B", "KiB", "MiB", "GiB"):
        if value < 1024:
            return f"{value:.4g} {unit}"
        value /= 1024
    return f"{value:.4g} TiB"
