"""How many digits claimed numbers have, and so how far a right one may lie from the exact value.

Three things round a right number: printing it to few digits, computing it in float32, and float64 arithmetic itself.

Each number is judged by the last place that it shows itself: 0.25 may be anything from 0.245 to 0.255.  A whole number
shows no place, so it goes by what the others show.

>>> digits_of(np.array([0.25, -1.125, 3.0]))
Digits(significant=4, decimals=3)
>>> half_units(np.array([0.25, -1.125, 3.0]), Digits(4, 3), 4)
array([0.005 , 0.0005, 0.0005])
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
ANY_SINGLE = 7  # digits up to which any number is a float32's, printed
FULL = 16  # significant digits at which a tensor is printed as it was computed, not rounded
ENOUGH = 3  # digits below which agreement certifies nothing
SAMPLE = 2000  # numbers of a tensor whose digits are counted


@dataclass(frozen=True)
class Digits:
    """The most significant digits, and the most decimals, that any number shows; 17 significant are exact."""

    significant: int = 0
    decimals: int = 0

    def __or__(self, other: "Digits") -> "Digits":
        return Digits(max(self.significant, other.significant), max(self.decimals, other.decimals))


@dataclass(frozen=True)
class Precision:
    """What is known of how a claimed tensor was rounded."""

    digits: Digits
    single: bool  # whether it may have been computed in float32
    half_unit: Array  # of the last place of each of its numbers

    @property
    def relative(self) -> float:
        """The tolerance in one number, for a report."""
        shown = 0.5 * 10.0 ** (1 - self.digits.significant) if self.digits.significant else 0.0
        return max(CERTIFIED, shown, SINGLE if self.single else 0.0)

    @property
    def certifies(self) -> bool:
        """Whether so many digits can certify anything."""
        return self.digits.significant == 0 or self.digits.significant >= ENOUGH


def places(value: Array) -> list[tuple[int, int] | None]:
    """(significant digits, decimals) of the shortest decimal that gives each number; None for a whole number."""
    shown = [Decimal(repr(float(v))).as_tuple() if v != np.round(v) else None for v in value.ravel()]
    return [None if t is None else (len(t.digits), -int(t.exponent)) for t in shown]


def digits_of(value: Array) -> Digits:
    """Count the digits of the shortest decimal that gives each number; whole numbers are exact and do not count."""
    return union(Digits(*place) for place in places(value.ravel()[:SAMPLE]) if place)


def half_units(value: Array, digits: Digits, fewest: int) -> Array:
    """Half a unit of the last place that each number shows.

    A whole number shows none: 0 goes by the decimals of `digits`, which are its tensor's, and 1 may be 0.9996 at the
    `fewest` digits of its file.  Where the tensor holds full float64 numbers, none is rounded, nor are those of one or
    two digits: 0.5 is no rounded 0.52.
    """
    full = digits.significant >= FULL
    found = places(value)
    halves = np.array([10.0 ** -place[1] if place and not (full and place[0] < ENOUGH) else np.nan for place in found])
    whole = np.isnan(halves)
    if whole.any():
        rounded = digits if full else Digits(min(fewest, digits.significant), digits.decimals)
        halves[whole] = last_place(value.ravel()[whole], rounded)
    return 0.5 * halves.reshape(value.shape)


def fewest_digits(claims: Iterable[Array]) -> int:
    """The fewest significant digits, of three and more, that a number of the file shows."""
    shown = (place[0] for value in claims for place in places(value.ravel()[:SAMPLE]) if place)
    return min((digits for digits in shown if digits >= ENOUGH), default=FULL)


def last_place(value: Array, digits: Digits) -> Array:
    """The unit of the last place at so many digits, whether places are counted from the point or the front."""
    if not digits.significant:
        return np.zeros_like(value)
    with np.errstate(divide="ignore"):
        first = np.floor(np.log10(np.abs(value)))  # the place of the first digit
    from_front = np.where(np.isfinite(first), 10.0 ** np.clip(first + 1 - digits.significant, -300, 300), 0)
    return np.maximum(from_front, 10.0 ** -float(digits.decimals))


def fits_single(value: Array) -> bool:
    """Whether every number is a float32, written out."""
    with np.errstate(over="ignore"):
        return bool((value.astype(np.float32) == value).all())


def prints_single(value: Array) -> bool:
    """Whether every number may be a float32 printed to as many digits as it shows: most of nine digits are none.

    >>> prints_single(np.array([0.298371])), prints_single(np.array([0.291027924]))
    (True, False)
    >>> prints_single(np.array([float(f"{np.float32(0.291027924):.9g}")]))
    True
    """
    shown = zip(value.ravel(), places(value), strict=True)
    long = [(float(v), place[0]) for v, place in shown if place and place[0] > ANY_SINGLE]
    with np.errstate(over="ignore"):
        return all(float(f"{np.float32(v):.{digits - 1}e}") == v for v, digits in long)


def precisions(claims: Mapping[str, Array]) -> dict[str, Precision]:
    """The precision of each claimed tensor: its own digits.

    One that shows fewer than three, since its numbers are whole or end in zeros, takes those of its key, or else of
    the whole file.  What was computed in float32 shows no more than nine digits anywhere in the file, and those of a
    float32.
    """
    counted = {name: digits_of(value) for name, value in claims.items()}
    whole, fewest = union(counted.values()), fewest_digits(claims.values())
    printed = whole.significant <= SINGLE_DIGITS and all(prints_single(value) for value in claims.values())
    found = {}
    for name, value in claims.items():
        alike = [other for other in claims if key_of(other) == key_of(name)]
        of_key = union(counted[other] for other in alike)
        digits = next((d for d in (counted[name], of_key) if d.significant >= ENOUGH), whole)
        single = printed or all(fits_single(claims[other]) for other in alike)
        found[name] = Precision(digits, single and digits.significant > 0, half_units(value, digits, fewest))
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
    return allowed + 1.01 * precision.half_unit
