"""The arithmetic of fractions: a formula without exp, ln and their kin is exact in it, and with it a network is.

>>> softsign = lambda u, f: u / (1 + f.abs(u))
>>> softsign(Fraction(-1, 3), FRACTIONS), root(Fraction(4, 9)), root(Fraction(2))
(Fraction(-1, 4), Fraction(2, 3), None)
"""

import sys
from collections.abc import Callable
from fractions import Fraction
from math import isqrt
from typing import Any

from backlit.core.formulas import COMPARED, Arithmetic, Unsupported

MOST_BITS = 2000  # of numerator and denominator; with every step of an optimizer they grow by a factor
LARGEST = 1020  # the power of 2 that a float reaches
ZERO, ONE = Fraction(0), Fraction(1)
TINY = Fraction(sys.float_info.min)


def indicator(holds: bool) -> Fraction:
    """1 or 0."""
    return ONE if holds else ZERO


def root(value: Fraction) -> Fraction | None:
    """√ of a fraction, where it is one."""
    if value < 0:
        return None
    top, bottom = isqrt(value.numerator), isqrt(value.denominator)
    return Fraction(top, bottom) if (top**2, bottom**2) == (value.numerator, value.denominator) else None


def kept(value: Any) -> bool:
    """Whether a value is a fraction that is worth keeping: one that is neither too long nor too large for a float."""
    if not isinstance(value, Fraction):
        return False
    bits = value.numerator.bit_length(), value.denominator.bit_length()
    return sum(bits) <= MOST_BITS and bits[0] - bits[1] < LARGEST


def written(value: Any) -> Fraction:
    """A float as the decimal that it is written as: 0.1 is 1/10."""
    return Fraction(repr(float(value)))


def exact_root(value: Fraction) -> Fraction:
    """√ of a fraction that has one.  Raises Unsupported for another."""
    found = root(value)
    if found is None:
        raise Unsupported
    return found


FUNCTIONS: dict[str, Callable[..., Fraction]] = {
    "abs": abs,
    "sign": lambda r: indicator(r > 0) - indicator(r < 0),
    "max": max,
    "min": min,
    "sqrt": exact_root,
    "holds": lambda a, relation, b: indicator(COMPARED[relation](a, b)),
    "where": lambda a, relation, b, then, otherwise: then if COMPARED[relation](a, b) else otherwise,
    "tie": lambda a, b, then, otherwise: then if a == b else otherwise,
    "ratio": lambda y, a: y / a if y and a >= TINY else ZERO,
}


def of_fractions(name: str, *args: Any) -> Fraction:
    """A function by name.  Raises Unsupported for one whose values are not fractions."""
    if name not in FUNCTIONS:
        raise Unsupported
    return FUNCTIONS[name](*(Fraction(arg) if isinstance(arg, int) else arg for arg in args))


FRACTIONS = Arithmetic(written, of_fractions)
