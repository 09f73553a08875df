"""Activations and losses whose values are fractions where their arguments are: with them a network is exact.

>>> POINTWISE["softsign"][0](Fraction(-1, 3)), root(Fraction(4, 9)), root(Fraction(2))
(Fraction(-1, 4), Fraction(2, 3), None)
"""

from collections.abc import Callable
from fractions import Fraction
from math import isqrt
from typing import Any

MOST_BITS = 2000  # of numerator and denominator; with every step of an optimizer they grow by a factor
LARGEST = 1020  # the power of 2 that a float reaches
ZERO, ONE, TWO = Fraction(0), Fraction(1), Fraction(2)


def indicator(holds: bool) -> Fraction:
    """1 or 0."""
    return ONE if holds else ZERO


def sign(r: Fraction) -> Fraction:
    """−1, 0 or 1."""
    return indicator(r > 0) - indicator(r < 0)


# φ and φ′ of one number, then of the activation's parameter
POINTWISE: dict[str, tuple[Callable[..., Fraction], Callable[..., Fraction]]] = {
    "identity": (lambda u: u, lambda u: ONE),
    "relu": (lambda u: max(u, ZERO), lambda u: indicator(u > 0)),
    "leaky_relu": (lambda u, alpha: u if u > 0 else alpha * u, lambda u, alpha: ONE if u > 0 else alpha),
    "hard_tanh": (lambda u: min(max(u, -ONE), ONE), lambda u: indicator(abs(u) < 1)),
    "softsign": (lambda u: u / (1 + abs(u)), lambda u: 1 / (1 + abs(u)) ** 2),
}

# ℓ's part of one output and its slope, of r = a − y and the loss's parameter; a sum over the outputs follows
ERRORS: dict[str, tuple[Callable[..., Fraction], Callable[..., Fraction]]] = {
    "half_squared_error": (lambda r: r**2 / 2, lambda r: r),
    "squared_error": (lambda r: r**2, lambda r: 2 * r),
    "mean_squared_error": (lambda r: r**2, lambda r: 2 * r),  # over n outputs, by the caller
    "absolute_error": (abs, sign),
    "huber": (
        lambda r, d: r**2 / 2 if abs(r) <= d else d * (abs(r) - d / 2),
        lambda r, d: min(max(r, -d), d),
    ),
    "quantile": (
        lambda r, q: max(-q * r, (1 - q) * r),
        lambda r, q: 1 - q if r > 0 else -q if r < 0 else ZERO,
    ),
}

# slopes of losses whose values need a logarithm, of a and y
SLOPES: dict[str, Callable[[Fraction, Fraction], Fraction]] = {
    "cross_entropy": lambda a, y: -y / a,
    "binary_cross_entropy": lambda a, y: (-y / a if y else ZERO) + ((1 - y) / (1 - a) if y != 1 else ZERO),
    "poisson": lambda a, y: 1 - y / a,
}


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
