"""Is this the gradient of that cost?  Each tensor by itself, by a complex step and by differences.

Neither uses the backward pass.  A claim agrees with a method where it lies within the method's own accuracy, what the
method knows of its error, and what rounding explains (`error_bounds`); at a kink, where it lies between the slopes of
the two sides.  Where the numbers are few each is moved by itself, else all of a tensor along random signed directions.
"""

from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import cached_property, partial
from typing import Any, Literal

import numpy as np

from backlit.autodiff import AutodiffError
from backlit.core.parameters import Parameters, layout
from backlit.core.passes import example_losses, example_weights
from backlit.core.problem import Problem
from backlit.gradcheck.differences import MOST_CORNERS, Named, points_at_kinks, slopes_between
from backlit.gradcheck.error_bounds import AT_KINK, EPS, ErrorBounds, error_bounds
from backlit.gradcheck.methods import (
    COMPLEX_H,
    MANY,
    Array,
    Cost,
    Slopes,
    central_differences,
    complex_step,
    each_of,
    signed,
    with_rounding,
)

COMPLEX_STEP, DIFFERENCES = "complex step", "central difference"
ACCURACY = {COMPLEX_STEP: 1e-13, DIFFERENCES: 1e-8}  # what each method can certify, of a tensor's largest slope
LONGEST = 1 / 32  # the first step of differences
ENOUGH = 1e-9  # of the largest slope: an error of a difference that needs no finer steps
DROWNED = 1e-3  # of the largest slope: a method that knows its error to be larger says nothing
COARSE = 64  # roundings of a float32 claim, of the largest slope
BELIEVED, SHORT = 1e-5, 1e-3  # how near to differences, and at which first step, a complex step must be to count
MOST_PASSES = 4000  # forward passes that the sides of kinks are worth

Verdict = Literal["agree", "disagree", "unresolved"]


@dataclass(frozen=True)
class Comparison:
    """What one method says of a claim.

    error : largest |difference|, and bound : the most that it may be, both relative to the largest claimed slope (to
    the largest Σ|terms| where all are rounding).  "unresolved" where the method's own error drowns the slope.
    """

    method: str
    verdict: Verdict
    error: float
    bound: float

    @property
    def tells(self) -> bool:
        """Whether the error is small beside the slopes; else an agreement is that of numbers that rounding has made."""
        return self.error <= DROWNED


def compare(
    method: str, claimed: Array, slopes: Slopes, rounding: Array, terms: Array, *, accuracy: float, size: float = 0
) -> Comparison:
    """Hold claimed slopes (k,) against those of a method, for what rounding may do to each (k,) and Σ|terms| (k,).

    accuracy : of the method, relative to the largest claim.  size : what takes the place of that, where it is given.
    """
    gap, errors = np.abs(slopes.nearest(claimed) - claimed), np.broadcast_to(slopes.errors, claimed.shape)
    largest = size or float(np.abs(claimed).max(initial=0.0))
    allowed = accuracy * largest + rounding + errors
    scale = largest if size or (np.abs(claimed) > rounding).any() else float(terms.max(initial=0.0))
    scale = scale or float(np.finfo(float).tiny)
    sure = np.isfinite(gap + allowed) & (errors <= DROWNED * scale)
    verdict: Verdict = "agree" if sure.all() else "unresolved"
    if (gap > allowed)[sure].any():
        verdict = "disagree"
    return Comparison(method, verdict, float(gap.max(initial=0.0)) / scale, float(allowed.max(initial=0.0)) / scale)


