"""Measured flow: what one pass up and down leaves in each layer, read from Trace and Gradients.

The ratio E‖δ_l‖²/E‖δ_{l+1}‖² is the product of two terms, exactly: the weight term E‖∂ℓ/∂a_l‖²/E‖δ_{l+1}‖² (what
W_{l+1}, and skips, do) and the derivative term E‖δ_l‖²/E‖∂ℓ/∂a_l‖² (what φ', the norm and dropout do).

A few examples may carry a mean, so each example's ‖δ_l‖² over its ‖δ_L‖² is kept too: verdicts are by their median.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import numpy as np

from backlit.core.network import Network
from backlit.core.parameters import Parameters
from backlit.core.passes import Gradients, Trace
from backlit.diagnosis.theory.expectations import quiet

DEAD = 1e-12  # a unit whose |φ'| is no larger on any example learns nothing
SATURATED = 0.05  # an entry whose |φ'| is below this share of the largest slope
ALIKE = 1e-9  # of the largest gradient of a layer: what rounding leaves of no difference


@dataclass(frozen=True)
class LayerFlow:
    """What was measured of one layer.

    q : mean z².  delta : E‖δ_l‖².  grad_a : E‖∂ℓ/∂a_l‖².  correlation : mean cosine of z of two inputs.
    dead : share of units with φ' = 0 on all examples.  saturated : share of entries with a small φ'.  Both are 0 at an
    output with δ = p − y, in which φ' does not appear.
    dead_by_bias : share of units that are dead and would not be with bias 0.  usual : what `saturated` is where u is
    standard normal.  alike : 1 if all units have the same weights and the same gradient, so that they stay the same.
    grad_to_weight : ‖∂W‖/‖W‖.  noise_scale : Σ_i ‖∂W of example i − ∂W‖²/m over ‖∂W‖² (None if unknown).
    """

    q: float
    delta: float
    grad_a: float
    correlation: float
    dead: float
    saturated: float
    grad_to_weight: float
    noise_scale: float | None
    dead_by_bias: float = 0.0
    usual: float = 0.0
    alike: float = 0.0


@dataclass(frozen=True)
class MeasuredFlow:
    """The layers by l (index 0 None), averaged over the seeds if there were several.

    levels : (examples of all seeds, L), ‖δ_l‖² over ‖δ_L‖² of each example whose δ_L is not 0; column 0 is layer 1.
    """

    layers: list[Any]
    levels: np.ndarray

    @property
    def L(self) -> int:
        """The number of layers."""
        return len(self.layers) - 1

    def numbered(self) -> list[tuple[int, Any]]:
        """(l, layer l), from 1 to L."""
        return list(enumerate(self.layers))[1:]

    def grad_ratio(self, l: int) -> float | None:
        """E‖δ_l‖²/E‖δ_{l+1}‖²; None at the top."""
        return None if l == self.L else divide(self.layers[l].delta, self.layers[l + 1].delta)

    def weight_term(self, l: int) -> float | None:
        """E‖∂ℓ/∂a_l‖²/E‖δ_{l+1}‖²; None at the top."""
        return None if l == self.L else divide(self.layers[l].grad_a, self.layers[l + 1].delta)

    def derivative_term(self, l: int) -> float | None:
        """E‖δ_l‖²/E‖∂ℓ/∂a_l‖²; None at the top."""
        return None if l == self.L else divide(self.layers[l].delta, self.layers[l].grad_a)

    @property
    def top_to_bottom(self) -> float:
        """E‖δ_1‖²/E‖δ_L‖²."""
        return divide(self.layers[1].delta, self.layers[self.L].delta)

    def median(self, l: int) -> float:
        """The median over examples of ‖δ_l‖²/‖δ_L‖²; NaN if no example has a gradient at the top."""
        return float(np.median(self.levels[:, l - 1])) if len(self.levels) else math.nan

    @property
    def geometric_mean(self) -> float:
        """e to the mean over examples of ln ‖δ_1‖²/‖δ_L‖²: 0 if one of them has none."""
        with np.errstate(divide="ignore"):
            return float(np.exp(np.log(self.levels[:, 0]).mean())) if len(self.levels) else math.nan

    @property
    def half_carried_by(self) -> float:
        """The share of the examples, those with the largest, that carry half of the mean of ‖δ_1‖²/‖δ_L‖²."""
        falling = np.sort(self.levels[:, 0])[::-1]
        total = falling.sum()
        if not 0 < total < math.inf:
            return math.nan
        return float((np.searchsorted(falling.cumsum(), total / 2) + 1) / len(falling))


def divide(a: float, b: float) -> float:
    """a/b; NaN where b is 0 or either is not finite."""
    return a / b if b and math.isfinite(a) and math.isfinite(b) else math.nan


@quiet
def measure_flow(net: Network, params: Parameters, trace: Trace, grad: Gradients) -> MeasuredFlow:
    """Read the flow of one pass."""
    layers = [None, *(layer_flow(net, params, trace, grad, l) for l in range(1, net.L + 1))]
    squares = np.stack([(delta**2).sum(axis=1) for delta in grad.delta[1:]], axis=1)
    some = squares[:, -1] != 0
    return MeasuredFlow(layers, squares[some] / squares[some, -1:])


def layer_flow(net: Network, params: Parameters, trace: Trace, grad: Gradients, l: int) -> LayerFlow:
    """Read one layer."""
    dead, saturated, dead_by_bias = small_slopes(net, params, trace, l)
    W, grad_W = np.linalg.norm(params.W[l]), np.linalg.norm(grad.W[l])
    return LayerFlow(
        q=mean_square(trace.z[l]),
        delta=mean_length(grad.delta[l]),
        grad_a=mean_length(grad.a[l]),
        correlation=mean_cosine(trace.z[l]),
        dead=dead,
        saturated=saturated,
        grad_to_weight=float(grad_W / W) if W else math.nan,
        noise_scale=noise_scale(net, trace, grad, l),
        dead_by_bias=dead_by_bias,
        usual=usually_small(net.layer(l).activation),
        alike=float(l < net.L and stay_alike(params, grad, l)),
    )


def small_slopes(net: Network, params: Parameters, trace: Trace, l: int) -> tuple[float, float, float]:
    """`dead`, `saturated` and `dead_by_bias` of layer l."""
    if l == net.L and net.has_short_form:
        return 0.0, 0.0, 0.0
    layer = net.layer(l)
    phi, bias = layer.activation, params.beta[l] if layer.norm else params.b[l]
    slope = np.abs(phi.derivative(trace.u[l]))
    dead = (slope <= DEAD).all(axis=0)
    alive = (np.abs(phi.derivative(trace.u[l] - bias)) > DEAD).any(axis=0)
    return float(dead.mean()), float((slope < SATURATED * slope_bound(phi)).mean()), float((dead & alive).mean())


def stay_alike(params: Parameters, grad: Gradients, l: int) -> bool:
    """Whether all units of layer l have equal weights and biases and equal gradients of them."""
    weights = np.column_stack([params.W[l], params.b[l]])
    slopes = np.column_stack([grad.W[l], grad.b[l]])
    apart = np.abs(slopes - slopes[0]).max()
    return len(weights) > 1 and bool((weights == weights[0]).all() and apart <= ALIKE * np.abs(slopes).max())


@lru_cache(maxsize=256)
def slope_bound(phi: Any) -> float:
    """The largest |φ'| on [−8, 8], what φ' is called small against; of softmax that of p (1 − p)."""
    if not phi.elementwise:
        return 0.25
    return float(np.abs(phi.derivative(np.linspace(-8, 8, 1601))).max())


@lru_cache(maxsize=256)
def usually_small(phi: Any) -> float:
    """The share of a standard normal u at which φ' is small, which is no fault: half of it for ReLU."""
    if not phi.elementwise:
        return 0.0
    u = np.linspace(-8, 8, 3202)  # 0, a kink of some, is not among them
    weight = np.exp(-u * u / 2)
    return float(weight[np.abs(phi.derivative(u)) < SATURATED * slope_bound(phi)].sum() / weight.sum())


