"""Five ways to the same gradient that share as little as they can: each takes a problem and gives ∂C/∂theta.

Where a problem has more parameters than an oracle can afford one by one, it looks along random signed directions of
each tensor instead; see `Slopes`.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np

from backlit.core.parameters import Parameters, layout
from backlit.core.passes import forward, total_loss
from backlit.core.problem import Problem
from backlit.verification.directions import STEP, kinks_of, signs, slope
from backlit.verification.oracles.plain import plain_cost

Array = np.ndarray
ONE_BY_ONE = 60  # parameters up to which each is moved by itself
DIRECTIONS = 3  # a tensor, beyond that
MANY = 20_000  # parameters beyond which there is one direction a tensor
COMPLEX_STEP = 1e-30


@dataclass(frozen=True)
class Slopes:
    """The cost's slope along some directions.

    directions : (k, n_parameters).  values : (k,).  certain : what the method itself knows of its error, absolute.
    """

    directions: Array
    values: Array
    certain: float = 0.0


def directions_of(problem: Problem, most: int = ONE_BY_ONE) -> Array:
    """Each parameter's own direction, or, beyond `most`, random signs on one tensor at a time, (k, n_parameters)."""
    n = problem.net.n_parameters
    if n <= most:
        return np.eye(n)
    rng = np.random.default_rng(0)
    repeats = range(DIRECTIONS if n <= MANY else 1)
    return np.array([signs(rng, problem.net, slot) for slot in layout(problem.net) for _ in repeats])


def closed_form(problem: Problem, directions: Array) -> Slopes:
    """The textbook's backward pass."""
    return Slopes(directions, directions @ problem.passes()[1].theta)


def tape(problem: Problem, directions: Array) -> Slopes:
    """Reverse mode over the cost written a second time."""
    from backlit.autodiff import gradient

    return Slopes(directions, directions @ gradient(plain_cost(problem), problem.params.theta))


def core_cost(problem: Problem) -> Callable[[Array], complex]:
    """C by `core`'s forward pass, of a real or complex theta."""
    X, y = problem.data()
    key = problem.dropout_key()

    def cost(theta: Array) -> complex:
        params = Parameters(problem.net, theta)
        return total_loss(problem.net, params, forward(problem.net, params, X, dropout=key), y, problem.sample_weight)

    return cost


def complex_step(problem: Problem, directions: Array) -> Slopes:
    """Im C(theta + i h v) / h: no difference is taken, so h may be 1e-30 (Squire & Trapp 1998)."""
    cost, theta = core_cost(problem), problem.params.theta
    values = [complex(cost(theta + 1j * COMPLEX_STEP * v)).imag / COMPLEX_STEP for v in directions]
    return Slopes(directions, np.array(values))


def central_differences(problem: Problem, directions: Array) -> Slopes:
    """Central differences with Richardson's extrapolation, h shrunk where a kink is crossed."""
    X, y = problem.data()
    net, key, sides = problem.net, problem.dropout_key(), kinks_of(problem.net, y)

    def along(v: Array, t: float):  # type: ignore[no-untyped-def]
        params = Parameters(net, problem.params.theta + t * v)
        trace = forward(net, params, X, dropout=key)
        return float(total_loss(net, params, trace, y, problem.sample_weight)), trace

    coarse, fine = (np.array([slope(along, v, sides, step=h) for v in directions]) for h in (STEP, STEP / 5))
    rounding = 1e-16 / STEP * abs(along(directions[0], 0.0)[0])
    return Slopes(directions, fine, certain=float(np.abs(coarse - fine).max(initial=0.0)) + 10 * rounding)


def extended_precision(problem: Problem, directions: Array) -> Slopes:
    """Differences of the second cost in long double, five points at two steps, which tell their own error."""
    cost, theta = plain_cost(problem, np.longdouble), problem.params.theta.astype(np.longdouble)

    def five_points(v: Array, h: Any) -> float:
        near, far = (cost(theta + t * v) - cost(theta - t * v) for t in (h, 2 * h))
        return float((8 * near - far) / (12 * h))

    coarse, fine = (np.array([five_points(v, np.longdouble(h)) for v in directions]) for h in (1e-4, 2.5e-5))
    return Slopes(directions, fine, certain=float(np.abs(coarse - fine).max(initial=0.0)) + 1e-13)


def has_extended_precision() -> bool:
    """Whether long double is wider than double on this machine (not on Windows, nor on some ARM)."""
    return bool(np.finfo(np.longdouble).eps < 1e-18)
