"""Compare claimed quantities with the right ones, name by name, and find the first that is wrong.

Three things round a right number: printing it to few digits, computing it in float32, and float64 arithmetic itself.
Each number is judged by the last place that it shows itself: 0.25 may be anything from 0.245 to 0.255.  A whole number
shows no place, so it goes by what the others show.

>>> digits_of(np.array([0.25, -1.125, 3.0]))
Digits(significant=4, decimals=3)
>>> half_units(np.array([0.25, -1.125, 3.0]), Digits(4, 3), 4)
array([0.005 , 0.0005, 0.0005])
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from decimal import Decimal

import numpy as np

from backlit.core.parameters import Parameters
from backlit.core.problem import Problem
from backlit.gradcheck import points_at_kinks, slopes_between, term_sizes
from backlit.verification.quantities import Array, Values, backward_values, key_of, right_values

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
    """(significant digits, decimals) of the shortest decimal of each number; None for a whole one, NaN and ∞."""
    shown = [Decimal(repr(float(v))).as_tuple() if np.isfinite(v) and v != np.round(v) else None for v in value.ravel()]
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


# --- the comparison ---------------------------------------------------------------------------------------------------

SINGLE_WIDTH = 1e-5  # how near to a kink float32 can't tell the sides apart


@dataclass(frozen=True)
class Entry:
    """One number of a quantity: its index, what was claimed and what is right."""

    index: tuple[int, ...]
    claimed: float
    right: float


@dataclass(frozen=True)
class Compared:
    """How one quantity fares.

    max_relative_error is taken entry by entry, |claimed − right| / |right|, where an entry that is tiny beside the
    terms that it is a sum of is measured against them; `worst` is the entry that is farthest outside its rounding.
    claimed, right, wrong : all entries, and which of them are wrong.
    """

    name: str
    max_relative_error: float
    ok: bool
    worst: Entry
    wrong_entries: int
    entries: int
    at_kink: bool = False
    claimed: Array | None = field(default=None, compare=False, repr=False)
    right: Array | None = field(default=None, compare=False, repr=False)
    wrong: Array | None = field(default=None, compare=False, repr=False)


@dataclass(frozen=True)
class Tolerances:
    """What claims are measured with: the right values, their terms' sizes, and how the claims were rounded."""

    problem: Problem
    right: Values
    sizes: Values
    precision: Mapping[str, Precision]
    noise: Mapping[str, float]
    between: tuple[Mapping[str, Array], Mapping[str, Array]] | None

    @classmethod
    def of(cls, problem: Problem, claims: Values, steps: int = 1) -> "Tolerances":
        """Measure a problem once, for the claims given."""
        right = right_values(problem, steps=steps if any(n.startswith("update") for n in claims) else None)
        precision = precisions(claims)
        single = any(p.single for p in precision.values())
        noise = single_noise(problem, right) if single else {}
        points = points_at_kinks(problem, problem.passes()[0], SINGLE_WIDTH if single else 0.0)
        between = slopes_between(problem, points, backward_quantities) if points else None
        return cls(problem, right, term_sizes(problem), precision, noise, between)

    def allowed(self, name: str, value: Array) -> Array:
        """How far a claim may lie from `value`, which is the right one or a hypothesis."""
        return allowance(value, self.sizes.get(name), self.precision[name], self.noise.get(name, 0.0))

    def compare(self, name: str, claimed: Array) -> Compared:
        """Compare one claimed quantity with the right one."""
        right, at_kink = self.right[name], False
        if self.between is not None and name in self.between[0]:
            nearest = np.clip(claimed, self.between[0][name], self.between[1][name])
            at_kink = bool((nearest != right).any())
            right = nearest
        gap, allowed = np.abs(claimed - right), self.allowed(name, right)
        wrong = gap > allowed
        worst = np.unravel_index(int(np.argmax(excess(gap, allowed))), right.shape) if right.ndim else ()
        index = tuple(int(i) for i in worst)
        entry = Entry(index, float(claimed[index]), float(right[index]))
        size = self.sizes.get(name)
        error = float(relative(claimed, right, size).max(initial=0.0))
        entries = {"claimed": claimed, "right": right, "wrong": wrong}
        return Compared(name, error, not wrong.any(), entry, int(wrong.sum()), right.size, at_kink, **entries)


def backward_quantities(problem: Problem) -> Values:
    """Every quantity of the backward pass, by name."""
    return dict(backward_values(problem.net, problem.passes()[1]))


def excess(gap: Array, allowed: Array) -> Array:
    """How many times its rounding an entry is off; 0 if it is exact."""
    return np.divide(gap, allowed, out=np.where(gap > 0, np.inf, 0.0), where=allowed > 0)


def relative(claimed: Array, right: Array, size: Array | None) -> Array:
    """|claimed − right| / |right|, an entry below 1e-4 of its terms measured against those."""
    against = np.maximum(np.abs(right), 1e-4 * (np.abs(right) if size is None else size))
    against = np.where(against > 0, against, np.abs(claimed))
    return np.divide(np.abs(claimed - right), against, out=np.zeros_like(right), where=against > 0)


def single_noise(problem: Problem, right: Values) -> dict[str, float]:
    """What float32 does to each of the textbook's own quantities: the largest absolute error of an entry."""
    from dataclasses import replace

    X, _ = problem.data()
    rounded = replace(
        problem, params=Parameters(problem.net, problem.params.theta.astype(np.float32)), X=np.asarray(X, np.float32)
    )
    steps = 1 if "update.loss" in right else None
    with np.errstate(over="ignore", invalid="ignore"):
        single = right_values(rounded, steps=steps)
        errors = {
            name: np.abs(single[name].astype(np.float64) - value).max(initial=0.0) for name, value in right.items()
        }
    return {name: float(error) if np.isfinite(error) else 0.0 for name, error in errors.items()}


def compare_all(yardstick: Tolerances, claims: Values) -> dict[str, Compared]:
    """Every claimed quantity, in the order of computation."""
    return {name: yardstick.compare(name, claimed) for name, claimed in claims.items()}


def first_wrong(compared: Mapping[str, Compared]) -> str | None:
    """The first quantity that is wrong, in the order of computation."""
    return next((name for name, one in compared.items() if not one.ok), None)