class GradientChecker:
    """Both methods, ready for one problem; numbers that are not float64 are lifted to it.

    claimed_in : the dtype in which claims were computed, for what rounding may do to them (fractions as to float64).
    measured : the problem's `error_bounds`, where they are known.

    >>> from backlit.core.network import Dense, Network
    >>> net = Network(2, [Dense(3, "tanh"), Dense(1)])
    >>> problem = Problem(net, net.init(seed=1), np.array([[1.0, 2.0]]), np.array([[1.0]]))
    >>> checker, g = GradientChecker(problem), problem.passes()[1].theta
    >>> [one.verdict for one in checker.parameters(slice(0, 6), g)]
    ['agree', 'agree']
    >>> [one.verdict for one in checker.parameters(slice(0, 6), 1.001 * g)]
    ['disagree', 'disagree']
    """

    def __init__(self, problem: Problem, claimed_in: Any = np.float64, measured: ErrorBounds | None = None):
        self.problem = problem = lifted(problem)
        self.measured = error_bounds(problem) if measured is None else measured
        self.coarser = float(np.finfo(claimed_in).eps) / EPS if np.dtype(claimed_in).kind == "f" else 1.0
        self.points = points_at_kinks(problem, problem.passes()[0], AT_KINK * self.coarser)

    def parameters(self, where: slice, g: Array, directions: Array | None = None, size: float = 0) -> list[Comparison]:
        """Check ∂C/∂theta (n_parameters,) at `where`, each by itself; or along directions (k, n_parameters)."""
        names = [f"grad_{slot}" for slot in layout(self.problem.net)]
        bounds, terms = (np.concatenate([of[name].ravel() for name in names]) for of in self.sizes)
        V = each_of(where, len(g)) if directions is None else directions
        return self.along(Cost, V, g, bounds, terms, size)

    def inputs(self, g: Array, directions: Array | None = None) -> list[Comparison]:
        """Check ∂C/∂a₀, (m, n_0), each entry by itself; or along directions (k, m n_0)."""
        share = example_weights(self.problem.net, self.problem.passes()[0], self.problem.sample_weight)[1][:, None]
        V = np.eye(g.size) if directions is None else directions
        bounds, terms = ((share * of["grad_a[0]"]).ravel() for of in self.sizes)
        return self.along(partial(Cost, of_inputs=True), V, g.ravel(), bounds, terms)

    def delta(self, l: int, claimed: Array, rows: slice = slice(None), units: slice = slice(None)) -> list[Comparison]:
        """Check some rows and units of δ_l by the complex step: moving b_j moves z_j of each example alone.

        For networks that do not couple examples.
        """
        if not self.takes_complex:
            return []
        slot = next(slot for slot in layout(self.problem.net) if (slot.name, slot.l) == ("b", l))
        places = range(slot.start, slot.stop)[units]

        def slopes(problem: Problem, h: float) -> Array:
            return np.stack([row_slopes(problem, at, h) for at in places], axis=1)[rows].ravel()

        found = self.at_kinks(slopes, len(places))
        rounding, terms = (of[f"delta[{l}]"][rows, units].ravel() for of in self.sizes)
        claimed = np.asarray(claimed, np.float64)[rows, units].ravel()
        return [self.compared(COMPLEX_STEP, claimed, found, rounding, terms)]

    @property
    def sizes(self) -> tuple[Named, Named]:
        """(what rounding may do to each gradient, its Σ|terms|)."""
        return self.measured.bounds, self.measured.terms

    def along(
        self, cost: Callable[[Problem], Cost], V: Array, g: Array, bounds: Array, terms: Array, size: float = 0
    ) -> list[Comparison]:
        """What each method that can be asked says of the slopes V g."""
        claimed, rounding, terms = V @ np.asarray(g, np.float64), np.abs(V) @ bounds, np.abs(V) @ terms
        here = cost(self.problem)
        enough = ENOUGH * max(float(np.abs(claimed).max(initial=0.0)), size)
        differences = central_differences(here, V, longest=LONGEST, noise=self.measured.cost, enough=enough)
        found = {DIFFERENCES: differences}
        if self.takes_complex:
            stepped = self.at_kinks(lambda problem, h: complex_step(cost(problem), here.start, V, h=h).values, len(V))
            found = {COMPLEX_STEP: stepped} | found
        return [self.compared(method, claimed, slopes, rounding, terms, size) for method, slopes in found.items()]

    def compared(
        self, method: str, claimed: Array, slopes: Slopes, rounding: Array, terms: Array, size: float = 0
    ) -> Comparison:
        """`compare`, for claims of this dtype."""
        coarse = 0.0 if self.coarser == 1 else COARSE * self.coarser * EPS
        return compare(
            method, claimed, slopes, self.coarser * rounding, terms, size=size, accuracy=max(coarse, ACCURACY[method])
        )

    @cached_property
    def takes_complex(self) -> bool:
        """Whether a complex step passes through a user's own functions: abs drops it, so differences are asked too."""
        if self.problem.net.custom_part is None:
            return True
        cost, n = Cost(self.problem), self.problem.net.n_parameters
        V = signed(slice(0, n), n, 3, np.random.default_rng(0))
        try:
            stepped = complex_step(cost, cost.start, V).values
        except (TypeError, ValueError, AutodiffError):
            return False
        near = central_differences(cost, V, longest=SHORT)
        return bool((np.abs(stepped - near.values) + near.errors <= BELIEVED * np.abs(near.values).max()).all())

    def at_kinks(self, slopes: Callable[[Problem, float], Array], passes: int) -> Slopes:
        """The slopes (k,) that a complex step of h gives of a problem, and between which they lie at kinks.

        passes : forward passes that they take.
        """
        found = with_rounding(partial(slopes, self.problem))
        if not self.points:
            return found
        most = max(2, min(MOST_CORNERS, MOST_PASSES // max(passes, 1)))
        low, high = slopes_between(self.problem, self.points, lambda beside: {"": slopes(beside, COMPLEX_H)}, most)
        return replace(found, low=low[""], high=high[""])


def lifted(problem: Problem) -> Problem:
    """The problem in float64."""
    X = np.asarray(problem.data()[0], np.float64)
    return replace(problem, params=Parameters(problem.net, np.asarray(problem.params.theta, np.float64)), X=X)


def row_slopes(problem: Problem, at: int, h: float) -> Array:
    """∂ℓ_i/∂theta[at] of each example, (m,), by the complex step."""
    cost = Cost(problem)
    theta = cost.start.astype(complex)
    theta[at] += 1j * h
    return example_losses(problem.net, cost.run(theta)[1], problem.data()[1]).imag / h


# --- a whole gradient in a few evaluations ----------------------------------------------------------------------------


@dataclass(frozen=True)
class GradientCheck:
    """The largest relative error of each tensor over the directions tried, and of all of them.

    wrong : the tensors in which a method disagrees.
    """

    errors: dict[str, float]
    directions: int
    wrong: tuple[str, ...] = ()

    @property
    def max_relative_error(self) -> float:
        """The worst tensor's."""
        return max(self.errors.values())

    @property
    def worst(self) -> str:
        """The name of the worst tensor."""
        return max(self.errors, key=self.errors.__getitem__)


def check_gradient(
    problem: Problem,
    g: Array | None = None,
    *,
    directions: int | None = None,
    seed: int = 0,
    measured: ErrorBounds | None = None,
) -> GradientCheck:
    """Check ∂C/∂theta, (n_parameters,) or the textbook's own, along random signed directions of each tensor.

    directions : how many, 4 unless told, 1 for a large network.  Since E⟨e, v⟩² = ‖e‖² for an error e, |difference| /
    ‖gradient‖ estimates the relative error of a tensor; one that is too small for differences of C to see is measured
    against the whole gradient, or against C.  measured : the problem's `error_bounds`, where they are known.
    Source: the fast mode of PyTorch's gradcheck.

    >>> from backlit.core.network import Dense, Network
    >>> net = Network(2, [Dense(3, "tanh"), Dense(1)])
    >>> check_gradient(Problem(net, net.init(seed=1), [[1.0, 2.0]], [[1.0]])).max_relative_error < 1e-8
    True
    """
    checker, rng = GradientChecker(problem, measured=measured), np.random.default_rng(seed)
    right = checker.problem.passes()[1]
    g = right.theta if g is None else np.asarray(g, np.float64)
    directions = directions or (4 if len(g) <= MANY else 1)
    floor = max(1e-3 * float(np.linalg.norm(right.theta)), 1e-2 * abs(right.loss), float(np.finfo(float).tiny))
    errors, wrong = {}, []
    for slot in layout(problem.net):
        where = slice(slot.start, slot.stop)
        V = signed(where, len(g), directions, rng)
        said = checker.parameters(where, g, V, size=max(float(np.linalg.norm(g[where])), floor))
        errors[str(slot)] = max((one.error for one in said if one.verdict != "unresolved"), default=0.0)
        wrong += [str(slot)] if any(one.verdict == "disagree" for one in said) else []
    return GradientCheck(errors, directions, tuple(wrong))
