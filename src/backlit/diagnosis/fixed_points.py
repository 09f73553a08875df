"""The mean-field theory of one kind of layer, repeated: q*, χ₁, c* and the depth scales ξ.

Length map q_l = σ_w² E φ(√q_{l−1} Z)² + σ_b²; χ₁ = σ_w² E φ'(√q* Z)².
Sources: Poole et al. 2016; Schoenholz et al. 2017; batch norm Yang et al. 2019; residual Yang & Schoenholz 2017.

>>> from backlit.core.activations import get_activation
>>> theory = fixed_point(Kind(get_activation("tanh"), sigma_w2=1.760955, sigma_b2=0.05))
>>> round(theory.q_star, 5), round(theory.chi_1, 5)
(0.57005, 1.0)
"""

import math
from collections.abc import Callable
from dataclasses import dataclass

from backlit.core.activations import Activation
from backlit.diagnosis.expectations import growth, mean, overlap, second_moment, slope_moment, slope_overlap

SMALLEST, LARGEST = 1e-12, 1e12  # a length outside has collapsed to 0, or grows without end
STRIDE, LONGEST_STRIDE = 1.1, 2.0  # how far the search for a fixed point goes at once: it starts carefully
MARGINAL = 1e-12


@dataclass(frozen=True)
class Kind:
    """One kind of layer: φ, the variance of W times fan-in, that of b, norm, dropout and the scale of a skip by one."""

    phi: Activation
    sigma_w2: float
    sigma_b2: float = 0.0
    norm: str | None = None
    eps: float = 1e-5
    dropout: float = 0.0
    skip: float | None = None

    @property
    def keep(self) -> float:
        """The share of units that dropout leaves."""
        return 1 - self.dropout

    def length(self, q: float) -> float:
        """The next layer's q, where nothing normalizes."""
        return self.sigma_w2 * second_moment(self.phi, q) / self.keep + self.sigma_b2


@dataclass(frozen=True)
class FixedPoint:
    """What depth does; a number is None where the theory has none.

    q_star : the length that z settles at (None: it never does).  chi_1 : E‖δ_l‖²/E‖δ_{l+1}‖² there.
    c_star : the correlation of two inputs deep down.  xi_q, xi_c, xi_grad : layers in which a deviation of q, of c, and
    ‖δ‖² change by e (infinite at criticality).  divergence_rate : q_{l+1}/q_l of a length that does not settle.
    """

    q_star: float | None
    chi_1: float
    c_star: float | None
    xi_q: float | None
    xi_c: float | None
    xi_grad: float
    divergence_rate: float | None = None

    def to_dict(self) -> dict[str, float | None]:
        """CONTRACT's names."""
        return dict(vars(self))


def fixed_point(kind: Kind, q_start: float | None = None) -> FixedPoint:
    """Follow the length map from `q_start` (that of standard normal inputs, σ_w² + σ_b²) to where it leads."""
    if kind.skip is not None:
        return residual(kind)
    if kind.norm is not None:
        return normalized(kind)
    q = settle(kind.length, kind.sigma_w2 + kind.sigma_b2 if q_start is None else q_start)
    if q is None:
        rate = kind.length(LARGEST) / LARGEST
        chi = kind.sigma_w2 * slope_moment(kind.phi, LARGEST) / kind.keep
        return FixedPoint(None, chi, None, None, None, scale(chi), rate)
    chi = kind.sigma_w2 * slope_moment(kind.phi, q) / kind.keep
    xi_q = depth_scale(kind.sigma_w2 * growth(kind.phi, q) / kind.keep)
    c, chi_c = correlation(kind, q, chi)
    return FixedPoint(q, chi, c, xi_q, depth_scale(chi_c), scale(chi))


def settle(step: Callable[[float], float], start: float) -> float | None:
    """The first fixed point that lies in the direction in which `step` moves `start`; None where there is none.

    The map grows with q, so it never jumps over a fixed point.  0 where it shrinks below any length.
    """
    moved = step(start)
    if math.isclose(moved, start, rel_tol=MARGINAL):
        return start
    upward, near, stride = moved > start, start, STRIDE
    while SMALLEST < near < LARGEST:
        far = near * stride if upward else near / stride
        value = step(far)
        if not math.isfinite(value):
            return None
        if (value > far) != upward:
            from scipy.optimize import brentq

            low, high = sorted((near, far))
            return float(brentq(lambda q: step(q) - q, low, high, xtol=1e-300, rtol=1e-14))
        near, stride = far, min(stride * 1.02, LONGEST_STRIDE)
    return None if upward else 0.0


