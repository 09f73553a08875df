"""Check a hyperparameter, and read a spec's names with the field's other names for them."""

import difflib
import math
from collections.abc import Collection, Mapping
from numbers import Integral, Real
from typing import Any

from backlit.errors import ProblemError

BELOW_1 = math.nextafter(1, 0)


def number(value: object, what: str, low: float, high: float) -> float:
    """The value as a float where it is a number in [low, high] and finite; else ProblemError naming `what`."""
    try:
        given = math.nan if isinstance(value, bool) or not isinstance(value, Real) else float(value)
    except OverflowError:  # a whole number above 1e308
        given = math.inf
    if not math.isfinite(given):
        raise ProblemError(f"{what} must be a finite number, not {value!r}")
    if not low <= given <= high:
        raise ProblemError(f"{what} must be in [{low:g}, {'1)' if high == BELOW_1 else f'{high:g}]'}, not {value!r}")
    return given


def whole(value: object, what: str, low: float, high: float) -> int:
    """The value as an int where it is a whole number in [low, high]; 2.0 is none; else ProblemError naming `what`."""
    if isinstance(value, bool) or not isinstance(value, Integral):
        raise ProblemError(f"{what} must be a whole number, not {value!r}")
    number(value, what, low, high)
    return int(value)


def known(name: object, names: Collection[str], what: str) -> str:
    """The name where it is one of `names`; else ProblemError with the nearest.

    >>> known("adma", ["adam", "sgd"], "optimizer")
    Traceback (most recent call last):
    backlit.errors.ProblemError: unknown optimizer 'adma': did you mean adam? (one of adam, sgd)
    """
    if isinstance(name, str) and name in names:
        return name
    close = difflib.get_close_matches(str(name).lower(), names, n=1)
    raise ProblemError(
        f"unknown {what} {name!r}: {f'did you mean {close[0]}? (' if close else ''}one of {', '.join(names)}"
        f"{')' if close else ''}"
    )


def spec_of(spec: object, what: str) -> dict[str, Any]:
    """A name or a mapping with a "name", as a dict of its own; else ProblemError."""
    if isinstance(spec, str):
        return {"name": spec}
    if isinstance(spec, Mapping) and "name" in spec:
        return dict(spec)
    raise ProblemError(f'{what} must be a name or {{"name": ...}}, not {spec!r}')
