"""The independent checks that a derivation shows: of every gradient, by a complex step and by differences.

Where the parameters are few each entry is checked; else the slope along random signed directions of each tensor, in a
deep network of a block of them at a time, so that the work does not grow with the square of depth.  What
a method can't resolve, such as a difference that rounding drowns, is left out, for it says nothing.
"""

from collections.abc import Iterable, Sequence

import numpy as np

from backlit.core.parameters import Slot, layout
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
    n = len(grad.theta)
    found: dict[str, Checks] = {}
    slots = layout(problem.net)
    blocks = blocks_of(slots, MOST_LAYERS // (DIRECTIONS * problem.net.L))
    few = n <= FEW and len(blocks) == len(slots)
    for block in blocks:
        if few:
            checks = checker.parameters(slice(block[0].start, block[0].stop), grad.theta)
        else:
            where = np.concatenate([np.arange(slot.start, slot.stop) for slot in block])
            checks = checker.parameters(slice(0), grad.theta, signed(where, n, DIRECTIONS, rng))
        found |= {f"grad_{slot}": shown(checks) for slot in block}
    slope = grad.a[0] * example_weights(problem.net, trace, problem.sample_weight)[1][:, None]
    along = None if slope.size <= FEW else signed(slice(None), slope.size, DIRECTIONS, rng)
    found["grad_a[0]"] = shown(checker.inputs(slope, along))
    if not problem.net.couples_examples and few:
        found |= {f"delta[{l}]": shown(checker.delta(l, grad.delta[l])) for l, _ in problem.net.numbered()}
    return found


def blocks_of(slots: Sequence[Slot], most: int) -> list[list[Slot]]:
    """About `most` blocks of tensors of one name, each of consecutive layers; a tensor each where they are no more."""
    if len(slots) <= most:
        return [[slot] for slot in slots]
    blocks = []
    for name in dict.fromkeys(slot.name for slot in slots):  # a bias has far larger slopes than a deep layer's weights
        own = [slot for slot in slots if slot.name == name]
        parts = np.array_split(np.arange(len(own)), max(most * len(own) // len(slots), 1))
        blocks += [[own[k] for k in part] for part in parts]
    return blocks


def one(problem: Problem, grad: Gradients, at: int) -> Checks:
    """Both methods for one parameter, by its place in theta."""
    return shown(GradientChecker(problem, grad.theta.dtype).parameters(slice(at, at + 1), grad.theta))


def of_delta(problem: Problem, grad: Gradients, l: int, j: int, row: int) -> Checks:
    """The complex step for one entry of δ."""
    checker = GradientChecker(problem, grad.theta.dtype)
    return shown(checker.delta(l, grad.delta[l], slice(row, row + 1), slice(j, j + 1)))


def shown(comparisons: Iterable[Comparison]) -> Checks:
    """As the document shows them: those that tell.  One that agrees by what rounding may do alone tells nothing."""
    telling = [one for one in comparisons if one.verdict == "disagree" or (one.verdict == "agree" and one.tells)]
    return tuple(Check(one.method, one.error, one.verdict == "agree") for one in telling)
