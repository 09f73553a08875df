"""Slopes by differences at several steps, extrapolated to step 0: what they give, and how far to trust it.

The central difference D(h) = (f(h) − f(−h)) / 2h is f'(0) + c₂h² + c₄h⁴ + …  Two steps, h and h/4, cancel c₂; three
cancel c₄; and so on, with p = 2 (a one-sided difference has every power of h, and p = 1):

    T[j, 0] = D(h 4^−j),    T[j, k] = T[j, k−1] + (T[j, k−1] − T[j−1, k−1]) / (4^{pk} − 1)

Long steps keep rounding small, and the extrapolation keeps their truncation small.  The entry of the table whose
neighbors are nearest is taken; its error is their distance and what rounding of f does to a difference, noise / h.
Entries that the shortest step contradicts are passed over: long steps may agree with each other on a wrong slope.
Quotients that grow, and never draw near each other, are of steps longer than what f does at 0, as batch norm of
equal rows turns within √ε: shorter steps are tried, and if those don't draw near either, nothing is known.
Sources: Richardson 1911; Ridders 1982.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import product
from typing import Any, NamedTuple

import numpy as np

from backlit.core.activations import Activation
from backlit.core.network import Network
from backlit.core.passes import Trace
from backlit.core.problem import Problem
from backlit.core.targets import as_targets

RATIO = 4
LEVELS = 6
MOST_LEVELS = 12  # where the quotients of LEVELS steps do not draw together
SAFETY = 4  # times the distance to the neighbors of an entry, which is an estimate and no bound
SHORTEST = 1e-7  # a kink that is nearer than this is one where we stand

Real = Any  # a float or a long double
Function = Callable[[Real], Real]


class Slope(NamedTuple):
    """f'(0) lies between low and high, which differ at a kink alone, give or take `error`."""

    low: float
    high: float
    error: float


def richardson(f: Function, h: Real, *, noise: float = 0.0, enough: float = 0.0) -> tuple[float, float]:
    """(f'(0), what its error may be) from central differences at h, h/4, …

    noise : how far f itself may be off, where that is more than its last place.  enough : an error to stop at.

    >>> value, error = richardson(np.exp, 0.25)
    >>> abs(value - 1) <= error < 1e-12
    True
    """

    def difference(step: Real) -> tuple[Real, float]:
        up, down = f(step), f(-step)
        return (up - down) / (2 * step), max(abs(float(up)), abs(float(down)))

    return extrapolated(difference, h, 2, noise, enough)


def one_sided(f: Function, h: Real, *, noise: float = 0.0, enough: float = 0.0) -> tuple[float, float]:
    """(the slope at 0 on the side where h lies, what its error may be).

    >>> value, error = one_sided(abs, -0.25)
    >>> value, error < 1e-14
    (-1.0, True)
    """
    here = f(0 * h)

    def difference(step: Real) -> tuple[Real, float]:
        there = f(step)
        return (there - here) / step, 2 * max(abs(float(there)), abs(float(here)))

    return extrapolated(difference, h, 1, noise, enough)


@np.errstate(over="ignore", invalid="ignore")
def extrapolated(
    difference: Callable[[Real], tuple[Real, float]], h: Real, power: int, noise: float, enough: float
) -> tuple[float, float]:
    """The best entry of the table, and its error.  difference : step ↦ (quotient, the size of the numbers in it)."""
    kind = np.asarray(h).dtype.type
    eps = float(np.finfo(kind).eps)
    above: list[Real] = []
    entries: list[tuple[float, float]] = []  # (what the error may be, value)
    gap, drew_near, first = float("inf"), power == 1, 0.0  # beside a kink one-sided ones never do, and are right enough
    for j in range(LEVELS):
        step = kind(h) / kind(RATIO) ** j
        quotient, size = difference(step)
        row, rounding = [quotient], max(eps * size, noise) / abs(float(step))
        for k in range(1, j + 1):
            row.append(row[k - 1] + (row[k - 1] - above[k - 1]) / (kind(RATIO) ** (power * k) - 1))
            doubt = SAFETY * float(max(abs(row[k] - row[k - 1]), abs(row[k] - above[k - 1])))
            entries += [(doubt + rounding, float(row[k]))] if np.isfinite(doubt) else []
        if entries and min(entries)[0] <= enough:
            return min(entries)[::-1]
        before, gap = gap, abs(float(quotient - above[0])) if j else float("inf")
        drew_near |= j > 1 and not gap > nearer_than(before, rounding, power)
        above, first = row, first or float(quotient)
    if not drew_near and abs(above[0]) > RATIO**power * abs(first):
        return by_short_steps(difference, h, noise)
    near = rounding + gap
    believed = [(doubt, value) for doubt, value in entries if abs(value - float(above[0])) <= doubt + near]
    error, value = min(believed, default=(float("inf"), 0.0))
    return value, error


