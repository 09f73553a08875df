"""Predicted flow, layer by layer, of any network of endless width: lengths up, gradients down.

Forward:  q_l = σ_w² E a_{l−1}² + σ_b²; the norm; E φ²; dropout's 1/(1 − p); the skip's s² E a_k² + 2 s E φ E a_k.
Backward: E‖δ_l‖² = E φ'² · 1/(1 − p) · norm · E‖∂ℓ/∂a_l‖², E‖∂ℓ/∂a_{l−1}‖² = σ_w² E‖δ_l‖² + what skips bring.
σ_w² is the variance of W times its fan-in, measured on W itself, so every initializer and every width is covered.
A unit's u is normal without norm, under layer norm and under batch norm of batches without end; under batch norm of m
examples it is what `batch_norm` says.
Batch norm also needs E g g' of two examples' g = ∂ℓ/∂a, which it makes −1/(m−1) of E g²; at the top it is taken as 0.
If each layer above l is homogeneous without bias, ⟨a_l, ∂ℓ/∂a_l⟩ is the same at every layer (Euler): with skips, where
‖a_l‖ grows, the part of ∂ℓ/∂a_l along a_l, an n-th at the top, then grows as ‖a‖² and not by the factor of the rest.
Sources: Poole et al. 2016; Schoenholz et al. 2017; Yang & Schoenholz 2017; Yang et al. 2019; Hanin & Rolnick 2018.

>>> from backlit.core import Dense, Network
>>> net = Network(64, [Dense(64, "relu") for _ in range(3)])
>>> flow = predict_flow(net, gaussian_scales(net, sigma_w=2**0.5))
>>> [round(q, 6) for q in flow.q[1:]], [round(r, 6) for r in flow.grad_ratio[1:3]]
([2.0, 2.0, 2.0], [1.0, 1.0])
>>> unit = unit_of(Dense(8, "relu", dropout=0.5), q=3.0, o=0.0)
>>> round(unit.square, 9), round(unit.slope2, 9), unit.down(1.0, 0.0)[0] == unit.slope2
(3.0, 1.0, True)
"""

import math
from abc import ABC, abstractmethod
from dataclasses import dataclass
from typing import Any

import numpy as np

from backlit.core.activations import Activation, get_activation
from backlit.core.network import Dense, Network
from backlit.core.parameters import Parameters
from backlit.diagnosis.theory import expectations as E
from backlit.diagnosis.theory.batch_norm import Averages, Batch
from backlit.errors import ProblemError

ByLayer = list[Any]


@dataclass(frozen=True)
class Scales:
    """Second moments of the parameters by layer (index 0 None): σ_w² = n_in E W², σ_b² = E b², E γ², E β²."""

    weight: ByLayer
    bias: ByLayer
    gamma: ByLayer
    beta: ByLayer


@dataclass(frozen=True)
class PredictedFlow:
    """By layer (index 0 None): q, the variance of z; u, that of u; grad_ratio = E‖δ_l‖²/E‖δ_{l+1}‖² (None at L) and
    its two factors, of endless width; units : a unit's averages; top_to_bottom = E‖δ_1‖²/E‖δ_L‖²."""

    q: ByLayer
    u: ByLayer
    grad_ratio: ByLayer
    weight_term: ByLayer
    derivative_term: ByLayer
    units: ByLayer
    top_to_bottom: float


@dataclass
class Forward:
    """What the way up leaves by layer: E a², E a, E a a' of two inputs; z's and u's variance; the unit's averages."""

    square: ByLayer
    level: ByLayer
    shared: ByLayer
    q: ByLayer
    u: ByLayer
    units: ByLayer


def measured_scales(net: Network, params: Parameters) -> Scales:
    """The scales of given parameters."""
    rows: list[ByLayer] = [[None], [None], [None], [None]]
    for l, layer in net.numbered():
        rows[0].append(net.n[l - 1] * square_mean(params.W[l]))
        rows[1].append(square_mean(params.b[l]))
        rows[2].append(square_mean(params.gamma[l]) if layer.norm else 1.0)
        rows[3].append(square_mean(params.beta[l]) if layer.norm else 0.0)
    return Scales(*rows)


def square_mean(array: np.ndarray) -> float:
    """The mean square."""
    return float(np.mean(np.square(array, dtype=np.float64)))


def gaussian_scales(net: Network, sigma_w: float = 1.0, sigma_b: float = 0.0) -> Scales:
    """The scales of `--sigma-w`, `--sigma-b`: the same in every layer."""
    L = net.L
    return Scales([None] + [sigma_w**2] * L, [None] + [sigma_b**2] * L, [None] + [1.0] * L, [None] + [0.0] * L)


