"""Check the hyperparameters of optimizers and schedules: a check takes a value and its name, and gives the value back.

A check gives plain Python numbers, so that a description can be written into a file and a float32 array stays float32.

>>> number(0, 1, high_open=True)(0.9, "optimizer adam: beta1")
0.9
>>> number(0, 1, high_open=True)(1.0, "optimizer adam: beta1")
Traceback (most recent call last):
backlit.errors.ProblemError: optimizer adam: beta1 must be a finite number in [0, 1), not 1.0
"""

import math
from collections.abc import Callable
from numbers import Real
from reprlib import repr as short  # so that a number of a thousand digits does not fill the screen
from typing import Any

from backlit.errors import ProblemError

Check = Callable[[object, str], Any]
INF = math.inf


def as_float(value: object) -> float:
    """The value as a float, NaN if it is no number; a bool is none, whatever Python says."""
    if isinstance(value, bool) or not isinstance(value, Real):
        return math.nan
    try:
        return float(value)
    except OverflowError:  # a whole number above 1e308
        return math.inf


def number(low: float, high: float = INF, *, low_open: bool = False, high_open: bool = False) -> Check:
    """A finite number between low and high; an open end is left out."""
    interval = f"{'(' if low_open else '['}{low:g}, {high:g}{')' if high_open or high == INF else ']'}"

    def check(value: object, what: str) -> float:
        x = as_float(value)
        inside = (low < x if low_open else low <= x) and (x < high if high_open else x <= high)
        if not (math.isfinite(x) and inside):
            raise ProblemError(f"{what} must be a finite number in {interval}, not {short(value)}")
        return x

    return check


def whole(low: int) -> Check:
    """A whole number from low on; 10.0 is one, 10.5 is not."""

    def check(value: object, what: str) -> int:
        x = as_float(value)
        if not (math.isfinite(x) and x.is_integer() and x >= low):
            raise ProblemError(f"{what} must be a whole number from {low} on, not {short(value)}")
        return int(x)  # a count above 2⁵³ is no count of epochs or steps, so nothing is lost

    return check


def flag(value: object, what: str) -> bool:
    """True or False, and nothing that merely counts as one."""
    if not isinstance(value, bool):
        raise ProblemError(f"{what} must be true or false, not {value!r}")
    return value


def one_of(*choices: str) -> Check:
    """One of a few words."""

    def check(value: object, what: str) -> str:
        if not isinstance(value, str) or value not in choices:
            raise ProblemError(f"{what} must be {' or '.join(map(repr, choices))}, not {value!r}")
        return value

    return check


def optional(check: Check) -> Check:
    """None, or what the check takes."""
    return lambda value, what: None if value is None else check(value, what)
