"""Five ways to the same gradient that share as little as they can: each takes a problem and gives ∂C/∂theta.

Where a problem has more parameters than an oracle can afford one by one, it looks along random signed directions of
each tensor instead; see `Slopes`.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np

from backlit.core.network import Network
from backlit.core.parameters import Parameters, layout
from backlit.core.passes import Trace, forward, total_loss
from backlit.core.problem import Problem
from backlit.core.targets import as_targets
from backlit.verification.directions import kinks_of, signs
from backlit.verification.oracles.plain import plain_cost
from backlit.verification.oracles.stepping import derivative, open_step

Array = np.ndarray
ONE_BY_ONE = 60  # parameters up to which each is moved by itself
DIRECTIONS = 3  # a tensor, beyond that
MANY = 20_000  # parameters beyond which there is one direction a tensor
COMPLEX_STEP = 1e-30
LONGEST, SHORTEST = 0.125, 1e-7  # steps of differences


@dataclass(frozen=True)
class Slopes:
    """The cost's slope along some directions.

    directions : (k, n_parameters).  values : (k,).  certain : what the method itself knows of its errors, (k,) or 0.
    """

    directions: Array
    values: Array
    certain: Array | float = 0.0


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
    """Central differences, extrapolated, with steps that cross no kink; see `stepping`."""
    cost = core_cost(problem)
    return extrapolated(problem, directions, cost, np.float64, LONGEST)


def extended_precision(problem: Problem, directions: Array) -> Slopes:
    """The same of the second cost in long double, whose rounding is 2000 times smaller."""
    cost = plain_cost(problem, np.longdouble)
    return extrapolated(problem, directions, cost, np.longdouble, LONGEST / 4)


def extrapolated(problem: Problem, directions: Array, cost: Callable[[Array], Any], kind: Any, h: float) -> Slopes:
    """The slope of a cost along each direction, in numbers of one kind, from steps of at most h."""
    theta, net, key = problem.params.theta, problem.net, problem.dropout_key()
    X, y = problem.data()
    sides = sides_of(net, y)

    def sides_at(moved: Array) -> Array:
        return sides(forward(net, Parameters(net, moved), X, dropout=key))

    here, start, found = sides_at(theta), theta.astype(kind), []
    for v in directions:

        def crosses(t: float, v: Array = v) -> bool:
            return any((sides_at(theta + s * t * v) != here).any() for s in (1, -1))

        def along(t: Any, v: Array = v) -> Any:
            return np.real(cost(start + t * v))

        found.append(derivative(along, kind(open_step(crosses, h, SHORTEST))))
    values, errors = np.array(found).T
    return Slopes(directions, values, errors)


def sides_of(net: Network, y: Any) -> Callable[[Trace], Array]:
    """On which side of each kink, and of each crease (a jump of the second derivative), every unit of a trace lies."""
    kinks = kinks_of(net, y)

    def sides(trace: Trace) -> Array:
        creases = [trace.u[l] > at for l, layer in net.numbered() for at in layer.activation.creases]
        if net.loss.creases:
            residual = trace.a[-1] - as_targets(net, y, trace.m)
            creases += [residual > at for at in net.loss.creases]
        return np.concatenate([kinks(trace), *(crease.ravel() for crease in creases)])

    return sides


def has_extended_precision() -> bool:
    """Whether long double is wider than double on this machine (not on Windows, nor on some ARM)."""
    return bool(np.finfo(np.longdouble).eps < 1e-18)
