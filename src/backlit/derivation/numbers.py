"""How a number is printed, decided once for every format.

>>> num = Numbers(digits=4)
>>> num(0.5), num(-1 / 3), num(2e-7 / 3), num(0.1 + 0.2), num(1234567.0)
(0.5, -0.3333, 6.667e-8, 0.3, 1.235e6)
>>> num(Fraction(-1, 3)), num(Fraction(6, 3)), num(Fraction(1, 3) ** 20)
(-1/3, 2, 2.868e-10)
"""

from dataclasses import dataclass
from fractions import Fraction
from math import inf, isfinite

from backlit.derivation.expressions import Num

ROUNDING = 1e-13  # what float64 leaves of 0.1 + 0.2 - 0.3, relative: less than this is no difference
SMALL, LARGE = 1e-4, 1e6
FINEST = 15  # digits that a float64 can be trusted to
LONGEST = 7  # digits of a numerator or a denominator that can still be read


@dataclass(frozen=True)
class Numbers:
    """Prints with `digits` significant digits; fewer where a number has fewer, as 0.5 has.

    A `Fraction` is printed as one, `3/4`, while it is short enough to be read.
    """

    digits: int = 5

    def __call__(self, value: float | Fraction, source: str | None = None) -> Num:
        """The number as a node of the tree; a rounding keeps its last zeros, a whole value has none."""
        if isinstance(value, Fraction):
            return self.rational(value, source)
        value = float(value) + 0.0  # -0.0 is printed as 0
        if not isfinite(value):
            return Num(value, {inf: "∞", -inf: "-∞"}.get(value, "NaN"), False, source)
        rounded = float(f"{value:.{self.digits - 1}e}")
        exact = abs(rounded - value) <= ROUNDING * abs(value)
        return Num(value, plain(rounded, None if exact else self.digits), exact, source)

    def rational(self, value: Fraction, source: str | None) -> Num:
        """A fraction, or its decimals where it is long."""
        if max(abs(value.numerator), value.denominator) < 10**LONGEST:
            return Num(float(value), str(value), True, source, value)
        rounded = f"{float(value):.{self.digits - 1}e}"
        whole = Fraction(rounded) == value
        return Num(float(value), plain(float(rounded), None if whole else self.digits), whole, source, value)


def finer(num: Num, more: int) -> Num:
    """The same number with more digits; as it is where all of it is printed.

    >>> finer(Numbers(4)(2 / 3), 2)
    0.666667
    """
    if num.exact or not isfinite(num.value):
        return num
    mantissa = num.text.lstrip("-").partition("e")[0].replace(".", "").lstrip("0")
    return Numbers(min(len(mantissa) + more, FINEST))(num.value if num.fraction is None else num.fraction, num.source)


def plain(value: float, digits: int | None) -> str:
    """Positional between 1e-4 and 1e6, else with an exponent; `digits` significant ones, None for as few as needed.

    A rounding to tens or hundreds has an exponent too, since 1230 does not tell which of its digits count.
    """
    if value == 0:
        return "0"
    whole = digits is None
    if digits is None:  # of FINEST; the sixteenth of 0.56 is a 1
        digits = max(1, len(f"{abs(value):.{FINEST - 1}e}".split("e")[0].replace(".", "").rstrip("0")))
    mantissa, exponent = f"{value:.{digits - 1}e}".split("e")
    power = int(exponent)
    if SMALL <= abs(value) < LARGE and (power < digits or whole):
        return f"{value:.{max(0, digits - 1 - power)}f}"
    return f"{mantissa}e{power}"
