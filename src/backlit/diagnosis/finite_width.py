"""How single networks of finite width stray from the limit of endless width: to first order in 1/n, by layer.

What is measured is a mean over the n units and m examples of one draw.  Units are independent given the layer below;
examples share the weights.  With f of one unit and example, of E f = 1, the mean has variance
[own W/m + shared (1 − W/m)]/n, own = Var f and shared = Cov of two examples' f, by `hermite` from their correlation.
- up: κ_l, the fluctuation of q_l's kernel, is handed on by ∂ ln E φ²/∂ ln q, and the sampling of φ² adds to it;
- down: f = φ'² g², g normal given δ above: 3 E φ'⁴ of one example, (1 + 2ρ²) E φ'²φ'² of two, ρ the cosine of their δ;
  κ_l moves φ'² too, and φ'² and φ² of one layer are sampled together;
- an orthogonal W holds lengths (h_2), layer norm means and lengths (h_1, h_2) of an example, batch norm of a unit.
The mean strays as well, by the bend of E φ'² and E φ² under κ, by layers' common κ, and because W that passed z up
passes δ down: along a, ‖Wᵀδ‖² is E z²φ'²/(E z² E φ'²) of what it is elsewhere.
For ReLU at m = 1 a layer's variance is 5/n (Hanin 2018; Hanin & Nica 2020).

q_shift, ratio_shift, total_shift : what is added to ln of the limit; *_band : one standard deviation of ln, between
single draws.  A list by layer, index 0 None.
"""

import math
from dataclasses import dataclass
from typing import Any

import numpy as np

from backlit.core.network import Dense, Network
from backlit.diagnosis import hermite as H

Array = np.ndarray
NOTHING = np.zeros(H.TERMS)
Z95 = 1.96  # the central 95 % of a normal logarithm
SECOND = 0.5  # n times what a norm leaves to second order, where an orthogonal W and φ leave nothing to the first


@dataclass(frozen=True)
class Setting:
    """What single draws are measured on.

    m : examples.  inputs : rows that are given; None for fresh standard normal ones in every draw.  scheme : how W is
    drawn, which is Gaussian, uniform or orthogonal.
    """

    m: int
    inputs: Array | None = None
    scheme: str = "gaussian"

    @property
    def orthogonal(self) -> bool:
        """Whether W holds lengths."""
        return self.scheme in ("orthogonal", "lsuv")

    @property
    def kurtosis(self) -> float:
        """The excess kurtosis of one weight."""
        return -1.2 if self.scheme.endswith("uniform") else 0.0


@dataclass(frozen=True)
class Bands:
    """See above."""

    q_shift: list[Any]
    q_band: list[Any]
    ratio_shift: list[Any]
    ratio_band: list[Any]
    total_shift: float
    total_band: float


@dataclass
class Signal:
    """The way up.  one, many : Var κ of one example and of the mean over all.  drift : E κ.  c, wander : mean and variance
    of two examples' cosine.  kurtosis : E a⁴/(E a²)².
    """

    one: float
    many: float
    drift: float
    c: float
    wander: float
    kurtosis: float = 3.0


@dataclass
class Layer:
    """One layer, as the sums over layers need it; variances are relative.

    up, down : of the sampled φ² and φ'²g² of the mean over examples; both : their covariance.  single : of φ'² of one
    example, with `single_both` its covariance with φ², and `single_up` that of φ².  lean : ∂ ln φ'²-term/∂κ;  handed :
    ∂ ln E a²/∂κ.  many, one : Var κ.  mean : what finite width adds to E of the layer's own factor.  passed : W's share of
    ∂ℓ/∂a_l, 1 but for skips.  own, pair : Var and Cov of φ'² with nothing held.  cosine : E φ'φ'/E φ'².  share : W's of
    q.  along, meets : E z²φ'²/(q E φ'²) − 1 and E φ²φ'²/(E φ² E φ'²).  along_u : of a, layer norm's share taken out with u, (E uφφ')²/(E φ² E φ'² E u²).
    """

    lean: float
    handed: float
    many: float
    one: float
    up: float = 0.0
    down: float = 0.0
    both: float = 0.0
    single: float = 0.0
    single_up: float = 0.0
    single_both: float = 0.0
    mean: float = 0.0
    passed: float = 1.0
    own: float = 0.0
    pair: float = 0.0
    cosine: float = 1.0
    share: float = 1.0
    along: float = 0.0
    meets: float = 1.0
    along_u: float = 0.0