def scheme_scales(net: Network, scheme: Any) -> Scales:
    """The scales of an initializer, exactly: fan-in, Glorot's mean of the fans, orthogonal, with its gain."""
    options: dict[str, Any] = {"scheme": scheme} if isinstance(scheme, str) else dict(scheme)
    name, gain = options["scheme"], options.get("gain", 1.0)
    if name == "gaussian":
        return gaussian_scales(net, options.get("sigma_w", 1.0), options.get("sigma_b", 0.0))
    weight = [None, *(gain**2 * scheme_variance(name, a, b) * a for a, b in zip(net.n, net.n[1:], strict=False))]
    flat = gaussian_scales(net)
    return Scales(weight, flat.bias, flat.gamma, flat.beta)


def scheme_variance(name: str, n_in: int, n_out: int) -> float:
    """The variance of one weight."""
    from backlit.core.initializers import INITIALIZERS

    variance = INITIALIZERS[name].variance
    if variance is None:
        raise ProblemError(f"init scheme {name} says no variance of its weights, so no flow can be predicted from it")
    return variance(n_in, n_out)


def input_moments(X: np.ndarray | None) -> tuple[float, float, float]:
    """E x², E x and E x x' of two different rows; those of standard normal inputs for None."""
    if X is None:
        return 1.0, 0.0, 0.0
    X, m = np.asarray(X, dtype=np.float64), len(X)
    square = square_mean(X)
    center = X.mean(axis=0)
    shared = square if m == 1 else float((m * np.mean(center**2) - square) / (m - 1))
    return square, float(center.mean()), shared


def predict_flow(net: Network, scales: Scales, X: np.ndarray | None = None, batch: int | None = None) -> PredictedFlow:
    """The flow of `net` with parameters of these scales, on inputs like X (standard normal for None).

    batch : the examples that batch norm's statistics are over; None for the limit of many.  Softmax at the output is
    taken as short form: δ_L = p − y.
    """
    way = forward_moments(net, scales, X, batch)
    weight: ByLayer = [None] * (net.L + 1)
    slope, delta = list(weight), list(weight)
    grad_a, grad_pair = [0.0] * net.L + [1.0], [0.0] * (net.L + 1)
    along = along_activations(net, scales, way)
    for l in range(net.L, 0, -1):
        layer, unit = net.layer(l), way.units[l]
        whole = grad_a[l] + max(along[l] - grad_a[l] / net.n[l], 0.0)  # an n-th of it is along a_l anyway
        delta[l], pair = unit.down(whole, grad_pair[l])
        if l == net.L and (net.has_short_form or layer.activation.pull_back is not None):
            centered = layer.norm == "batch" and batch is not None  # δ_L is what the norm leaves of p − y
            delta[l], pair = 1.0, -1 / max(batch - 1, 1) if centered and batch else 0.0
        if l < net.L:
            weight[l] = divide(whole, delta[l + 1])
            slope[l] = delta[l] / whole if whole else unit.slope2
        grad_a[l - 1] += scales.weight[l] * delta[l]
        grad_pair[l - 1] += scales.weight[l] * pair
        if layer.skip_from is not None:
            grad_a[layer.skip_from] += layer.skip_scale**2 * grad_a[l]
            grad_pair[layer.skip_from] += layer.skip_scale**2 * grad_pair[l]
    ratio = [None, *(divide(delta[l], delta[l + 1]) for l in range(1, net.L)), None]
    return PredictedFlow(way.q, way.u, ratio, weight, slope, way.units, divide(delta[1], delta[net.L]))


def along_activations(net: Network, scales: Scales, way: Forward) -> list[float]:
    """By l, E of the square of the part of ∂ℓ/∂a_l along a_l, where a skip by one begins in it and it is conserved; 0
    elsewhere.  In units of E‖∂ℓ/∂a_L‖², which is taken as independent of a_L.
    """
    along = [0.0] * (net.L + 1)
    for l in range(net.L - 1, 0, -1):
        above = net.layer(l + 1)
        if above.norm or scales.bias[l + 1] or not above.activation.homogeneous or above.skip_from not in (None, l):
            break
        if above.skip_from == l:
            along[l] = divide(way.square[net.L], net.n[l] * way.square[l])
    return along


def divide(a: float, b: float) -> float:
    """a/b, NaN if both have vanished."""
    return a / b if b else math.nan


