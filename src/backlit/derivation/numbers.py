"""How a number is printed, decided once for every format.

>>> num = Numbers(digits=4)
>>> num(0.5), num(-1 / 3), num(2e-7 / 3), num(0.1 + 0.2), num(1234567.0)
(0.5, -0.3333, 6.667e-8, 0.3, 1.235e6)
"""

from dataclasses import dataclass
from math import inf, isfinite

from backlit.derivation.expressions import Num

ROUNDING = 1e-13  # what float64 leaves of 0.1 + 0.2 - 0.3, relative: less than this is no difference
SMALL, LARGE = 1e-4, 1e6


@dataclass(frozen=True)
class Numbers:
    """Prints with `digits` significant digits; fewer where a number has fewer, as 0.5 has."""

    digits: int = 5

    def __call__(self, value: float, source: str | None = None) -> Num:
        """The number as a node of the tree; a rounding keeps its last zeros, a whole value has none."""
        value = float(value) + 0.0  # -0.0 is printed as 0
        if not isfinite(value):
            return Num(value, {inf: "∞", -inf: "-∞"}.get(value, "NaN"), False, source)
        rounded = float(f"{value:.{self.digits - 1}e}")
        exact = abs(rounded - value) <= ROUNDING * abs(value)
        return Num(value, plain(rounded, None if exact else self.digits), exact, source)


def plain(value: float, digits: int | None) -> str:
    """Positional between 1e-4 and 1e6, else with an exponent; `digits` significant ones, None for as few as needed."""
    if value == 0:
        return "0"
    if digits is None:
        digits = max(1, len(f"{abs(value):.15e}".split("e")[0].replace(".", "").rstrip("0")))
    mantissa, exponent = f"{value:.{digits - 1}e}".split("e")
    power = int(exponent)
    if SMALL <= abs(value) < LARGE:
        return f"{value:.{max(0, digits - 1 - power)}f}"
    return f"{mantissa}e{power}"