def first_signal(setting: Setting, n: int) -> Signal:
    """At the input."""
    m, X = setting.m, setting.inputs
    if X is None:
        return Signal(2 / n, 2 / (n * m), 0.0, 0.0, 1 / n)
    X = np.asarray(X, dtype=np.float64)[:m]
    lengths = (X**2).mean(axis=1)
    square = float(lengths.mean()) or 1.0
    roots = np.sqrt(np.where(lengths > 0, lengths, 1.0))
    cosines = (X / roots[:, None]) @ (X / roots[:, None]).T / n
    off = cosines[~np.eye(len(X), dtype=bool)] if len(X) > 1 else np.zeros(1)
    fourth = float((X**4).mean()) / square**2
    return Signal(float(lengths.var()) / square**2, 0.0, 0.0, float(off.mean()), float(off.var()), fourth)


def held_terms(layer: Dense, free: float) -> Array:
    """The share of each Hermite term that W or the norm holds; `free` : of the length, what W leaves."""
    held = NOTHING.copy()
    held[2] = 1 - free
    if layer.norm:
        held[1:3] = 1
    return held


def free_share(setting: Setting, n_from: int, n_to: int) -> float:
    """Of the sampling of a length over n_to units, what W leaves: 1, or for orthonormal rows 1 − n_to/n_from."""
    return max(1 - n_to / n_from, 0.0) if setting.orthogonal else 1.0


def spread_of(own: float, shared: float, m: float, n: int) -> float:
    """The variance of a mean over n units and m examples."""
    return (own / m + (1 - 1 / m) * shared) / n


def finite_width(net: Network, scales: Any, way: Any, weight_term: list[Any], setting: Setting) -> Bands:
    """The bands of a network whose limit is known.  way : `predicted.Forward`;  weight_term : of the limit."""
    layers, q_shift, q_band = go_up(net, scales, way, setting)
    go_down(net, scales, layers, weight_term, setting)
    ratio_shift, ratio_band, total_shift, total_band = sums(net, layers)
    return Bands(q_shift, q_band, ratio_shift, ratio_band, total_shift, total_band)


def go_up(net: Network, scales: Any, way: Any, setting: Setting) -> tuple[list[Any], list[Any], list[Any]]:
    """Carry the signal up; by layer its fluctuations, and E ln q and its deviation."""
    signal, m = first_signal(setting, net.n[0]), setting.m
    layers, q_shift, q_band = [None], [None], [None]
    for l, layer in net.numbered():
        q, n, n_in = way.q[l], net.n[l], net.n[l - 1]
        share = scales.weight[l] * way.square[l - 1] / q if q else 0.0  # of q; the rest is the bias's
        free = free_share(setting, n_in, n)
        one, many, drift = share**2 * signal.one, share**2 * signal.many, share * signal.drift
        c, wander = share * signal.c + 1 - share, share**2 * signal.wander
        tail = setting.kurtosis * signal.kurtosis * share**2 / n_in  # z's excess kurtosis
        tail -= 6 * (1 - free) / n
        alike = raw_cosine2(way, scales, l, wander) if net.couples_examples else c * c + wander
        length = 2 * spread_of(1, min(alike, 1), m, n) * free
        q_band.append(math.sqrt(many + length))
        q_shift.append(drift - (many + length) / 2)
        if layer.activation.pull_back:
            break
        here, signal = step(layer, Signal(one, many, drift, c, wander), way, l, n, m, free, tail)
        here.share = share
        layers.append(here)
    for row in (layers, q_shift, q_band):
        row += [None] * (net.L + 1 - len(row))
    return layers, q_shift, q_band