def forward_moments(net: Network, scales: Scales, X: np.ndarray | None, batch: int | None) -> Forward:
    """Carry the three moments of a from the input up; that of two inputs only where batch norm needs it."""
    square, level, shared = ([value] for value in input_moments(X))
    way = Forward(square, level, shared, [None], [None], [None])
    for l, layer in net.numbered():
        q = scales.weight[l] * square[l - 1] + scales.bias[l]
        o = scales.weight[l] * shared[l - 1] + scales.bias[l]
        unit = unit_of(layer, q, o, scales.gamma[l], scales.beta[l], batch=batch, pairs=net.couples_examples)
        for row, value in ((way.q, q), (way.u, unit.u), (way.units, unit)):
            row.append(value)
        if layer.activation.pull_back:  # softmax ends the network
            break
        s, k, mean = layer.skip_scale, layer.skip_from, unit.level
        a2, o_a = unit.square, unit.pair
        if k is not None:
            cross = 2 * s * mean * level[k]
            a2, o_a = a2 + s * s * square[k] + cross, o_a + s * s * shared[k] + cross
            mean += s * level[k]
        for row, value in ((square, a2), (level, mean), (shared, o_a)):
            row.append(value)
    return way


def excess(fourth: float, second: float) -> float:
    """E x⁴/(E x²)² − 1."""
    square = second**2  # 0 where it underflows
    return fourth / square - 1 if square and math.isfinite(fourth) else 0.0


# --- one unit: what its norm, φ and dropout make of z (variance q, covariance o of two examples) on the average -------

IDENTITY = get_activation("identity")


@dataclass(frozen=True)
class Unit(ABC):
    """u : u's variance.  level, square, pair : E h, E h², E h h' of two examples.  slope2, slope4 : E of the powers of
    ∂h/∂z with the norm's statistics held.  h is φ(u) after dropout.
    """

    u: float
    level: float
    square: float
    pair: float
    slope2: float
    slope4: float

    @abstractmethod
    def down(self, d: float, o: float) -> tuple[float, float]:
        """E δ² and E δδ' of two examples, from those of ∂ℓ/∂a."""


@dataclass(frozen=True)
class NormalUnit(Unit):
    """u is normal; o_u : its covariance between two examples.  scale : γ²/(v + ε), 1 without norm."""

    phi: Activation
    o_u: float
    scale: float

    def down(self, d: float, o: float) -> tuple[float, float]:
        """Dropout's masks are drawn apart, so that they count for an example's own part alone."""
        return d * self.slope2, o * self.scale * E.slope_overlap(self.phi, self.u, self.o_u) if o else 0.0


@dataclass(frozen=True)
class BatchUnit(Unit):
    """A unit under batch norm of m examples."""

    at: Averages
    keep: float

    def down(self, d: float, o: float) -> tuple[float, float]:
        """δ sums to 0 over the batch, so that two examples' are −1/(m−1) of one's."""
        own = self.at.down(d, o, self.keep)
        return own, -own / max(self.at.m - 1, 1)


def unit_of(
    layer: Dense,
    q: float,
    o: float,
    gamma2: float = 1.0,
    beta2: float = 0.0,
    *,
    batch: int | None = None,
    pairs: bool = False,
) -> Unit:
    """A unit of `layer`; gamma2, beta2 : E γ², E β².  batch : m, None for the limit of many.

    pairs : whether E h h' is asked for; else it costs and serves nothing.  Softmax passes z on: δ = p − y is taken as
    given.
    """
    phi, keep = layer.activation, 1 - layer.dropout
    if phi.pull_back:
        return NormalUnit(q, 0.0, q, o, 1.0, 1.0, IDENTITY, o, 1.0)
    if layer.norm == "batch" and batch is not None:
        at = Batch(batch, layer.eps, gamma2, beta2).averages(phi, max(q - o, 0.0))
        u, slopes = gamma2 * at.spread + beta2, (at.slope2 / keep, at.slope4 / keep**3)
        return BatchUnit(u, at.level, at.square / keep, at.pair, *slopes, at, keep)
    u, o_u, scale = normalized(layer, q, o, gamma2, beta2)
    pair = E.overlap(phi, u, o_u) if pairs and math.isfinite(u) else 0.0
    slopes = (scale * E.slope_moment(phi, u) / keep, scale**2 * E.slope_moment(phi, u, 4) / keep**3)
    return NormalUnit(u, E.mean(phi, u), E.second_moment(phi, u) / keep, pair, *slopes, phi, o_u, scale)


def normalized(layer: Dense, q: float, o: float, gamma2: float, beta2: float) -> tuple[float, float, float]:
    """u's variance, its covariance between two examples, and γ²/(v + ε); a batch's mean is taken out of z."""
    if layer.norm is None:
        return q, o, 1.0
    v, shared = (q, o) if layer.norm == "layer" else (max(q - o, 0.0), 0.0)
    scale = gamma2 / (v + layer.eps)
    return scale * v + beta2, scale * shared + beta2, scale
