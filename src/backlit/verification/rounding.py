"""How many digits claimed numbers have, and so how far a right one may lie from the exact value.

Three things round a right number: printing it to few digits, computing it in float32, and float64 arithmetic itself.

>>> digits_of(np.array([0.25, -1.125, 3.0]))
Digits(significant=4, decimals=3)
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from decimal import Decimal

import numpy as np

from backlit.verification.quantities import Array, key_of

CERTIFIED = 1e-8  # relative, for float64 claims
TERMS = 1e-12  # of the sum of the terms' magnitudes, for float64 claims
SINGLE = 1e-5  # of a tensor's largest entry, for numbers computed in float32
SINGLE_DIGITS = 9  # a float32 is told by 9 digits; claims with no more may come from one
ENOUGH = 3  # digits below which agreement certifies nothing
SAMPLE = 2000  # numbers of a tensor whose digits are counted


@dataclass(frozen=True)
class Digits:
    """The most significant digits, and the most decimals, that any number shows; 17 significant are exact."""

    significant: int = 0
    decimals: int = 0

    def __or__(self, other: "Digits") -> "Digits":
        return Digits(max(self.significant, other.significant), max(self.decimals, other.decimals))

    def half_unit(self, value: Array) -> Array:
        """Half a unit of the last place that is shown, whether places are counted from the point or the front."""
        if not self.significant:
            return np.zeros_like(value)
        with np.errstate(divide="ignore"):
            first = np.floor(np.log10(np.abs(value)))  # the place of the first digit
        from_front = np.where(np.isfinite(first), 10.0 ** np.clip(first + 1 - self.significant, -300, 300), 0)
        return 0.5 * np.maximum(from_front, 10.0 ** -float(self.decimals))


@dataclass(frozen=True)
class Precision:
    """What is known of how a claimed tensor was rounded."""

    digits: Digits
    single: bool  # whether it may have been computed in float32

    @property
    def relative(self) -> float:
        """The tolerance in one number, for a report."""
        shown = 0.5 * 10.0 ** (1 - self.digits.significant) if self.digits.significant else 0.0
        return max(CERTIFIED, shown, SINGLE if self.single else 0.0)

    @property
    def certifies(self) -> bool:
        """Whether so many digits can certify anything."""
        return self.digits.significant == 0 or self.digits.significant >= ENOUGH


def digits_of(value: Array) -> Digits:
    """Count the digits of the shortest decimal that gives each number; whole numbers are exact and do not count."""
    flat = value.ravel()[:SAMPLE]
    shown = [Decimal(repr(float(v))).as_tuple() for v in flat if v != np.round(v)]
    exponents = [int(t.exponent) for t in shown]
    return Digits(max((len(t.digits) for t in shown), default=0), max((-e for e in exponents), default=0))


def fits_single(value: Array) -> bool:
    """Whether every number is a float32, written out."""
    with np.errstate(over="ignore"):
        return bool((value.astype(np.float32) == value).all())


def precisions(claims: Mapping[str, Array]) -> dict[str, Precision]:
    """The precision of each claimed tensor.

    Digits are counted over the tensors of one key, for one number may end in zeros by chance; a key with fewer than
    three digits is read with those of the whole file.
    """
    counted = {name: digits_of(value) for name, value in claims.items()}
    whole = union(counted.values())
    found = {}
    for name in claims:
        alike = [other for other in claims if key_of(other) == key_of(name)]
        digits = union(counted[other] for other in alike)
        digits = digits if digits.significant >= ENOUGH else whole
        single = 0 < digits.significant <= SINGLE_DIGITS or all(fits_single(claims[other]) for other in alike)
        found[name] = Precision(digits, single and digits.significant > 0)
    return found


def union(digits: Iterable[Digits]) -> Digits:
    """The most digits of several tensors."""
    found = Digits()
    for more in digits:
        found |= more
    return found


def allowance(right: Array, size: Array | None, precision: Precision, noise: float = 0.0) -> Array:
    """How far a claimed number may lie from the right one by rounding alone, an array of right's shape.

    size : the magnitudes of the terms, see `term_sizes`.  noise : what float32 did to the textbook's own, absolute.
    """
    largest = np.abs(right).max(initial=0.0)
    terms = np.abs(right) if size is None else size
    allowed = CERTIFIED * np.abs(right) + TERMS * np.maximum(terms, 0)
    if precision.single:
        allowed = allowed + SINGLE * largest + 32 * noise + 1e-6 * terms
    return allowed + 1.01 * precision.digits.half_unit(right)
