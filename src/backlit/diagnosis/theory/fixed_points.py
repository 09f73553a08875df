"""The mean-field theory of one kind of layer, repeated: q*, χ₁, c* and the depth scales ξ.

Length map q_l = σ_w² E φ(√q_{l−1} Z)² + σ_b²; χ₁ = σ_w² E φ'(√q* Z)².
Sources: Poole et al. 2016; Schoenholz et al. 2017; batch norm Yang et al. 2019; residual Yang & Schoenholz 2017.

>>> from backlit.core.activations import get_activation
>>> theory = fixed_point(LayerSpec(get_activation("tanh"), sigma_w2=1.760955, sigma_b2=0.05))
>>> round(theory.q_star, 5), round(theory.chi_1, 5)
(0.57005, 1.0)
"""

import math
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

from backlit.core.activations import Activation
from backlit.diagnosis.theory.batch_norm import Batch, Settled, follow, gram_slopes
from backlit.diagnosis.theory.criticality import Approach, Deep, depth_scale, grown, root
from backlit.diagnosis.theory.expectations import growth, mean, second_moment, slope_moment

SMALLEST, LARGEST = 1e-12, 1e12  # a length outside has collapsed to 0, or grows without end
SLOW = 0.01  # growth a layer, after a thousand, of a length that grows as a power of depth
STRIDE, LONGEST_STRIDE = 1.1, 2.0  # how far the search for a fixed point goes at once: it starts carefully
MARGINAL = 1e-12
NO_PAIR = Approach(None, 1.0, "none")  # lengths vanish or overflow, and correlations have no meaning


@dataclass(frozen=True)
class LayerSpec:
    """One kind of layer: φ, the variance of W times fan-in, that of b, norm, dropout and the scale of a skip by one.

    batch : the examples that batch norm's statistics are over; None for the limit of many.
    """

    phi: Activation
    sigma_w2: float
    sigma_b2: float = 0.0
    norm: str | None = None
    eps: float = 1e-5
    dropout: float = 0.0
    skip: float | None = None
    batch: int | None = None

    @property
    def keep(self) -> float:
        """The share of units that dropout leaves."""
        return 1 - self.dropout

    def length(self, q: float) -> float:
        """The next layer's q, where nothing normalizes."""
        return self.sigma_w2 * second_moment(self.phi, q) / self.keep + self.sigma_b2


@dataclass(frozen=True)
class FixedPoint:
    """What depth does; a number is None if the theory has none.

    q_star : the variance at which z settles (None: it never does).  chi_1 : E‖δ_l‖²/E‖δ_{l+1}‖² there.  c_star : the
    correlation of two inputs' z after many layers.  c_approach : how the correlation gets there: "exponential" (the
    distance falls by e each ξ_c layers), "polynomial" (ξ_c is infinite), or "kept" (every correlation stays as it is,
    and there is no c*).  xi_q, xi_c, xi_grad : number of layers in which the distance of q, the distance of c, and ‖δ‖²
    change by a factor e; infinite at criticality.  divergence_rate : q_{l+1}/q_l of a length that does not settle.
    batch : examples in a batch, under batch norm; c is then the correlation of two of them.  batch_factor : what a
    layer multiplies the differences between their lengths by.
    """

    q_star: float | None
    chi_1: float
    c_star: float | None
    xi_q: float | None
    xi_c: float | None
    xi_grad: float
    divergence_rate: float | None = None
    c_approach: str | None = None
    batch: int | None = None
    batch_factor: float | None = None

    def to_dict(self) -> dict[str, float | None]:
        """The numbers as `backlit diagnose --format json` names them."""
        return dict(vars(self))


def pair_fields(found: Approach) -> dict[str, Any]:
    """An approach in FixedPoint's names."""
    if found.kind == "none":
        return {"c_star": None, "xi_c": None, "c_approach": None}
    xi = {"kept": None, "polynomial": math.inf}.get(found.kind, depth_scale(found.slope))
    return {"c_star": found.c_star, "xi_c": xi, "c_approach": found.kind}


def fixed_point(kind: LayerSpec, q_start: float | None = None) -> FixedPoint:
    """Follow the length map from `q_start` (that of standard normal inputs, σ_w² + σ_b²) to where it leads."""
    if kind.norm == "batch" and kind.batch is not None:
        return batched(kind, kind.batch)
    if kind.skip is not None:
        return residual(kind)
    if kind.norm is not None:
        return normalized(kind)
    q = settle(kind.length, kind.sigma_w2 + kind.sigma_b2 if q_start is None else q_start)
    if q is None:
        rate = kind.length(LARGEST) / LARGEST
        chi = kind.sigma_w2 * slope_moment(kind.phi, LARGEST) / kind.keep
        pair = NO_PAIR
        if math.isfinite(rate):
            below = (LARGEST - kind.sigma_b2) / kind.sigma_w2
            above = second_moment(kind.phi, LARGEST) / kind.keep
            drops = kind.dropout > 0
            pair = Deep(kind.phi, kind.sigma_w2, kind.sigma_b2, LARGEST, LARGEST, below, above, drops=drops).approach()
        return FixedPoint(None, chi, xi_q=None, xi_grad=scale(chi), divergence_rate=rate, **pair_fields(pair))
    chi = kind.sigma_w2 * slope_moment(kind.phi, q) / kind.keep
    xi_q = depth_scale(kind.sigma_w2 * growth(kind.phi, q) / kind.keep)
    return FixedPoint(q, chi, xi_q=xi_q, xi_grad=scale(chi), **pair_fields(correlation(kind, q, q)))


