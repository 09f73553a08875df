"""Mean and standard deviation of numbers that come in chunks, the same to the bit however they are cut and ordered.

A float64 is a whole number of 53 bits times a power of two.  So Σx and Σx² are sums of whole numbers, one for each
power of two, and whole numbers add without rounding: no chunk border, no order and no cancellation can show.  One
division and one root at the end round once.  Source: Kulisch 2013, the complete accumulator.
"""

from __future__ import annotations

from collections import defaultdict
from fractions import Fraction
from math import isqrt
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

DIGITS = 18  # bits of a limb; three make the 53 bits of a float64
AT_ONCE = 1 << 14  # values: sums of 2^14 products of two limbs, times two, stay below 2^53 and are exact in float64


class ExactMoments:
    """Σx and Σx² of the values seen, without rounding, and the least and the greatest.

    >>> moments = ExactMoments()
    >>> moments.add(np.array([1e9 + 2]))
    >>> moments.add(np.array([1e9]))
    >>> moments.mean_and_scale()
    (1000000001.0, 1.0)
    """

    def __init__(self) -> None:
        self.n = 0
        self.low, self.high = np.inf, -np.inf
        self.sums: defaultdict[int, int] = defaultdict(int)  # by power of two
        self.squares: defaultdict[int, int] = defaultdict(int)

    def add(self, values: NDArray[np.float64]) -> None:
        """Take in values (n,), finite."""
        if not values.size:
            return
        self.n += values.size
        self.low, self.high = min(self.low, float(values.min())), max(self.high, float(values.max()))
        for start in range(0, values.size, AT_ONCE):
            self._add(values[start : start + AT_ONCE])

    def _add(self, values: NDArray[np.float64]) -> None:
        fraction, power = np.frexp(values)
        least = int(power.min())
        slot = power.astype(np.intp) - least
        rest = fraction * 2.0 ** (53 - 2 * DIGITS)
        a = np.trunc(rest)
        rest = (rest - a) * 2.0**DIGITS
        b = np.trunc(rest)
        c = (rest - b) * 2.0**DIGITS  # value = (a 2^36 + b 2^18 + c) 2^(power - 53)
        limbs = {2: a, 1: b, 0: c}
        products = {4: a * a, 3: 2 * a * b, 2: 2 * a * c + b * b, 1: 2 * b * c, 0: c * c}
        for parts, into, factor in ((limbs, self.sums, 1), (products, self.squares, 2)):
            for place, part in parts.items():
                if not part.any():
                    continue
                totals = np.bincount(slot, weights=part)
                for k in np.flatnonzero(totals):
                    into[factor * (int(k) + least - 53) + place * DIGITS] += int(totals[k])

    def merge(self, other: ExactMoments) -> None:
        """Take in what another has seen."""
        self.n += other.n
        self.low, self.high = min(self.low, other.low), max(self.high, other.high)
        for mine, theirs in ((self.sums, other.sums), (self.squares, other.squares)):
            for power, total in theirs.items():
                mine[power] += total

    def mean_and_scale(self) -> tuple[float, float]:
        """Mean and standard deviation (over n, not n - 1) of at least one value, each rounded once.

        The scale is 0 if all values are equal, infinite if they span more than float64 holds.
        """
        if self.low == self.high:
            return self.low, 0.0
        mean = exact(self.sums) / self.n
        scale = 0.0 if np.isinf(self.high - self.low) else root(exact(self.squares) / self.n - mean**2)
        return float(mean), scale if np.isfinite(self.high - self.low) else np.inf


def exact(sums: dict[int, int]) -> Fraction:
    """Σ sums[k] 2^k."""
    least = min(sums, default=0)
    whole = sum(value << (power - least) for power, value in sums.items())
    return Fraction(whole) * Fraction(2) ** least


def root(value: Fraction) -> float:
    """The square root, with digits to spare before it is rounded to a float.

    >>> root(Fraction(9, 4)), root(Fraction(2)) == 2**0.5
    (1.5, True)
    """
    shift = max(0, 140 + value.denominator.bit_length() - value.numerator.bit_length())
    shift += shift % 2
    return float(Fraction(isqrt((value.numerator << shift) // value.denominator), 1 << shift // 2))
