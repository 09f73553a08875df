"""Where gradients neither grow nor shrink: the line χ₁ = 1 in the plane of σ_w² and σ_b².

Along it the length q is a coordinate: σ_w² = 1/E φ'(√q Z)², and σ_b² = q − σ_w² E φ(√q Z)² makes q a fixed point.

>>> from backlit.core.activations import get_activation
>>> point = critical_point(get_activation("tanh"), 0.05)
>>> round(point.sigma_w2, 6), round(point.q_star, 6)
(1.760955, 0.570048)
"""

from dataclasses import dataclass

import numpy as np

from backlit.core.activations import Activation
from backlit.diagnosis.theory.expectations import second_moment, slope_moment
from backlit.diagnosis.theory.root_finding import root

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