def raw_cosine2(way: Any, scales: Any, l: int, wander: float) -> float:
    """E of the squared cosine of two z, where c and `wander` are those of z less its mean over the batch."""
    q = way.q[l]
    c = (scales.weight[l] * way.shared[l - 1] + scales.bias[l]) / q if q else 0.0
    return float(c * c + (1 - c) ** 2 * wander)


def step(layer: Dense, z: Signal, way: Any, l: int, n: int, m: int, free: float, tail: float) -> tuple[Layer, Signal]:
    """One layer: what its norm and φ make of the fluctuations of z, and the signal above it."""
    phi, u, keep = layer.activation, way.u[l], 1 - layer.dropout
    name = "centered" if layer.norm == "batch" else "square"
    up, down = H.series(phi, u, name), H.series(phi, u, "slope")
    value, derivative = H.series(phi, u, "value"), H.series(phi, u, "derivative")
    held = held_terms(layer, free)
    c, wander = (0.0 if layer.norm == "batch" else z.c), z.wander
    own_up = up.spread(held) + up.second * (1 / keep - 1)
    shared_up = up.shared(c, wander, held)
    here = Layer(down.slope, up.slope, z.many, z.one, up=spread_of(own_up, shared_up, m, n))
    crossed = H.product(phi, u, name, "slope") / keep - 1 - float((held * up.h * down.h)[1:].sum())
    pairs = H.averaged(lambda r: H.power_sum((1 - held) * up.h * down.h, r) - 1, c, wander)
    here.both, here.single_both = spread_of(crossed, pairs, m, n), crossed / n
    here.single_up, here.single = own_up / n, (down.spread(held) + down.second * (1 / keep - 1)) / n
    here.own, here.pair = down.spread(NOTHING) + down.second * (1 / keep - 1), down.shared(c, wander, NOTHING)
    here.along, here.meets = math.sqrt(2) * float(down.h[2]), H.product(phi, u, "square", "slope")
    here.cosine = H.averaged(lambda r: H.power_sum(derivative.h**2, r), c, wander)
    here.down = spread_of(here.own - float((held * down.h**2)[1:].sum()), down.shared(c, wander, held), m, n)
    bent = z.one + tail / 3
    here.mean = down.bend * bent / 2 + down.slope * z.drift
    drift = up.slope * z.drift + up.bend * bent / 2
    if layer.norm:
        normed(layer, here, up, down, z, u, m, n, free)
        drift = -up.bend / n if layer.norm == "layer" else 0.0
    cosine, cosine_wander = cosine_above(layer, value, up, H.series(phi, u, "cube"), c, wander, n, free)
    many, one = here.handed**2 * z.many + here.up, here.handed**2 * z.one + here.single_up
    above = Signal(one, many, drift, keep * cosine, keep**2 * cosine_wander, up.second / keep)
    if layer.skip_from is not None:
        above = with_skip(layer, here, above, value, way, l, m, n)
    return here, above


def normed(
    layer: Dense, here: Layer, up: H.Series, down: H.Series, z: Signal, u: float, m: int, n: int, free: float
) -> None:
    """Under a norm φ sees nothing of κ; δ is divided by the length v = (1 + κ + S) E v, S being its sampling."""
    here.lean, here.handed = -1.0, 0.0
    c = 0.0 if layer.norm == "batch" else z.c
    length = spread_of(2, 2 * min(c * c + z.wander, 1), m, n)
    if layer.norm == "batch":
        here.down += length * free + (SECOND / n) ** 2
        here.mean = 0.0  # `batch_norm` has the means of endless width; those of order 1/n are not derived
        return
    here.down += length * free + (SECOND / n) ** 2
    here.single += 2 * free / n
    onto = (2 + here.along) / n  # 1 and u are taken out of φ'g
    here.along_u = up.slope**2 * up.scale / down.scale * u if down.scale else 0.0
    here.mean = z.one + 2 * free / n + 1 / n - z.drift - down.bend / n - onto