def correlation(kind: Kind, q: float, chi: float) -> tuple[float | None, float]:
    """c* and the slope of the correlation map there, σ_w² E φ'(u₁)φ'(u₂)."""
    slope_1 = kind.sigma_w2 * slope_moment(kind.phi, q)
    if q == 0:
        return None, chi
    if slope_1 <= 1 + 1e-9 and not kind.dropout:
        return 1.0, slope_1

    def excess(c: float) -> float:
        return (kind.sigma_w2 * overlap(kind.phi, q, c * q) + kind.sigma_b2) / q - c

    if excess(0.0) <= MARGINAL:  # an odd φ without bias keeps right angles
        c = 0.0
    elif excess(high := 1 - 1e-9 if not kind.dropout else 1.0) >= 0:
        c = 1.0
    else:
        from scipy.optimize import brentq

        c = float(brentq(excess, 0.0, high, xtol=1e-14))
    return c, kind.sigma_w2 * slope_overlap(kind.phi, q, c * q)


def normalized(kind: Kind) -> FixedPoint:
    """Layers whose norm makes u of variance 1: z settles at once, and the norm divides δ by z's deviation.

    Layer norm: χ = σ_w² E φ'²/(q + ε).  Batch norm of large batches: σ_w² E φ'²/(σ_w² Var φ + ε), never below 1 but
    for ε (Gaussian Poincaré), so that gradients grow on their way down.
    """
    q = settle(lambda q: kind.length(unit(kind, q)), kind.length(1.0))
    if q is None:
        q = kind.length(1.0)
    u = unit(kind, q)
    spread = norm_variance(kind, q, u)
    chi = kind.sigma_w2 * slope_moment(kind.phi, u) / kind.keep / (spread + kind.eps)
    return FixedPoint(q, chi, 0.0 if kind.norm == "batch" else None, 0.0, None, scale(chi))


def norm_variance(kind: Kind, q: float, u: float) -> float:
    """The variance that the norm divides by: over units q itself, over a batch q less what all examples share."""
    return q if kind.norm == "layer" else q - kind.sigma_w2 * mean(kind.phi, u) ** 2 - kind.sigma_b2


def unit(kind: Kind, q: float) -> float:
    """u's variance after a norm, v/(v + ε)."""
    variance = q
    if kind.norm == "batch":
        variance = max(q - kind.sigma_w2 * mean(kind.phi, 1.0) ** 2 - kind.sigma_b2, 0.0)
    return variance / (variance + kind.eps)


def residual(kind: Kind, depth: int = 1000) -> FixedPoint:
    """a_l = φ(u_l) + s a_{l−1}: q grows layer by layer; χ = s² + σ_w² E φ'² at the length that `depth` layers reach."""
    assert kind.skip is not None
    s, square, level, rate, chi = kind.skip, 1.0, 0.0, 1.0, 1.0
    for _ in range(depth):
        q = kind.sigma_w2 * square + kind.sigma_b2
        if not SMALLEST < q < LARGEST:
            break
        u, factor = q, 1.0
        if kind.norm:
            spread = q if kind.norm == "layer" else max(q - kind.sigma_w2 * level**2 - kind.sigma_b2, 0.0)
            u, factor = spread / (spread + kind.eps), 1 / (spread + kind.eps)
        m = mean(kind.phi, u)
        following = second_moment(kind.phi, u) / kind.keep + s * s * square + 2 * s * m * level
        chi = s * s + kind.sigma_w2 * slope_moment(kind.phi, u) / kind.keep * factor
        rate, square, level = following / square, following, m + s * level
        if math.isclose(rate, 1.0, rel_tol=1e-13):
            return FixedPoint(kind.sigma_w2 * square + kind.sigma_b2, chi, None, None, None, scale(chi))
    return FixedPoint(None, chi, None, None, None, scale(chi), rate)


def depth_scale(factor: float) -> float | None:
    """ξ of a deviation that each layer multiplies by `factor`: −1/ln factor; None where it does not shrink."""
    if factor <= 0:
        return 0.0
    if abs(factor - 1) < 1e-9:
        return math.inf
    return -1 / math.log(factor) if factor < 1 else None


def scale(chi: float) -> float:
    """ξ_∇ = 1/|ln χ|."""
    if chi <= 0 or not math.isfinite(chi):
        return 0.0
    return math.inf if abs(chi - 1) < 1e-12 else 1 / abs(math.log(chi))