def settle(step: Callable[[float], float], start: float) -> float | None:
    """The first fixed point that lies in the direction in which `step` moves `start`; None if there is none.

    The map grows with q, so it never jumps over a fixed point.  0 if it shrinks below any length.
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
            low, high = sorted((near, far))
            return root(lambda q: step(q) - q, low, high, rtol=1e-14)
        near, stride = far, min(stride * 1.02, LONGEST_STRIDE)
    return None if upward else 0.0


def correlation(kind: LayerSpec, q: float, u: float) -> Approach:
    """c* and its approach where z has variance q and φ's argument u, without skip."""
    square = (q - kind.sigma_b2) / kind.sigma_w2 if kind.sigma_w2 else 0.0
    if q == 0 or square <= 0 or not math.isfinite(q):
        return NO_PAIR
    return Deep(kind.phi, kind.sigma_w2, kind.sigma_b2, q, u, square, square, drops=kind.dropout > 0).approach()


def normalized(kind: LayerSpec) -> FixedPoint:
    """Layers whose norm makes u of variance 1: z settles at once, and the norm divides δ by z's deviation.

    Layer norm: χ = σ_w² E φ'²/(q + ε).  Batch norm of endless batches: σ_w² E φ'²/(σ_w² Var φ + ε), never below 1 but
    for ε (Gaussian Poincaré), so that gradients grow on their way down.
    """
    q = settle(lambda q: kind.length(unit(kind, q)), kind.length(1.0))
    if q is None:
        q = kind.length(1.0)
    u = unit(kind, q)
    spread = norm_variance(kind, q, u)
    chi = kind.sigma_w2 * slope_moment(kind.phi, u) / kind.keep / (spread + kind.eps)
    pair = centered(kind, q, mean(kind.phi, u) ** 2, u, spread) if kind.norm == "batch" else correlation(kind, q, u)
    return FixedPoint(q, chi, xi_q=0.0, xi_grad=scale(chi), **pair_fields(pair))


def batched(kind: LayerSpec, m: int) -> FixedPoint:
    """Batch norm over m examples: its own settled s², growth of δ and correlation of two examples of a batch."""
    skip = kind.skip or 0.0
    deep = follow(kind.phi, Batch(m, kind.eps), kind.sigma_w2, kind.keep, skip)
    q = kind.sigma_w2 * deep.square + kind.sigma_b2
    chi = skip**2 + deep.at.growth(kind.sigma_w2, kind.keep)
    settled = math.isclose(deep.rate, 1.0, rel_tol=1e-12)
    pair, lengths = (
        skip**2 + kind.sigma_w2 / deep.s2 * slope if deep.s2 else 0.0 for slope in gram_slopes(kind.phi, m)
    )
    found = pair_fields(batch_pair(kind, deep, q, pair if m > 3 else lengths))
    xi_q = None if kind.skip is not None else 0.0
    point = FixedPoint(q if settled else None, chi, xi_q=xi_q, xi_grad=scale(chi), **found)
    rate, factor = None if settled else deep.rate, lengths if m > 2 else None
    return replace(point, divergence_rate=rate, batch=m, batch_factor=factor)


def batch_pair(kind: LayerSpec, deep: Settled, q: float, slope: float) -> Approach:
    """c* of two examples of a batch.

    If skips add up endlessly many layers, it is the mean of that sum that decides; otherwise the layers' own fixed
    point.
    """
    at, square = deep.at, deep.at.square / kind.keep
    if kind.skip is not None and abs(kind.skip) == 1 and deep.rate < 1 + SLOW:
        sums = at.level**2 > MARGINAL * square
        return Approach(1.0 if sums else at.pair / square if square else None, 1.0, "polynomial")
    if q <= 0 or not math.isfinite(q):
        return NO_PAIR
    return approach_of(kind, deep.shared, q, slope)


def centered(kind: LayerSpec, q: float, level2: float, u: float, spread: float) -> Approach:
    """c* of two examples under batch norm over many examples.

    Batch norm makes u₁ and u₂ uncorrelated, so that c* is the share (σ_w² (E a)² + σ_b²)/q of z.  A deviation from it
    is multiplied by s² + σ_w² (E φ')²/(v + ε) in each layer, which is at most 1 without skip: (E φ')² ≤ Var φ.
    """
    if q <= 0 or not math.isfinite(q):
        return NO_PAIR
    slope = kind.sigma_w2 * slope_moment(kind.phi, u, 1) ** 2 / (spread + kind.eps) + (kind.skip or 0.0) ** 2
    return approach_of(kind, level2, q, slope)


