"""Ways to the same gradient that share as little as they can: each gives the slopes of a cost along some directions.

The complex step and differences ask the textbook's forward pass, and nothing of its backward pass; the tape and
extended precision ask the cost as `reference_cost` writes it a second time.
"""

from collections.abc import Callable
from dataclasses import dataclass
from functools import cache
from typing import Any

import numpy as np

from backlit.core.network import Network
from backlit.core.parameters import Parameters, Slot, layout
from backlit.core.passes import forward, total_loss
from backlit.core.problem import Problem
from backlit.errors import DomainError
from backlit.gradcheck.differences import sides_of, slope_along
from backlit.gradcheck.error_bounds import SAFETY
from backlit.gradcheck.reference_cost import reference_cost

Array = np.ndarray
ONE_BY_ONE = 60  # parameters up to which each is moved by itself, where ways are held against each other
DIRECTIONS = 3  # a tensor, beyond that
MANY = 20_000  # parameters beyond which there is one direction a tensor
COMPLEX_H = 1e-30
LONGEST = 0.125  # steps of differences


@dataclass(frozen=True)
class Slopes:
    """The slopes of a cost along k directions.

    values : (k,).  errors : what the method itself knows of its errors, (k,) or 0.  low, high : (k,), where a slope
    jumps: any value between them is right.
    """

    values: Array
    errors: Array | float = 0.0
    low: Array | None = None
    high: Array | None = None

    def nearest(self, claimed: Array) -> Array:
        """Of the right values, those nearest to what is claimed, (k,)."""
        return self.values if self.low is None else np.clip(claimed, self.low, self.high)


# --- directions -------------------------------------------------------------------------------------------------------


def each_of(where: slice, n: int) -> Array:
    """The directions of the numbers at `where` of n, one by one, (k, n)."""
    return np.eye(where.stop - where.start, n, where.start)


def signed(where: slice | Array, n: int, k: int, rng: np.random.Generator) -> Array:
    """k directions of random signs at `where` of n, 0 elsewhere: E⟨e, v⟩² = ‖e‖² for an error e there, (k, n)."""
    found = np.zeros((k, n))
    found[:, where] = rng.choice((-1.0, 1.0), found[:, where].shape)
    return found


def slice_of(slot: Slot) -> slice:
    """Where a tensor lies in theta."""
    return slice(slot.start, slot.stop)


def directions_of(net: Network) -> Array:
    """Each parameter's own direction, or, where these are many, random signs on one tensor at a time, (k, n)."""
    n = net.n_parameters
    if n <= ONE_BY_ONE:
        return np.eye(n)
    rng, k = np.random.default_rng(0), DIRECTIONS if n <= MANY else 1
    return np.concatenate([signed(slice_of(slot), n, k, rng) for slot in layout(net)])


# --- the cost as a function -------------------------------------------------------------------------------------------


class Cost:
    """C of a problem as a function of theta, or of its inputs (flat), real or complex, by the textbook's forward pass.

    start : the problem's own numbers, float64.

    >>> from backlit.core.network import Dense
    >>> net = Network(1, [Dense(1)])
    >>> cost = Cost(Problem(net, net.init("zeros"), [[1.0]], [[2.0]]))
    >>> float(cost(np.array([0.5, 0.5]))), cost.start
    (0.5, array([0., 0.]))
    """

    def __init__(self, problem: Problem, *, of_inputs: bool = False):
        self.problem, self.of_inputs = problem, of_inputs
        self.theta = np.asarray(problem.params.theta, np.float64)
        self.X = np.asarray(problem.data()[0], np.float64)
        self.start = self.X.ravel() if of_inputs else self.theta
        self.key, self.sides = problem.dropout_key(), sides_of(problem.net, problem.y)

    def run(self, at: Array) -> tuple[Any, Any]:
        """(C, the trace)."""
        problem = self.problem
        theta, X = (self.theta, at.reshape(self.X.shape)) if self.of_inputs else (at, self.X)
        params = Parameters(problem.net, theta.astype(at.dtype))
        trace = forward(problem.net, params, X.astype(at.dtype), dropout=self.key, statistics=problem.statistics)
        return total_loss(problem.net, params, trace, problem.data()[1], problem.sample_weight), trace

    def __call__(self, at: Array) -> Any:
        """C."""
        return self.run(at)[0]

    def measure(self, at: Array) -> tuple[float, Array | None]:
        """(C, on which side of each kink everything lies), the sides None where there is no C."""
        try:
            value, trace = self.run(at)
        except DomainError:
            return float("nan"), None
        return float(value), self.sides(trace) if np.isfinite(value) else None


# --- the ways ---------------------------------------------------------------------------------------------------------


def complex_step(f: Callable[[Array], Any], x: Array, directions: Array, *, h: float = COMPLEX_H) -> Slopes:
    """Im f(x + i h v) / h: no difference is taken, so h may be 1e-30 (Squire & Trapp 1998).

    >>> complex_step(lambda x: (x**3).sum(), np.array([1.0, 2.0]), np.eye(2)).values
    array([ 3., 12.])
    """
    return Slopes(np.array([complex(np.asarray(f(x + 1j * h * v)).item()).imag / h for v in directions]))


def with_rounding(stepped: Callable[[float], Array]) -> Slopes:
    """Slopes by a complex step of a given h, with what their rounding may be: another h rounds another way.

    The way up adds what the way down cancels, as behind a norm, so its rounding is not that of the backward pass.
    """
    values = stepped(COMPLEX_H)
    apart = np.abs(values - stepped(COMPLEX_H / 3)).max(initial=0.0)
    return Slopes(values, np.full(len(values), SAFETY * float(apart)))


def central_differences(
    cost: Cost,
    directions: Array,
    *,
    longest: Any = LONGEST,
    noise: float = 0.0,
    enough: float = 0.0,
    second: Callable[[Array], Any] | None = None,
) -> Slopes:
    """Differences, extrapolated, with steps that cross no kink; see `differences`.

    second : another way to C, whose numbers are of the kind that `longest` is.
    """
    found, here, start = [], cost.measure(cost.start), cost.start.astype(np.asarray(longest).dtype)
    for v in directions:

        @cache
        def at(t: Any, v: Array = v) -> tuple[Any, Array | None]:
            value, sides = cost.measure(cost.start + float(t) * v) if t else here
            return (value if second is None else second(start + t * v)), sides

        found.append(slope_along(lambda t: at(t)[0], lambda t: at(t)[1], longest, noise=noise, enough=enough))
    low, high, errors = np.array(found, np.float64).reshape(-1, 3).T
    return Slopes((low + high) / 2, errors, low, high)


def extended_precision(problem: Problem, directions: Array) -> Slopes:
    """The same of the second cost in long double, whose rounding is 2000 times smaller."""
    second = reference_cost(problem, np.longdouble)
    return central_differences(Cost(problem), directions, longest=np.longdouble(LONGEST / 4), second=second)


def tape(problem: Problem, directions: Array) -> Slopes:
    """Reverse mode over the cost written a second time."""
    from backlit.autodiff import gradient

    return Slopes(directions @ gradient(reference_cost(problem), problem.params.theta))


def closed_form(problem: Problem, directions: Array) -> Slopes:
    """The textbook's backward pass."""
    return Slopes(directions @ problem.passes()[1].theta)


def has_extended_precision() -> bool:
    """Whether long double is wider than double on this machine (not on Windows, nor on some ARM)."""
    return bool(np.finfo(np.longdouble).eps < 1e-18)
