"""Exact numbers: an arithmetic in which the two passes keep fractions, and say where they stop being rational.

Arrays of dtype object hold `Exact` numbers, and `core`'s lines run on them as they do on floats: sums, products and
comparisons of fractions are fractions; a root is one where it comes out even; every other function gives a float, and
whatever is computed from a float is one.  A Python float in a formula is the decimal that it is written as.

>>> half = Exact(0.5)
>>> half / 3 + 1, (half / 2).sqrt(), half.exp().is_exact
(Exact(7/6), Exact(1/2), False)
"""

import math
from collections.abc import Callable
from fractions import Fraction
from functools import total_ordering
from math import isqrt
from operator import add, mul, sub, truediv
from typing import Any

import numpy as np

MOST_BITS = 2000  # of numerator and denominator; with every step of an optimizer they grow by a factor
LARGEST = 1020  # the power of 2 that a float reaches


@total_ordering
class Exact:
    """A number: a `Fraction` as long as it is known to be one, and not too long or too large; else a float."""

    __slots__ = ("value",)

    def __init__(self, value: Any):
        if isinstance(value, Exact):
            value = value.value
        elif not isinstance(value, Fraction):
            value = written(value)
        self.value: Fraction | float = value if kept(value) else as_float(value)

    @classmethod
    def inexact(cls, value: Any) -> "Exact":
        """A float that is no decimal of anybody's."""
        made = cls.__new__(cls)
        made.value = float(value)
        return made

    @property
    def is_exact(self) -> bool:
        """Whether it is a fraction."""
        return isinstance(self.value, Fraction)

    @property
    def real(self) -> "Exact":
        """Itself; core's functions also take complex numbers."""
        return self

    def sqrt(self) -> "Exact":
        """The root, a fraction where both parts are squares."""
        found = root(self.value) if isinstance(self.value, Fraction) else None
        return Exact.inexact(nan_for(math.sqrt, self.value)) if found is None else Exact(found)

    def __getattr__(self, name: str) -> Callable[[], "Exact"]:
        """NumPy's functions, which an object array asks each of its numbers for: exp, log, tanh, …, in floats."""
        function = getattr(np, name, None)
        if name.startswith("_") or not isinstance(function, np.ufunc):
            raise AttributeError(f"an exact number has no {name}")
        return lambda: Exact.inexact(function(float(self.value)))

    def __float__(self) -> float:
        return as_float(self.value)

    def __bool__(self) -> bool:
        return bool(self.value)

    def __hash__(self) -> int:
        return hash(self.value)

    def __eq__(self, other: Any) -> bool:
        return bool(self.value == plain(other))

    def __lt__(self, other: Any) -> bool:
        return bool(self.value < plain(other))

    def __add__(self, other: Any) -> "Exact":
        return combined(add, self, other)

    def __sub__(self, other: Any) -> "Exact":
        return combined(sub, self, other)

    def __mul__(self, other: Any) -> "Exact":
        return combined(mul, self, other)

    def __truediv__(self, other: Any) -> "Exact":
        return combined(truediv, self, other)

    def __radd__(self, other: Any) -> "Exact":
        return combined(add, other, self)

    def __rsub__(self, other: Any) -> "Exact":
        return combined(sub, other, self)

    def __rmul__(self, other: Any) -> "Exact":
        return combined(mul, other, self)

    def __rtruediv__(self, other: Any) -> "Exact":
        return combined(truediv, other, self)

    def __pow__(self, power: Any) -> "Exact":
        made = self.value ** (int(power) if power == int(power) else float(power))
        return Exact(made) if isinstance(made, Fraction) else Exact.inexact(made)

    def __neg__(self) -> "Exact":
        return Exact(-self.value) if self.is_exact else Exact.inexact(-self.value)

    def __abs__(self) -> "Exact":
        return -self if self.value < 0 else self

    def __repr__(self) -> str:
        return f"Exact({self.value})"


def exact_array(values: Any) -> np.ndarray:
    """Floats as the decimals that they are written as."""
    values = np.asarray(values)
    made = np.empty(values.shape, object)
    for at, value in np.ndenumerate(values):
        made[at] = Exact(value)
    return made


def numbers(values: np.ndarray) -> np.ndarray:
    """An object array of fractions and floats: a float in it was computed, and is no decimal of anybody's."""
    made = np.empty(np.shape(values), object)
    for at, value in np.ndenumerate(np.asarray(values, object)):
        made[at] = Exact(value) if isinstance(value, Exact | Fraction | int) else Exact.inexact(value)
    return made


def combined(operation: Callable[[Any, Any], Any], a: Any, b: Any) -> Exact:
    """Two numbers by an operation; a fraction where both are, and where it has a value."""
    x, y = plain(a), plain(b)
    if isinstance(x, Fraction) and isinstance(y, Fraction):
        try:
            return Exact(operation(x, y))
        except ZeroDivisionError:
            pass
    with np.errstate(all="ignore"):
        return Exact.inexact(operation(np.float64(as_float(x)), np.float64(as_float(y))))


def plain(value: Any) -> Fraction | float:
    """The fraction or the float of a number; a float of a formula is its decimal."""
    return value.value if isinstance(value, Exact) else Exact(value).value


def written(value: Any) -> Fraction | float:
    """A float as the decimal that it is written as: 0.1 is 1/10."""
    number = float(value)
    return Fraction(repr(number)) if math.isfinite(number) else number


def kept(value: Any) -> bool:
    """Whether a value is a fraction that is worth keeping: one that is neither too long nor too large for a float."""
    if not isinstance(value, Fraction):
        return False
    bits = value.numerator.bit_length(), value.denominator.bit_length()
    return sum(bits) <= MOST_BITS and bits[0] - bits[1] < LARGEST


def as_float(value: Fraction | float) -> float:
    """A float, infinite where the value is too large for one."""
    try:
        return float(value)
    except OverflowError:
        return math.inf if value > 0 else -math.inf


def root(value: Fraction) -> Fraction | None:
    """√ of a fraction, where it is one."""
    if value < 0:
        return None
    top, bottom = isqrt(value.numerator), isqrt(value.denominator)
    return Fraction(top, bottom) if (top**2, bottom**2) == (value.numerator, value.denominator) else None


def nan_for(function: Callable[[float], float], value: Fraction | float) -> float:
    """A function's value, NaN outside its domain."""
    number = as_float(value)
    return function(number) if number >= 0 else math.nan
