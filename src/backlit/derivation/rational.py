"""The arithmetic of fractions: a formula without exp, ln and their kin is exact in it, and with it a network is.

>>> softsign = lambda u, f: u / (1 + f.abs(u))
>>> softsign(Fraction(-1, 3), FRACTIONS)
Fraction(-1, 4)
"""

import sys
from collections.abc import Callable
from fractions import Fraction
from typing import Any

from backlit.core.exact import root, written
from backlit.core.formulas import COMPARED, Arithmetic, Unsupported

ZERO, ONE = Fraction(0), Fraction(1)
TINY = Fraction(sys.float_info.min)


def indicator(holds: bool) -> Fraction:
    """1 or 0."""
    return ONE if holds else ZERO


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
