"""Where gradients neither grow nor shrink: the line χ₁ = 1 in the plane of σ_w² and σ_b².

Along it the length q is a coordinate: σ_w² = 1/E φ'(√q Z)², and σ_b² = q − σ_w² E φ(√q Z)² makes q a fixed point.

Such points, and the fixed points of depth, are where a function crosses 0.

>>> from backlit.core.activations import get_activation
>>> point = critical_point(get_activation("tanh"), 0.05)
>>> round(point.sigma_w2, 6), round(point.q_star, 6)
(1.760955, 0.570048)
"""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from backlit.core.activations import Activation
from backlit.diagnosis.theory.expectations import second_moment, slope_moment

ROUNDS = 200
EPSILON = 4 * 2.0**-52
LENGTHS = np.geomspace(1e-6, 1e4, 101)


@dataclass(frozen=True)
class Critical:
    """A point of the critical line."""

    sigma_w2: float
    sigma_b2: float
    q_star: float


def bias_variance(phi: Activation, q: float) -> float:
    """σ_b² of the critical point whose length is q; negative where there is none."""
    slope = slope_moment(phi, q)
    return q - second_moment(phi, q) / slope if 0 < slope < np.inf else -np.inf


def critical_point(phi: Activation, sigma_b2: float = 0.0) -> Critical | None:
    """The critical point with the smallest length at this σ_b²; None if the line has no point there.

    For ReLU and its like every q is critical without bias; the result is then q = 1.
    """
    excess = [bias_variance(phi, float(q)) - sigma_b2 for q in LENGTHS]
    if sigma_b2 == 0 and abs(phi.function(np.zeros(1))[0]) == 0:
        if abs(bias_variance(phi, 1.0)) < 1e-12:  # homogeneous
            return Critical(1 / slope_moment(phi, 1.0), 0.0, 1.0)
        if all(value >= -1e-15 for value in excess):  # only q = 0, as for tanh
            return Critical(1 / slope_moment(phi, 0.0), 0.0, 0.0)
    for low, high, before, after in zip(LENGTHS, LENGTHS[1:], excess, excess[1:], strict=False):
        if np.isfinite(before) and before < 0 <= after:
            q = root(lambda q: bias_variance(phi, q) - sigma_b2, float(low), float(high), rtol=1e-14)
            return Critical(1 / slope_moment(phi, q), sigma_b2, q)
    return None


# --- where a function crosses 0 --------------------------------------------------------------------------------------


def root(f: Callable[[float], float], low: float, high: float, *, xtol: float = 0.0, rtol: float = EPSILON) -> float:
    """x between low and high, where f has other signs, with f(x) = 0 to xtol + rtol |x|.

    As `scipy.optimize.brentq` does it: importing that package alone would take a tenth of the time of a diagnosis.
    Source: Brent 1973, Algorithms for Minimization without Derivatives, chapter 4: bisection, unless a secant or an
    inverse parabola through the last points is safely faster.

    >>> round(root(lambda x: x**2 - 2, 0.0, 2.0), 12)
    1.414213562373
    """
    a, b, fa, fb = low, high, f(low), f(high)
    c, fc = a, fa
    step = before = b - a
    for _ in range(ROUNDS):
        if (fb > 0) == (fc > 0):  # b and c enclose the root
            c, fc = a, fa
            step = before = b - a
        if abs(fc) < abs(fb):  # b is the best so far
            a, b, c, fa, fb, fc = b, c, b, fb, fc, fb
        tolerance, half = (xtol + rtol * abs(b)) / 2, (c - b) / 2
        if fb == 0 or abs(half) <= tolerance:
            return b
        before, step = (step, interpolated(a, b, c, fa, fb, fc)) if abs(fa) > abs(fb) else (half, half)
        safe = min(3 * abs(half) - tolerance, abs(before))
        if not 0 < step * (1 if half > 0 else -1) * 2 < safe:
            step = before = half
        a, fa = b, fb
        b += step if abs(step) > tolerance else tolerance if half > 0 else -tolerance
        fb = f(b)
    return b


def interpolated(a: float, b: float, c: float, fa: float, fb: float, fc: float) -> float:
    """The step from b to where a line through two points, or an inverse parabola through three, crosses 0."""
    s = fb / fa
    if a == c:
        return -(c - b) * s / (1 - s)
    q, r = fa / fc, fb / fc
    over = (q - 1) * (r - 1) * (s - 1)
    return -s * ((c - b) * q * (q - r) - (b - a) * (r - 1)) / over if over else 0.0
