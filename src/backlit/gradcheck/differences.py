"""Slopes by differences at several steps, extrapolated to step 0: what they give, and how far to trust it.

The central difference D(h) = (f(h) − f(−h)) / 2h is f'(0) + c₂h² + c₄h⁴ + …  Two steps, h and h/4, cancel c₂; three
cancel c₄; and so on, with p = 2 (a one-sided difference has every power of h, and p = 1):

    T[j, 0] = D(h 4^−j),    T[j, k] = T[j, k−1] + (T[j, k−1] − T[j−1, k−1]) / (4^{pk} − 1)

Long steps keep rounding small, and the extrapolation keeps their truncation small.  The entry of the table whose
neighbors are nearest is taken; its error is their distance and what rounding of f does to a difference, noise / h.
Entries that the shortest step contradicts are passed over: long steps may agree with each other on a wrong slope.
Sources: Richardson 1911; Ridders 1982.
"""

from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np

RATIO = 4
LEVELS = 6
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
        near = rounding + abs(float(quotient - above[0])) if j else float("inf")
        above = row
    believed = [(doubt, value) for doubt, value in entries if abs(value - float(above[0])) <= doubt + near]
    error, value = min(believed, default=(float("inf"), 0.0))
    return value, error


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
