"""Derivatives by central differences at several steps, extrapolated to step 0: what they give, and how far to trust it.

D(h) = (f(h) − f(−h)) / 2h is f'(0) + c₂h² + c₄h⁴ + …  Two steps, h and h/4, cancel c₂; three cancel c₄; and so on:

    T[j, 0] = D(h 4^−j),    T[j, k] = T[j, k−1] + (T[j, k−1] − T[j−1, k−1]) / (16^k − 1)

Long steps keep rounding small, eps |f| / h, and the extrapolation keeps their truncation small.  The entry of the table
whose neighbors are nearest is taken, and their distance is its error.  Sources: Richardson 1911; Ridders 1982.
"""

from collections.abc import Callable
from typing import Any

import numpy as np

RATIO = 4
LEVELS = 6
SAFETY = 4  # times the distance to the neighbors of an entry, which is an estimate and no bound

Real = Any  # a float or a long double


def derivative(f: Callable[[Real], Real], h: Real, *, levels: int = LEVELS) -> tuple[float, float]:
    """(f'(0), what its error may be) from the steps h, h/4, …

    >>> value, error = derivative(np.exp, 0.25)
    >>> abs(value - 1) <= error < 1e-12
    True
    """
    kind = np.asarray(h).dtype.type
    steps = [kind(h) / kind(RATIO) ** j for j in range(levels)]
    ends = [(f(step), f(-step)) for step in steps]
    eps, size = float(np.finfo(kind).eps), float(max(abs(v) for pair in ends for v in pair))
    table: list[list[Real]] = []
    best, error = 0.0, float("inf")
    for j, (step, (up, down)) in enumerate(zip(steps, ends, strict=True)):
        row = [(up - down) / (2 * step)]
        for k in range(1, j + 1):
            row.append(row[k - 1] + (row[k - 1] - table[j - 1][k - 1]) / (kind(RATIO) ** (2 * k) - 1))
            doubt = float(max(abs(row[k] - row[k - 1]), abs(row[k] - table[j - 1][k - 1])))
            doubt = SAFETY * doubt + eps * size / float(step)
            if doubt < error:
                best, error = float(row[k]), doubt
        table.append(row)
    return best, error


def open_step(crosses: Callable[[Real], bool], longest: float, shortest: float) -> float:
    """The longest step, in quarters of `longest`, within which no kink is crossed; not below `shortest`."""
    h = longest
    while h > shortest and crosses(h):
        h /= RATIO
    return max(h, shortest)