def mean_square(array: np.ndarray) -> float:
    """The mean square of all entries."""
    return float(np.mean(array**2))


def mean_length(rows: np.ndarray) -> float:
    """The mean of the rows' squared lengths."""
    return float((rows**2).sum(axis=1).mean())


def mean_cosine(z: np.ndarray) -> float:
    """The mean cosine between the z of two different examples; NaN for one example."""
    m, length = len(z), np.linalg.norm(z, axis=1, keepdims=True)
    unit = z / np.where(length == 0, 1, length)
    return float(((unit.sum(axis=0) ** 2).sum() - (unit**2).sum()) / (m * (m - 1))) if m > 1 else math.nan


def noise_scale(net: Network, trace: Trace, grad: Gradients, l: int) -> float | None:
    """The variance of the examples' ∂W over ‖mean‖²: the batch at which noise and signal are equal (McCandlish 2018).

    ‖∂W of example i‖ = ‖δ_i‖ ‖a_i‖, so no gradient of an example is formed.  None with batch norm, L2 or one example.
    """
    if net.couples_examples or net.l2 or trace.m < 2 or net.reduction != "mean":
        return None
    m = trace.m
    each = float(((grad.delta[l] ** 2).sum(axis=1) * (trace.a[l - 1] ** 2).sum(axis=1)).mean())
    mean = float((grad.W[l] ** 2).sum())
    variance = (each - mean) * m / (m - 1)
    signal = mean - variance / m  # the mean's own noise taken out
    return variance / signal if signal > 0 else math.inf


def average(flows: Sequence[MeasuredFlow]) -> MeasuredFlow:
    """Average over seeds, quantity by quantity.

    δ is first divided by that of the top layer; otherwise one seed with a large loss would dominate the mean.
    """
    if len(flows) == 1:
        return flows[0]
    layers: list[Any] = [None]
    tops = [flow.layers[-1].delta or 1.0 for flow in flows]
    for l in range(1, flows[0].L + 1):
        row = [vars(flow.layers[l]) for flow in flows]
        layers.append(LayerFlow(**{name: mean_of(name, row, tops) for name in row[0]}))
    return MeasuredFlow(layers, np.concatenate([flow.levels for flow in flows]))


def mean_of(name: str, rows: Sequence[dict[str, Any]], tops: Sequence[float]) -> Any:
    """The mean of one quantity over seeds."""
    if any(row[name] is None for row in rows):
        return None
    scale = tops if name in ("delta", "grad_a") else [1.0] * len(rows)
    return float(np.mean([row[name] / s for row, s in zip(rows, scale, strict=True)]))
