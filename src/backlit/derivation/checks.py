"""Independent computations of every gradient: the complex step, and central differences of the cost.

Neither uses the backward pass.  Where the parameters are few each entry is checked; else the slope along random signed
directions of each tensor.  What agrees agrees to the method's own accuracy plus what rounding can explain (see
`magnitudes`); a difference that rounding drowns is left out, for it says nothing.
Source: Squire & Trapp 1998 for the complex step.
"""

from collections.abc import Callable
from typing import Any

import numpy as np

from backlit.core.parameters import Parameters, layout
from backlit.core.passes import Gradients, Trace, example_losses, example_weights, forward, total_loss
from backlit.core.problem import Problem
from backlit.derivation.document import Check
from backlit.derivation.magnitudes import gamma, magnitudes

Array = np.ndarray
Measure = Callable[[Array], tuple[Any, Array]]  # numbers → the cost (or costs), and on which side of each kink u lies
TINY, STEP, SHRINK, SMALLEST = 1e-30, 1e-5, 0.1, 1e-8
FEW = 1200  # numbers that are checked one by one
DIRECTIONS = 3
COMPLEX_OK, DIFFERENCE_OK = 1e-13, 1e-8  # what either method can certify
DROWNED = 1e-3  # of the gradient: a difference whose rounding is more is not shown


def check(problem: Problem, trace: Trace, grad: Gradients) -> dict[str, tuple[Check, ...]]:
    """Checks by step id: each tensor of theta, the input gradient, and δ where no example depends on another."""
    found: dict[str, tuple[Check, ...]] = {}
    theta = as_float(problem.params.theta)
    rng = np.random.default_rng(0)
    X = as_float(trace.a[0])
    sizes, _, input_sizes = magnitudes(problem, trace)
    at_theta, at_input = measures(problem, X)
    for slot in layout(problem.net):
        where = np.arange(slot.start, slot.stop)
        probes = directions(where, len(theta), len(theta) <= FEW, rng)
        found[f"grad_{slot}"] = compared(at_theta, theta, probes, grad.theta, sizes, gamma(problem, trace))
    slope = (grad.a[0] * example_weights(problem.net, trace, problem.sample_weight)[1][:, None]).ravel()
    probes = directions(np.arange(X.size), X.size, X.size <= FEW, rng)
    sized = input_sizes.ravel()
    found["grad_a[0]"] = compared(at_input, X.ravel(), probes, slope, sized, gamma(problem, trace))
    if not problem.net.couples_examples and len(theta) <= FEW:
        for l in range(1, problem.net.L + 1):
            parts = [of_delta(problem, grad, l, j, rows=range(trace.m)) for j in range(problem.net.n[l])]
            found[f"delta[{l}]"] = worst(parts)
    return found


def one(problem: Problem, grad: Gradients, at: int) -> tuple[Check, ...]:
    """Both methods for one parameter, by its place in theta."""
    trace = problem.passes()[0]
    probes = directions(np.array([at]), len(grad.theta), True, None)
    sizes = magnitudes(problem, trace)[0]
    at_theta = measures(problem, as_float(trace.a[0]))[0]
    theta = as_float(problem.params.theta)
    return compared(at_theta, theta, probes, as_float(grad.theta), sizes, gamma(problem, trace))


def of_delta(problem: Problem, grad: Gradients, l: int, j: int, rows: Any) -> tuple[Check, ...]:
    """The complex step for δ of unit j, for all examples at once: moving b_j moves z_j of each alone."""
    trace = problem.passes()[0]
    at = next(slot.start for slot in layout(problem.net) if (slot.name, slot.l) == ("b", l)) + j
    theta = problem.params.theta.astype(complex)
    theta[at] += 1j * TINY
    params = Parameters(problem.net, theta)
    moved = run(problem, params, as_float(trace.a[0]).astype(complex))
    slopes = example_losses(problem.net, moved, problem.data()[1]).imag / TINY
    rows = list(rows)
    claimed = as_float(grad.delta[l])[rows, j]
    sizes = magnitudes(problem, trace)[1][l][rows, j]
    return (judged("complex step", slopes[rows], claimed, sizes, COMPLEX_OK, gamma(problem, trace) * sizes),)


def worst(parts: list[tuple[Check, ...]]) -> tuple[Check, ...]:
    """The checks of several units as one, with the largest error."""
    all_checks = [check for part in parts for check in part]
    largest = max(all_checks, key=lambda check: check.error)
    return (Check(largest.kind, largest.error, all(check.ok for check in all_checks)),)


