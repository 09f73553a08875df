"""Measured flow: what one pass up and down leaves in each layer, read from Trace and Gradients.

The ratio E‖δ_l‖²/E‖δ_{l+1}‖² is the product of two terms, exactly: the weight term E‖∂ℓ/∂a_l‖²/E‖δ_{l+1}‖² (what
W_{l+1}, and skips, do) and the derivative term E‖δ_l‖²/E‖∂ℓ/∂a_l‖² (what φ', the norm and dropout do).
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


@dataclass(frozen=True)
class LayerFlow:
    """What was measured of one layer.

    q : mean z².  delta : E‖δ_l‖².  grad_a : E‖∂ℓ/∂a_l‖².  correlation : mean cosine of z of two inputs.
    dead : share of units with φ' = 0 on all examples.  saturated : share of entries with a small φ'.  Both are 0 at an
    output with δ = p − y, in which φ' does not appear.
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


@dataclass(frozen=True)
class MeasuredFlow:
    """The layers by l (index 0 None), averaged over the seeds if there were several."""

    layers: list[Any]

    @property
    def L(self) -> int:
        """The number of layers."""
        return len(self.layers) - 1

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


def divide(a: float, b: float) -> float:
    """a/b; NaN where b is 0 or either is not finite."""
    return a / b if b and math.isfinite(a) and math.isfinite(b) else math.nan


@quiet
def measure_flow(net: Network, params: Parameters, trace: Trace, grad: Gradients) -> MeasuredFlow:
    """Read the flow of one pass."""
    return MeasuredFlow([None, *(layer_flow(net, params, trace, grad, l) for l in range(1, net.L + 1))])


def layer_flow(net: Network, params: Parameters, trace: Trace, grad: Gradients, l: int) -> LayerFlow:
    """Read one layer."""
    dead, saturated = small_slopes(net, trace, l)
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
    )


def small_slopes(net: Network, trace: Trace, l: int) -> tuple[float, float]:
    """`dead` and `saturated` of layer l."""
    if l == net.L and net.has_short_form:
        return 0.0, 0.0
    phi = net.layer(l).activation
    slope = np.abs(phi.derivative(trace.u[l]))
    return float((slope <= DEAD).all(axis=0).mean()), float((slope < SATURATED * slope_bound(phi)).mean())


@lru_cache(maxsize=256)
def slope_bound(phi: Any) -> float:
    """The largest |φ'| on [−8, 8], what φ' is called small against; of softmax that of p (1 − p)."""
    if not phi.elementwise:
        return 0.25
    return float(np.abs(phi.derivative(np.linspace(-8, 8, 1601))).max())


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
    return MeasuredFlow(layers)


def mean_of(name: str, rows: Sequence[dict[str, Any]], tops: Sequence[float]) -> Any:
    """The mean of one quantity over seeds."""
    if any(row[name] is None for row in rows):
        return None
    scale = tops if name in ("delta", "grad_a") else [1.0] * len(rows)
    return float(np.mean([row[name] / s for row, s in zip(rows, scale, strict=True)]))