def nearer_than(gap: float, rounding: float, power: int) -> float:
    """How near two quotients are where h is small, `gap` being the distance before: theory says gap / 4ᵖ."""
    return max(2 * gap / RATIO**power, SAFETY * rounding)


def by_short_steps(difference: Callable[[Real], tuple[Real, float]], h: Real, noise: float) -> tuple[float, float]:
    """Central differences of steps that shrink on until three quotients draw near each other, as theory says."""
    kind = np.asarray(h).dtype.type
    quotients = list[Real]()
    for j in range(LEVELS - 1, MOST_LEVELS):
        step = kind(h) / kind(RATIO) ** j
        quotient, size = difference(step)
        rounding = max(float(np.finfo(kind).eps) * size, noise) / abs(float(step))
        quotients.append(quotient)
        if quotient * quotients[0] <= 0:  # f has no digits left at this step
            break
        gaps = np.abs(np.diff(np.array(quotients[-4:], float)))
        if len(gaps) == 3 and all(gaps[i + 1] <= nearer_than(gaps[i], rounding, 2) for i in (0, 1)):
            beyond = (quotient - quotients[-2]) / (RATIO**2 - 1)
            return float(quotient + beyond), abs(float(beyond)) + rounding
    return float(quotient), float("inf")


def slope_along(
    f: Function, sides: Callable[[Real], Any], longest: Real, *, noise: float = 0.0, enough: float = 0.0
) -> Slope:
    """The slope of f at 0 by steps of at most `longest` that cross no kink; at a kink, those of its two sides.

    sides : t ↦ on which side of each kink f(t) lies, None where f has no value.  Where several kinks meet, a slope that
    takes another side at each may be right and lie outside the two: there the error is infinite.

    >>> slope_along(lambda t: max(t - 1e-3, 0.0), lambda t: t > 1e-3, 0.25)[:2]
    (0.0, 0.0)
    >>> slope_along(abs, lambda t: t > 0, 0.25)[:2]
    (-1.0, 1.0)
    """
    h, shortest = longest, 0 * longest + SHORTEST
    up = down = sides(0 * longest)
    if crosses(sides, up, down, h):
        up, down = sides(shortest), sides(-shortest)
    while h > shortest and crosses(sides, up, down, h):
        h = max(h / RATIO, shortest)
    if up is None or down is None:
        return Slope(0.0, 0.0, float("inf"))
    if np.array_equal(up, down):
        value, error = richardson(f, h, noise=noise, enough=enough)
        return Slope(value, value, error)
    ends = [one_sided(f, sign * h, noise=noise, enough=enough) for sign in (1, -1)]
    (low, _), (high, _) = sorted(ends)
    several = np.count_nonzero(np.asarray(up) != np.asarray(down)) > 1
    return Slope(low, high, float("inf") if several else max(error for _, error in ends))


def crosses(sides: Callable[[Real], Any], up: Any, down: Any, h: Real) -> bool:
    """Whether another kink lies within h, on either side."""
    return not (np.array_equal(sides(h), up) and np.array_equal(sides(-h), down))


Array = np.ndarray
Named = Mapping[str, Array]
# --- kinks and creases ------------------------------------------------------------------------------------------------

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

    The problem's own choice counts too.  Where there are more choices than `most`, all points are moved down, all up,
    and, if they are no more than `most` themselves, each is moved up alone: what these bring adds up, as of units side
    by side.
    """
    n, own = len(points), slopes(problem)
    every = 2 ** min(n, 60) <= most
    down, *others = (
        slopes(beside_kinks(problem, points, sides))
        for sides in (product((-1, 1), repeat=n) if every else ((-1,) * n, (1,) * n))
    )
    alone = () if every or n > most else (slopes(beside_kinks(problem, points, one_up(n, i))) for i in range(n))
    moves = [{name: one[name] - down[name] for name in own} for one in alone]
    low, high = {}, {}
    for name in own:
        found = [own[name], down[name], *(one[name] for one in others)]
        added = [down[name] + sum(limit(move[name], 0) for move in moves) for limit in (np.minimum, np.maximum)]
        low[name], high[name] = np.min([*found, added[0]], axis=0), np.max([*found, added[1]], axis=0)
    return low, high


def one_up(n: int, i: int) -> tuple[int, ...]:
    """The sides of n points of which all but number i lie below."""
    return tuple(1 if k == i else -1 for k in range(n))
