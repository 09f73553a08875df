"""Where depth leads the correlation of two inputs, c*, and how: exponentially, polynomially, or not at all.

Deep down, a layer takes the correlation C of two a's to
C' = (E φ(u₁)φ(u₂) + s² S C + 2 s E φ E a)/S', S = E a² below, S' = E a² above, cov(u₁, u₂) = (σ_w² S C + σ_b²) u/q,
where u/q is 1, or v/(v + ε)/q under layer norm.  c* is z's, (σ_w² S C + σ_b²)/q, and ξ_c = −1/ln of C's slope there.
Sources: Schoenholz et al. 2017; with skips Yang & Schoenholz 2017.
"""

import math
from dataclasses import dataclass

from backlit.core.activations import Activation
from backlit.diagnosis.theory.criticality import root
from backlit.diagnosis.theory.expectations import overlap, slope_overlap

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
