"""Independent computations of every gradient: the complex step, and central differences of the cost.

Neither uses the backward pass.  Where the parameters are few each entry is checked; else the slope along random signed
directions of each tensor.  Source: Squire & Trapp 1998 for the complex step.
"""

from collections.abc import Callable
from typing import Any

import numpy as np

from backlit.core.parameters import layout
from backlit.core.passes import Gradients, Trace, forward, total_loss
from backlit.core.problem import Problem
from backlit.derivation.document import Check

Array = np.ndarray
TINY, STEP = 1e-30, 1e-5
FEW = 1200  # numbers that are checked one by one
DIRECTIONS = 3
COMPLEX_OK, DIFFERENCE_OK = 1e-12, 1e-6
ZERO = 1e-3  # a tensor whose gradient is 0 but for rounding is measured against a part of the largest


def check(problem: Problem, trace: Trace, grad: Gradients) -> dict[str, tuple[Check, ...]]:
    """Checks by step id: each tensor of theta, the input gradient, and δ where a bias alone stands for it."""
    found: dict[str, tuple[Check, ...]] = {}
    theta = problem.params.theta
    rng = np.random.default_rng(0)
    X = np.asarray(trace.a[0], float)

    def at_theta(moved: Array) -> Any:
        return cost(problem, problem.params.__class__(problem.net, moved), X)

    def at_input(moved: Array) -> Any:
        return cost(problem, problem.params.astype(moved.dtype), moved.reshape(X.shape))

    for slot in layout(problem.net):
        where = np.arange(slot.start, slot.stop)
        found[f"grad_{slot}"] = compared(at_theta, theta, where, grad.theta, len(theta) <= FEW, rng)
    slope = (grad.a[0] * share_of(problem, trace)[:, None]).ravel()
    found["grad_a[0]"] = compared(at_input, X.ravel(), np.arange(X.size), slope, X.size <= FEW, rng)
    for l in range(1, problem.net.L + 1):
        if trace.m == 1 and not problem.net.layer(l).norm:
            found[f"delta[{l}]"] = found[f"grad_b[{l}]"]  # with one example δ is the bias's gradient
    return found


def one(problem: Problem, trace: Trace, grad: Gradients, at: int) -> tuple[Check, ...]:
    """Both methods for one parameter, by its place in theta."""
    X, params = np.asarray(trace.a[0], float), problem.params

    def at_theta(moved: Array) -> Any:
        return cost(problem, params.__class__(problem.net, moved), X)

    return compared(at_theta, params.theta, np.array([at]), grad.theta, True, None)


def share_of(problem: Problem, trace: Trace) -> Array:
    """The share of each ∂ℓ_i/∂a_i in ∂C/∂a_i."""
    from backlit.core.passes import example_weights

    return example_weights(problem.net, trace, problem.sample_weight)[1]


def cost(problem: Problem, params: Any, X: Array) -> Any:
    """C, at parameters and inputs that may be complex."""
    params = params.astype(np.result_type(params.theta, X))
    trace = forward(problem.net, params, X.astype(params.theta.dtype), dropout=problem.dropout_key())
    return total_loss(problem.net, params, trace, problem.data()[1], problem.sample_weight)


def compared(f: Callable[[Array], Any], x: Array, where: Array, g: Array, each: bool, rng: Any) -> tuple[Check, ...]:
    """Both methods on the entries `where` of x, whose claimed gradient is g."""
    directions = np.zeros((len(where) if each else DIRECTIONS, len(x)))
    if each:
        directions[np.arange(len(where)), where] = 1
    else:
        directions[:, where] = rng.choice((-1.0, 1.0), (DIRECTIONS, len(where)))
    claimed = directions @ g
    scale = max(np.abs(claimed).max(), ZERO * np.abs(g).max(), 1e-300)
    by_complex = np.array([f(x + 1j * TINY * v).imag / TINY for v in directions])
    by_difference = np.array([(f(x + STEP * v) - f(x - STEP * v)) / (2 * STEP) for v in directions])
    size = abs(f(x)) * 2e-16 / STEP  # what rounding of C leaves of a difference
    errors = float(np.abs(by_complex - claimed).max() / scale), float(np.abs(by_difference - claimed).max() / scale)
    return (
        Check("complex step", errors[0], bool(errors[0] <= COMPLEX_OK)),
        Check("central difference", errors[1], bool(errors[1] <= DIFFERENCE_OK + 4 * size / scale)),
    )
