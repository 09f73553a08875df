"""Read numbers, and `"name"` or `{"name": ..., "parameter": ...}`, as files name activations and their like."""

import math
from collections.abc import Collection, Mapping
from numbers import Real
from operator import index
from reprlib import repr as short  # a number of a thousand digits does not fill the screen
from typing import Any

import numpy as np

from backlit.errors import ProblemError, near


def read_spec(
    spec: object, kind: str, known: Collection[str], takes: Mapping[str, tuple[str, ...]], *, key: str = "name"
) -> tuple[str, dict[str, Any]]:
    """Split a spec into its name and its numeric parameters, both checked.

    `takes` says which parameters each name has; a name that is not in it has none.
    Raises ProblemError: no name, an unknown one, an unknown parameter, a parameter that is not a finite number.
    """
    if isinstance(spec, str):
        spec = {key: spec}
    if not isinstance(spec, Mapping) or key not in spec:
        raise ProblemError(f'{kind} must be a name or {{"{key}": ...}}, not {spec!r}: {near("", known)}')
    name = spec[key]
    if not isinstance(name, str) or name not in known:
        raise ProblemError(f"unknown {kind} {name!r}: {near(name, known)}")
    parameters = {k: v for k, v in spec.items() if k != key}
    for parameter, value in parameters.items():
        if parameter not in takes.get(name, ()):
            allowed = near(parameter, takes[name]) if takes.get(name) else "it takes none"
            raise ProblemError(f"{kind} {name} has no parameter {parameter!r}: {allowed}")
        parameters[parameter] = finite_number(value, f"{kind} {name}: {parameter}")
    return name, parameters


def finite_number(value: object, what: str, *, low: float = -math.inf, high: float = math.inf) -> float:
    """Return `value` as a float where it is a finite number in [low, high]; else raise ProblemError naming `what`."""
    try:
        number = math.nan if isinstance(value, bool) or not isinstance(value, Real) else float(value)
    except OverflowError:  # a whole number above 1e308
        number = math.inf
    if not math.isfinite(number):
        raise ProblemError(f"{what} must be a finite number, not {short(value)}")
    if not low <= number <= high:
        raise ProblemError(f"{what} must be in [{low:g}, {high:g}], not {value!r}")
    return number


def whole_number(value: Any, what: str) -> int:
    """Return `value` as an int where it is a whole number; True and 2.0 are not."""
    try:
        if isinstance(value, bool | np.bool_):
            raise TypeError
        return index(value)
    except TypeError:
        raise ProblemError(f"{what} must be a whole number, not {value!r}") from None


def positive_integer(value: object, what: str) -> int:
    """Return `value` as an int ≥ 1, else raise ProblemError."""
    number = whole_number(value, what)
    if number < 1:
        raise ProblemError(f"{what} must be at least 1, not {number}")
    return number