def cosine_above(
    layer: Dense, value: H.Series, square: H.Series, cube: H.Series, c: float, wander: float, n: int, free: float
) -> tuple[float, float]:
    """Mean and variance of two examples' cosine in φ, from those in z."""
    h2, cut = value.h**2, value.h.copy()
    size = 1.0
    if layer.norm == "batch":  # about the mean
        cut[0] = 0.0
        size = max(1 - float(h2[0]), 1e-300)
        h2 = cut**2 / size
    C = H.averaged(lambda r: H.power_sum(h2, r) + r**H.TERMS * max(1 - float(h2.sum()), 0.0), c, wander)
    slope = H.power_sum(h2[1:] * np.arange(1, H.TERMS), c)
    if layer.norm == "batch":
        return 0.0, min(slope**2 * wander + 1 / n, 1.0)
    both = 1 + square.shared(c, wander, NOTHING)
    mixed = H.power_sum(cube.h * value.h, c) * cube.scale / value.scale**3 if value.scale else 0.0  # E φ³φ/(E φ²)²
    fresh = both * (1 + C * C / 2) - 2 * C * mixed + C * C / 2 * square.second
    fresh -= (1 - free) * float(h2[1]) ** 2 * (1 - c * c) ** 2  # what an orthogonal W hands on as it is
    return C, min(slope**2 * wander + max(fresh, 0.0) / n, 1.0)


def with_skip(
    layer: Dense, here: Layer, above: Signal, value: H.Series, way: Any, l: int, m: int, n: int
) -> Signal:
    """a = φ + s a_k: the branch's share of E a², and the sampling of the cross term 2 s φ a_k."""
    s, k = layer.skip_scale, layer.skip_from
    square, below = way.square[l] or 1.0, way.square[k]
    branch = way.units[l].square / square
    kept = max(1 - branch, 0.0)
    here.handed = branch * here.handed + kept
    cross = 4 * s * s * below * way.units[l].square / square**2
    flat = float(value.h[0]) ** 2
    fresh = spread_of(cross * (1 - flat), cross * max(above.c - flat, 0.0) * max(above.c, 0.0), m, n)
    here.up, here.single_up = branch**2 * here.up + fresh, branch**2 * here.single_up + cross * (1 - flat) / n
    here.both, here.single_both = branch * here.both, branch * here.single_both
    many, one = here.handed**2 * here.many + here.up, here.handed**2 * here.one + here.single_up
    return Signal(one, many, branch * above.drift, above.c, above.wander, above.kurtosis)


def go_down(net: Network, scales: Any, layers: list[Any], weight_term: list[Any], setting: Setting) -> None:
    """Add to each layer the sampling of g, and what the mean gains by W's passing both ways."""
    m, K = setting.m, net.outputs
    top = layers[net.L]
    if top is None or net.has_short_form:
        uneven, cosine2 = (1.0, 1 / max(K - 1, 1)) if K > 1 else (1.0, 1.0)
        if net.loss.name != "cross_entropy":
            uneven, cosine2 = 1 + 2 / K, 1 / K
    else:
        uneven, cosine2 = 1 + (3 * (1 + top.own) - 1) / K, (1 + top.pair) / K
    for l in range(net.L - 1, 0, -1):
        here, n = layers[l], net.n[l]
        branch = min(scales.weight[l + 1] / weight_term[l], 1.0) if weight_term[l] else 1.0
        here.passed = branch
        free = free_share(setting, net.n[l + 1], n) * branch * (2 - branch)
        own = 2 * (here.own + free)
        shared = 2 * min(cosine2, 1.0) * (1 + here.pair - (1 - free))
        weight = max(m / uneven, 1.0)
        uneven_part = (here.own - here.pair) * (1 / weight - 1 / m) / n
        here.down += spread_of(own, shared, weight, n) + uneven_part
        above = layers[l + 1]
        if above is not None and not (l + 1 == net.L and short(net)):
            here.mean += coupling(net, here, above, l, free) * branch
        uneven *= 1 + (3 * here.own + 2 * free) / n + here.lean**2 * here.one
        ratio = here.cosine**2
        cosine2 = ratio * cosine2 + ((1 + here.pair) * (1 + cosine2) - (1 - free) * ratio) / n
        cosine2 = min(cosine2, 1.0)