def approach_of(kind: LayerSpec, shared: float, q: float, slope: float) -> Approach:
    """c* from E a a' of two examples, and how the correlation gets there; ε keeps the slope a little below 1."""
    how = "exponential" if slope < 1 - 10 * kind.eps else "polynomial" if slope <= 1 + MARGINAL else "none"
    return Approach((kind.sigma_w2 * shared + kind.sigma_b2) / q, 1.0 if how == "polynomial" else slope, how)


def norm_variance(kind: LayerSpec, q: float, u: float) -> float:
    """The variance that the norm divides by: over units q itself, over a batch q less what all examples share."""
    return q if kind.norm == "layer" else q - kind.sigma_w2 * mean(kind.phi, u) ** 2 - kind.sigma_b2


def unit(kind: LayerSpec, q: float) -> float:
    """u's variance after a norm, v/(v + ε)."""
    variance = q
    if kind.norm == "batch":
        variance = max(q - kind.sigma_w2 * mean(kind.phi, 1.0) ** 2 - kind.sigma_b2, 0.0)
    return variance / (variance + kind.eps)


@dataclass(frozen=True)
class Block:
    """One layer with a skip: E a² and E a below and above it, z's and u's variance, what the norm divides by, E φ."""

    below: float
    level: float
    above: float
    level_above: float
    q: float
    u: float
    spread: float
    mean: float


def block(kind: LayerSpec, square: float, level: float) -> Block:
    """a = φ(u) + s a_below: E a² gains E φ² and 2 s E φ E a."""
    assert kind.skip is not None
    q, s = kind.sigma_w2 * square + kind.sigma_b2, kind.skip
    spread = 1 - kind.eps
    u = q
    if kind.norm:
        spread = q if kind.norm == "layer" else max(q - kind.sigma_w2 * level**2 - kind.sigma_b2, 0.0)
        u = spread / (spread + kind.eps)
    m = mean(kind.phi, u)
    above = second_moment(kind.phi, u) / kind.keep + s * s * square + 2 * s * m * level
    return Block(square, level, above, m + s * level, q, u, spread, m)


def residual(kind: LayerSpec, depth: int = 1000) -> FixedPoint:
    """a_l = φ(u_l) + s a_{l−1}: q grows layer by layer; χ = s² + σ_w² E φ'² at the length that `depth` layers reach."""
    assert kind.skip is not None
    square, level, chi, rate, at = 1.0, 0.0, 1.0, 1.0, None
    for _ in range(depth):
        if not SMALLEST < kind.sigma_w2 * square + kind.sigma_b2 < LARGEST:
            break
        at = block(kind, square, level)
        rate, square, level = at.above / square if square else 1.0, at.above, at.level_above
        if math.isclose(rate, 1.0, rel_tol=1e-13):
            break
    if at is None:
        return FixedPoint(None, chi, None, None, None, scale(chi), rate)
    chi = kind.skip**2 + kind.sigma_w2 * slope_moment(kind.phi, at.u) / kind.keep / (at.spread + kind.eps)
    settled = math.isclose(rate, 1.0, rel_tol=1e-13)
    pair = pair_fields(residual_pair(kind, at, settled))
    q_star = kind.sigma_w2 * square + kind.sigma_b2 if settled else None
    return FixedPoint(q_star, chi, xi_q=None, xi_grad=scale(chi), divergence_rate=None if settled else rate, **pair)


def residual_pair(kind: LayerSpec, at: Block, settled: bool) -> Approach:
    """c* with skips: of a settled length and of one that grows by a factor a layer, the map's own; else `grown`."""
    assert kind.skip is not None
    if not math.isfinite(at.above):
        return NO_PAIR
    sums = abs(kind.skip) == 1 and at.above < (1 + SLOW) * at.below
    if kind.norm == "batch":
        if sums:  # what examples share grows as (l E φ)², what they do not as l
            return Approach(1.0 if at.mean**2 > MARGINAL else 0.0, 1.0, "polynomial")
        return centered(kind, at.q, at.level**2, at.u, at.spread)
    if sums and not settled:
        far = at.u if kind.norm else LARGEST
        return grown(kind.phi, far, second_moment(kind.phi, far) / kind.keep, mean(kind.phi, far))
    cross = 2 * kind.skip * at.mean * at.level
    drops = kind.dropout > 0
    pair = Deep(kind.phi, kind.sigma_w2, kind.sigma_b2, at.q, at.u, at.below, at.above, kind.skip, cross, drops)
    return pair.approach()


def scale(chi: float) -> float:
    """ξ_∇ = 1/|ln χ|."""
    if chi <= 0 or not math.isfinite(chi):
        return 0.0
    return math.inf if abs(chi - 1) < 1e-12 else 1 / abs(math.log(chi))
