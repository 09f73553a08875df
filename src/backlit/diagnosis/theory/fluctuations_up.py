"""How fluctuations go up: κ_l of every layer, what the units of one layer sample, and two examples' cosine."""

import math
from typing import Any

import numpy as np

from backlit.core.network import Dense, Network
from backlit.diagnosis.theory import hermite as H
from backlit.diagnosis.theory.fluctuations import NOTHING, Layer, Setting, Signal, free_share, held_terms, spread_of

SECOND = 0.5  # n times what layer norm leaves to second order, where an orthogonal W and φ leave nothing to the first


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


def go_up(net: Network, scales: Any, way: Any, setting: Setting) -> tuple[list[Any], list[Any], list[Any]]:
    """Carry the signal up; by layer its fluctuations, and E ln q and its deviation."""
    signal, m = first_signal(setting, net.n[0]), setting.m
    layers, q_shift, q_band = (list[Any]([None]) for _ in range(3))
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
        normed(layer, here, up, down, z, u, m, n, free, roughness(way.units[l], down, keep, m))
        drift = -up.bend / n if layer.norm == "layer" else 0.0
    cosine, cosine_wander = cosine_above(layer, value, up, H.series(phi, u, "cube"), c, wander, n, free)
    many, one = here.handed**2 * z.many + here.up, here.handed**2 * z.one + here.single_up
    above = Signal(one, many, drift, keep * cosine, keep**2 * cosine_wander, up.second / keep)
    if layer.skip_from is not None:
        above = with_skip(layer, here, above, value, way, l, m, n)
    return here, above


def roughness(unit: Any, down: H.Series, keep: float, m: int) -> float:
    """Var (1/v)/(E 1/v)² of batch norm's v, which differs from unit to unit: 2/m for many examples.

    It follows from E (φ'/√v)⁴ of `unit`, which knows the batch.  An orthogonal W keeps the linear part of v, 2/(m−1),
    fixed.
    """
    fourth = unit.slope4 / unit.slope2**2 if unit.slope2 else 0.0
    return max(fourth * keep / down.second - 1, 2 / max(m - 1, 1)) if math.isfinite(fourth) else 1.0


def normed(
    layer: Dense,
    here: Layer,
    up: H.Series,
    down: H.Series,
    z: Signal,
    u: float,
    m: int,
    n: int,
    free: float,
    rough: float,
) -> None:
    """Set what a norm changes in a layer's fluctuations.

    The norm rescales z, so φ does not see the fluctuation κ of its length.  δ is divided by the measured length
    v = (1 + κ + S) E v, where S is the error of measuring it on finitely many units.
    """
    here.lean, here.handed = -1.0, 0.0
    if layer.norm == "batch":
        here.rough = rough
        here.length = (rough - (1 - free) * 2 / max(m - 1, 1) + 2 * free * min(z.wander, 1)) / n
        here.mean = 0.0  # `batch_norm` has the means of endless width; those of order 1/n are not derived
        return
    here.length = spread_of(2, 2 * min(z.c**2 + z.wander, 1), m, n) * free + (SECOND / n) ** 2
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
        size = max(1 - float(h2[0]), float(h2[1:].sum()))  # the sum is exact where φ hardly varies
        if size == 0.0:  # nor does it at all, as in a batch of one
            return 0.0, 1.0
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


def with_skip(layer: Dense, here: Layer, above: Signal, value: H.Series, way: Any, l: int, m: int, n: int) -> Signal:
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