def short(net: Network) -> bool:
    """Whether δ_L is p − y, with no φ' and no norm in it."""
    return net.has_short_form and net.layer(net.L).norm is None


def coupling(net: Network, here: Layer, above: Layer, l: int, free: float) -> float:
    """The mean of φ'²(Wᵀδ)²'s gain: W knows a_l by z, and δ depends on z."""
    norm = net.layer(l + 1).norm
    if norm == "batch" or net.layer(l).norm == "batch":
        return 0.0
    along = above.share * above.along if norm is None else -1.0  # a norm's δ has nothing along z
    return along * (here.meets - (1 - free) - here.along_u) / net.n[l]


def sums(net: Network, layers: list[Any]) -> tuple[list[Any], list[Any], float, float]:
    """Add the layers up: the ratios' shifts and deviations, and those of top to bottom."""
    L = net.L
    shift, band = [None] * (L + 1), [None] * (L + 1)
    top = None if short(net) else layers[L]
    tail, level = Tail(), [0.0] * (L + 1)
    if top is not None:
        tail.add(top, 1.0)
        level[L] = tail.level(top)
    ratios = Tail()
    for l in range(L - 1, 0, -1):
        here, above = layers[l], layers[l + 1]
        weight = layers[l - 1].passed if l > 1 else 1.0
        tail.add(here, weight)
        ratios.add(here, weight)
        level[l] = tail.level(here)
        own = here.down + here.lean**2 * here.many
        if here.passed < 1 and above is not None:
            own += (1 - here.passed) ** 2 * (above.down + above.lean**2 * above.many)
        band[l] = math.sqrt(max(own, 0.0))  # 0 but for rounding, of orthogonal linear layers
        shift[l] = level[l] - level[l + 1]
    total = math.sqrt(max(ratios.variance(layers[1]), 0.0)) if L > 1 else 0.0
    return shift, band, level[1] - level[L] if L > 1 else 0.0, total


class Tail:
    """Sums over a layer and all above it; `many` for the mean over examples, `one` for one example, without g."""

    def __init__(self) -> None:
        self.mean = self.fresh = self.fresh_one = self.apart = self.pull = 0.0
        self.share = 1.0

    def add(self, here: Layer, weight: float) -> None:
        """One layer more, coming down.  pull : ∂ ln of the whole/∂κ of the lowest layer."""
        up = self.pull * self.share  # of E a_l²
        self.fresh += weight**2 * here.down + 2 * weight * up * here.both + up**2 * here.up
        self.fresh_one += weight**2 * here.single + 2 * weight * up * here.single_both + up**2 * here.single_up
        self.apart += weight**2 * (here.single + here.lean**2 * here.one)
        self.mean += weight * here.mean
        self.pull, self.share = weight * here.lean + here.handed * up, here.share

    def variance(self, here: Layer) -> float:
        """Of ln of the product, between draws."""
        return self.fresh + self.pull**2 * here.many

    def level(self, here: Layer) -> float:
        """E ln of the product: E of each factor, their covariances, less half the variance."""
        together = self.fresh_one + self.pull**2 * here.one
        return self.mean + (together - self.apart) / 2 - self.variance(here) / 2