# --- what is measured -------------------------------------------------------------------------------------------------


def as_float(values: Any) -> Array:
    """float64, also of fractions."""
    return np.asarray(values, np.float64)


def run(problem: Problem, params: Parameters, X: Array) -> Trace:
    """The forward pass of the problem, at other numbers."""
    return forward(problem.net, params, X, dropout=problem.dropout_key(), statistics=problem.statistics)


def measures(problem: Problem, X: Array) -> tuple[Measure, Measure]:
    """C as a function of theta, and of the inputs (flat); both may be complex."""

    def at(params: Parameters, X: Array) -> tuple[Any, Array]:
        dtype = np.result_type(params.theta, X)
        trace = run(problem, params.astype(dtype), X.astype(dtype))
        cost = total_loss(problem.net, params.astype(dtype), trace, problem.data()[1], problem.sample_weight)
        return cost, sides(problem, trace)

    plain = Parameters(problem.net, as_float(problem.params.theta))
    return lambda theta: at(Parameters(problem.net, theta), X), lambda x: at(plain, x.reshape(X.shape))


def sides(problem: Problem, trace: Trace) -> Array:
    """On which side of every kink u lies, and a of the target where the loss has a kink there."""
    net = problem.net
    found = [np.sign(trace.u[l].real - k).ravel() for l, layer in net.numbered() for k in layer.activation.kinks]
    if net.loss.kinked:
        found.append(np.sign(trace.a[net.L].real.ravel() - np.asarray(problem.data()[1], float).ravel()))
    return np.concatenate(found) if found else np.zeros(0)


def directions(where: Array, n: int, each: bool, rng: Any) -> Array:
    """One direction for each number, or a few random signed ones over all of them, (k, n)."""
    made = np.zeros((len(where) if each else DIRECTIONS, n))
    if each:
        made[np.arange(len(where)), where] = 1
    else:
        made[:, where] = rng.choice((-1.0, 1.0), (DIRECTIONS, len(where)))
    return made


# --- how it is judged -------------------------------------------------------------------------------------------------


def compared(f: Measure, x: Array, probes: Array, g: Array, sizes: Array, rounding: float) -> tuple[Check, ...]:
    """Both methods along `probes`, for a claimed gradient g whose terms add up to `sizes` in magnitude."""
    claimed, size = probes @ g, np.abs(probes) @ sizes
    by_complex = np.array([f(x + 1j * TINY * v)[0].imag / TINY for v in probes])
    found = [judged("complex step", by_complex, claimed, size, COMPLEX_OK, rounding * size)]
    cost = abs(f(x)[0])
    slopes, noise = zip(
        *(difference(f, x, v, c, cost * rounding) for v, c in zip(probes, claimed, strict=True)), strict=True
    )
    if max(noise) <= DROWNED * max(np.abs(claimed).max(), size.max() * rounding):
        found.append(judged("central difference", np.array(slopes), claimed, size, DIFFERENCE_OK, np.array(noise)))
    return tuple(found)


def judged(kind: str, other: Array, claimed: Array, size: Array, accuracy: float, rounding: Array) -> Check:
    """Whether all of `claimed` is what the other method found, to its accuracy and what rounding explains.

    The error that is told is relative to the largest value; to the largest Σ|terms| where all values are rounding.
    """
    off, largest = np.abs(other - claimed), np.abs(claimed).max()
    ok = bool((off <= accuracy * largest + rounding).all())
    scale = largest if (np.abs(claimed) > rounding).any() else size.max()
    return Check(kind, float(off.max() / scale) if off.any() else 0.0, ok)


def difference(f: Measure, x: Array, v: Array, claimed: float, rounding: float) -> tuple[float, float]:
    """A central difference along v that crosses no kink, and the rounding in it.

    Where x lies on a kink itself any slope between the two one-sided ones is right: the nearest to `claimed`.
    """
    step, here = STEP, f(x)
    while True:
        (up, above), (down, under) = f(x + step * v), f(x - step * v)
        if np.array_equal(above, under):
            return float(up - down) / (2 * step), rounding / step
        if step <= SMALLEST:
            ends = sorted((float(up - here[0]) / step, float(here[0] - down) / step))
            return min(max(claimed, ends[0]), ends[1]), rounding / step
        step *= SHRINK
