"""The independent checks that a derivation shows: of every gradient, by a complex step and by differences.

Where the parameters are few each entry is checked; else the slope along random signed directions of each tensor, and
in a deep network of a block of consecutive tensors at a time, so that the work doesn't grow with the square of depth.
What a method can't resolve, such as a difference that rounding drowns, is left out, for it says nothing.
"""

from collections.abc import Iterable

import numpy as np

from backlit.core.parameters import layout
from backlit.core.passes import Gradients, Trace, example_weights
from backlit.core.problem import Problem
from backlit.derivation.document import Check
from backlit.gradcheck import Comparison, GradientChecker
from backlit.gradcheck.methods import signed

FEW = 1200  # numbers that are checked one by one
DIRECTIONS = 3
MOST_LAYERS = 20_000  # that the forward passes of one step of the differences go through, over all directions

Checks = tuple[Check, ...]


def check(problem: Problem, trace: Trace, grad: Gradients) -> dict[str, Checks]:
    """Checks by step id: each tensor of theta, the input gradient, and δ where no example depends on another."""
    checker, rng = GradientChecker(problem, grad.theta.dtype), np.random.default_rng(0)
    n, found = len(grad.theta), dict[str, Checks]()
    slots = layout(problem.net)
    blocks = min(len(slots), max(MOST_LAYERS // (DIRECTIONS * problem.net.L), 1))
    few = n <= FEW and blocks == len(slots)
    for block in np.array_split(np.arange(len(slots)), blocks):
        where = slice(slots[block[0]].start, slots[block[-1]].stop)
        along = None if few else signed(where, n, DIRECTIONS, rng)
        checks = shown(checker.parameters(where, grad.theta, along))
        found |= {f"grad_{slots[k]}": checks for k in block}
    slope = grad.a[0] * example_weights(problem.net, trace, problem.sample_weight)[1][:, None]
    along = None if slope.size <= FEW else signed(slice(None), slope.size, DIRECTIONS, rng)
    found["grad_a[0]"] = shown(checker.inputs(slope, along))
    if not problem.net.couples_examples and few:
        found |= {f"delta[{l}]": shown(checker.delta(l, grad.delta[l])) for l, _ in problem.net.numbered()}
    return found


def one(problem: Problem, grad: Gradients, at: int) -> Checks:
    """Both methods for one parameter, by its place in theta."""
    return shown(GradientChecker(problem, grad.theta.dtype).parameters(slice(at, at + 1), grad.theta))


def of_delta(problem: Problem, grad: Gradients, l: int, j: int, row: int) -> Checks:
    """The complex step for one entry of δ."""
    checker = GradientChecker(problem, grad.theta.dtype)
    return shown(checker.delta(l, grad.delta[l], slice(row, row + 1), slice(j, j + 1)))


def shown(comparisons: Iterable[Comparison]) -> Checks:
    """As the document shows them."""
    return tuple(
        Check(one.method, one.error, one.verdict == "agree") for one in comparisons if one.verdict != "unresolved"
    )
