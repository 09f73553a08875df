"""Points where a slope jumps: any value between the one-sided slopes is right there.

A unit with u exactly at a kink of its activation (or, for float32 claims, within their rounding), and an output that
equals its target under an absolute loss, are such points.  Moving u or y by the least amount to either side gives the
two slopes from the textbook's own derivative.
"""

from collections.abc import Iterator, Sequence
from dataclasses import replace
from itertools import product
from typing import Any

import numpy as np

from backlit.core.passes import Trace, backward
from backlit.core.problem import Problem
from backlit.verification.quantities import Array, Values, backward_values

MOST_CORNERS = 64
BESIDE = 1e-3  # relative, how far from a loss's kink the oracles are compared
NUDGE = 1e-300  # from 0; elsewhere the next float


def points_at_kinks(problem: Problem, trace: Trace, width: float) -> list[tuple[str, int, tuple[int, int], float]]:
    """(what, layer, index, kink): "u" at a kink of φ, or "y" where a kinked loss has a = y, within `width` relative."""
    found: list[tuple[str, int, tuple[int, int], float]] = []
    for l, layer in problem.net.numbered():
        scale = width * (np.abs(trace.u[l]).max(initial=0.0) + 1)
        for kink in layer.activation.kinks:
            found += [("u", l, (int(i), int(j)), kink) for i, j in np.argwhere(np.abs(trace.u[l] - kink) <= scale)]
    if problem.net.loss.kinked and problem.y is not None:
        a, y = trace.a[-1], np.asarray(problem.y, dtype=float).reshape(trace.a[-1].shape)
        scale = width * (np.abs(a).max(initial=0.0) + 1)
        found += [("y", problem.net.L, (int(i), int(j)), a[i, j]) for i, j in np.argwhere(np.abs(a - y) <= scale)]
    return found


def off_loss_kinks(problem: Problem, trace: Trace) -> Problem:
    """The problem with targets moved off outputs that they equal, where the loss has a kink there.

    Exactly at the kink each way to the slope may give another right value, so ways are compared beside it.
    """
    ties = [at for what, _, at, _ in points_at_kinks(problem, trace, 0.0) if what == "y"]
    if not ties:
        return problem
    y = np.asarray(problem.y, dtype=float).reshape(trace.a[-1].shape).copy()
    for at in ties:
        y[at] -= BESIDE * (1 + abs(y[at]))
    return replace(problem, y=y)


def slopes_between(problem: Problem, *, width: float = 0.0) -> tuple[Values, Values] | None:
    """(least, largest) of each backward quantity over the choices of slope at kinks; None if no point is at one."""
    trace, _ = problem.passes()
    points = points_at_kinks(problem, trace, width)
    if not points:
        return None
    corners = product((-1, 1), repeat=len(points)) if 2 ** len(points) <= MOST_CORNERS else same_side(len(points))
    low: Values = {}
    high: Values = {}
    for sides in corners:
        for name, value in at_corner(problem, trace, points, sides):
            low[name] = np.minimum(low.get(name, value), value)
            high[name] = np.maximum(high.get(name, value), value)
    return low, high


def same_side(n: int) -> list[tuple[int, ...]]:
    """All points moved down, all moved up."""
    return [(-1,) * n, (1,) * n]


def at_corner(
    problem: Problem, trace: Trace, points: Sequence[Any], sides: Sequence[int]
) -> Iterator[tuple[str, Array]]:
    """The backward quantities with each point moved to its side."""
    u = [None if value is None else value.copy() for value in trace.u]
    y = problem.y
    if any(what == "y" for what, *_ in points):
        y = np.asarray(problem.y, dtype=float).reshape(trace.a[-1].shape).copy()
    for (what, l, at, kink), side in zip(points, sides, strict=True):
        target: Any = u[l] if what == "u" else y
        target[at] = beside(kink, side if what == "u" else -side)
    grad = backward(problem.net, problem.params, replace(trace, u=u), y, problem.sample_weight)
    return backward_values(problem.net, grad)


def beside(kink: float, side: int) -> float:
    """The nearest number on one side of a kink."""
    return side * NUDGE if kink == 0 else float(np.nextafter(kink, side * np.inf))
