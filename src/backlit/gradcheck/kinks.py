"""Kinks, where a slope jumps, and creases, where its slope does: no difference may reach across either.

A unit with u exactly at a kink of its activation, and an output that equals its target under an absolute loss, are
points at which any value between the two one-sided slopes is right.  `beside_kinks` moves such points to a side of
their own, in the forward and the backward pass; `slopes_between` tries the sides.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import product
from typing import Any

import numpy as np

from backlit.core.activations import Activation
from backlit.core.network import Network
from backlit.core.passes import Trace
from backlit.core.problem import Problem
from backlit.core.targets import as_targets

Array = np.ndarray
Named = Mapping[str, Array]
MOST_CORNERS = 64
NUDGE = 1e-300  # from a kink at 0; elsewhere the next float
BESIDE = 1e-12  # relative, of a target from an output that it equals: more than rounding, less than is seen
WELL_BESIDE = 1e-3  # the same, where slopes shall not depend on the side any more


def sides_of(net: Network, y: Any) -> Callable[[Trace], Array]:
    """A function of a trace: on which side of each kink and each crease every unit, and every output, lies, flat.

    y : the targets; None leaves the loss out.
    """
    at = [(l, edge) for l, layer in net.numbered() for edge in (*layer.activation.kinks, *layer.activation.creases)]
    edges = () if y is None else (*((0.0,) if net.loss.kinked else ()), *net.loss.creases)

    def sides(trace: Trace) -> Array:
        parts = [trace.u[l].real > edge for l, edge in at]
        if edges:
            residual = trace.a[-1].real - as_targets(net, y, trace.m)
            parts += [residual > edge for edge in edges]
        return np.concatenate([part.ravel() for part in parts]) if parts else np.zeros(0, bool)

    return sides


@dataclass(frozen=True)
class Point:
    """A unit of example i, u[layer][i, j], at a kink of its φ; or, for layer None, an output that equals its target."""

    layer: int | None
    index: tuple[int, int]
    kink: float


def points_at_kinks(problem: Problem, trace: Trace, width: float) -> list[Point]:
    """The points at a kink, within `width` relative to the largest number of the layer."""
    found: list[Point] = []
    for l, layer in problem.net.numbered():
        for kink in layer.activation.kinks:
            near = np.abs(trace.u[l] - kink) <= width * (np.abs(trace.u[l]).max(initial=0.0) + 1)
            found += [Point(l, (int(i), int(j)), kink) for i, j in np.argwhere(near)]
    if problem.net.loss.kinked and problem.y is not None:
        a = trace.a[-1]
        near = np.abs(a - as_targets(problem.net, problem.y, trace.m)) <= width * (np.abs(a).max(initial=0.0) + 1)
        found += [Point(None, (int(i), int(j)), float(a[i, j])) for i, j in np.argwhere(near)]
    return found


def beside_kinks(problem: Problem, points: Sequence[Point], sides: Sequence[int]) -> Problem:
    """The problem with each point on the side given, −1 below its kink or 1 above, wherever its slope is asked for."""
    layers = list(problem.net.layers)
    for l in {point.layer for point in points if point.layer is not None}:
        moved = {p.index: beside(p.kink, side) for p, side in zip(points, sides, strict=True) if p.layer == l}
        layers[l - 1] = replace(layers[l - 1], activation=held(layers[l - 1].activation, moved))
    net = replace(problem.net, layers=tuple(layers))
    outputs = [(p, side) for p, side in zip(points, sides, strict=True) if p.layer is None]
    if not outputs:
        return replace(problem, net=net)
    y = as_targets(problem.net, problem.y, len(problem.data()[0])).copy()
    for point, side in outputs:
        y[point.index] = point.kink - side * BESIDE * (1 + abs(point.kink))
    return replace(problem, net=net, y=y)


def beside(kink: float, side: int) -> float:
    """The nearest number on one side of a kink."""
    return side * NUDGE if kink == 0 else float(np.nextafter(kink, side * np.inf))


def held(phi: Activation, moved: Mapping[tuple[int, int], float]) -> Activation:
    """φ with some entries of u held on a side of their kink: its values stay, its slopes are those of that side."""
    rows, columns = np.array(list(moved)).T
    places = np.array(list(moved.values()))

    def beside_it(u: Array) -> Array:
        u = u.copy()
        u[rows, columns] += -u[rows, columns].real  # to 0 first: a nudge of 1e-300 would be lost beside it
        u[rows, columns] += places
        return u

    def function(u: Array) -> Array:
        there = beside_it(u)
        return phi.function(there) + (phi.function(u.real) - phi.function(there.real))

    return replace(phi, function=function, derivative=lambda u: phi.derivative(beside_it(u)))


def off_loss_kinks(problem: Problem, trace: Trace) -> Problem:
    """The problem with targets moved off outputs that they equal, where the loss has a kink there."""
    ties = [point for point in points_at_kinks(problem, trace, 0.0) if point.layer is None]
    if not ties:
        return problem
    y = as_targets(problem.net, problem.y, trace.m).copy()
    for point in ties:
        y[point.index] -= WELL_BESIDE * (1 + abs(y[point.index]))
    return replace(problem, y=y)


def slopes_between(
    problem: Problem, points: Sequence[Point], slopes: Callable[[Problem], Named], most: int = MOST_CORNERS
) -> tuple[Named, Named]:
    """(least, largest) of each of the slopes over the choices of a side at each point.

    The problem's own choice counts too.  Where there are more than `most`, all points are moved down, then all up.
    """
    n = len(points)
    corners = product((-1, 1), repeat=n) if 2 ** min(n, 60) <= most else ((-1,) * n, (1,) * n)
    found = [slopes(problem), *(slopes(beside_kinks(problem, points, sides)) for sides in corners)]
    low = {name: np.min([one[name] for one in found], axis=0) for name in found[0]}
    high = {name: np.max([one[name] for one in found], axis=0) for name in found[0]}
    return low, high
