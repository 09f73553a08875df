"""Where depth leads: the line on which gradients neither grow nor shrink, and the correlation of two inputs.

Gradients: χ₁ = 1 is a line in the plane of σ_w² and σ_b².  Along it the length q is a coordinate: σ_w² = 1/E φ'(√q Z)²,
and σ_b² = q − σ_w² E φ(√q Z)² makes q a fixed point.

>>> from backlit.core.activations import get_activation
>>> point = critical_point(get_activation("tanh"), 0.05)
>>> round(point.sigma_w2, 6), round(point.q_star, 6)
(1.760955, 0.570048)

Correlations go to c*, exponentially, polynomially, or not at all.  Deep down, a layer takes the correlation C of two
a's to C' = (E φ(u₁)φ(u₂) + s² S C + 2 s E φ E a)/S', S = E a² below, S' = E a² above, cov(u₁, u₂) = (σ_w² S C + σ_b²)
u/q, where u/q is 1, or v/(v + ε)/q under layer norm.  c* is z's, (σ_w² S C + σ_b²)/q, and ξ_c = −1/ln of C's slope
there.

Both, and the fixed points of depth, are where a function crosses 0.
Sources: Poole et al. 2016; Schoenholz et al. 2017; with skips Yang & Schoenholz 2017.
"""

import math
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from backlit.core.activations import Activation
from backlit.diagnosis.theory.expectations import overlap, second_moment, slope_moment, slope_overlap

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


# --- the correlation of two inputs ------------------------------------------------------------------------------------

MARGINAL = 1e-9


@dataclass(frozen=True)
class Approach:
    """c_star, the slope of the map there, and how c comes to it: 'exponential', 'polynomial' (slope 1: no depth scale)
    or 'kept' (the layers leave every c as it is, and there is no c*).
    """

    c_star: float | None
    slope: float
    kind: str


@dataclass(frozen=True)
class Deep:
    """The correlation map where lengths have settled, or grow by a factor a layer.

    q, u : variances of z and of φ's argument.  below, above : S and S'.  skip : s.  cross : 2 s E φ E a.  drops :
    whether dropout draws the two inputs' masks apart, so that C = 1 is no fixed point.
    """

    phi: Activation
    sigma_w2: float
    sigma_b2: float
    q: float
    u: float
    below: float
    above: float
    skip: float = 0.0
    cross: float = 0.0
    drops: bool = False

    def shared(self, C: float) -> float:
        """cov(u₁, u₂)."""
        return (self.sigma_w2 * C * self.below + self.sigma_b2) * self.u / self.q

    def excess(self, C: float) -> float:
        """C' − C."""
        stays = self.skip**2 * C * self.below + self.cross
        return (overlap(self.phi, self.u, self.shared(C)) + stays) / self.above - C

    def slope(self, C: float) -> float:
        """∂C'/∂C."""
        weight = self.sigma_w2 * self.u / self.q * slope_overlap(self.phi, self.u, self.shared(C))
        return (weight + self.skip**2) * self.below / self.above

    def of_z(self, C: float) -> float:
        """z's correlation."""
        return (self.sigma_w2 * C * self.below + self.sigma_b2) / self.q

    def approach(self) -> Approach:
        """Solve for the fixed point that is stable."""
        at_0, at_half = self.excess(0.0), self.excess(0.5)
        if abs(at_0) < MARGINAL and abs(at_half) < MARGINAL:
            return Approach(None, 1.0, "kept")
        slope_1 = self.slope(1.0)
        if slope_1 <= 1 + MARGINAL and not self.drops:
            C = 1.0
        elif at_0 <= 1e-12:  # an odd φ without bias keeps right angles
            C = 0.0
        elif self.excess(high := 1.0 if self.drops else 1 - 1e-9) >= 0:
            return Approach(self.of_z(1.0), 1.0, "polynomial")  # slope 1, but for what an unending length leaves
        else:
            C = root(self.excess, 0.0, high, xtol=1e-14)
        slope = slope_1 if C == 1 else self.slope(C)
        return Approach(self.of_z(C), slope, "polynomial" if abs(slope - 1) < MARGINAL else "exponential")


def grown(phi: Activation, u: float, second: float, mean: float) -> Approach:
    """Skips of scale 1 whose branch no longer grows: a sums independent parts of E φ² = `second`, and C drifts ever
    slower, polynomially in l, to where E φ(u₁)φ(u₂) = C E φ².  Where E φ ≠ 0 the sum's mean wins, and C → 1.
    """
    if mean**2 > MARGINAL * second:
        return Approach(1.0, 1.0, "polynomial")
    drift = Deep(phi, 1.0, 0.0, 1.0, u, 1.0, second)  # the map C' = E φφ/E φ², C = z's correlation
    found = drift.approach()
    return Approach(found.c_star, 1.0, found.kind if found.kind == "kept" else "polynomial")


def depth_scale(factor: float) -> float | None:
    """ξ of a deviation that each layer multiplies by `factor`: −1/ln factor; None if it does not shrink."""
    if factor <= 0:
        return 0.0
    if abs(factor - 1) < MARGINAL:
        return math.inf
    return -1 / math.log(factor) if factor < 1 else None


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
