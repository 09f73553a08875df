"""Compare claimed quantities with the right ones, name by name, and find the first that is wrong."""

from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np

from backlit.core.parameters import Parameters
from backlit.core.problem import Problem
from backlit.gradcheck import points_at_kinks, slopes_between, term_sizes
from backlit.verification.quantities import Array, Values, backward_values, right_values
from backlit.verification.rounding import Precision, allowance, precisions

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
