"""Expectations over a normalized batch: x uniform on the sphere Σ x_i = 0, Σ x_i² = m of m examples.

That is where batch norm puts the m values of one unit whose z are Gaussian and alike for all examples.  With angles,
x_1 = √(m−1) sin t, density ∝ cos^{m−3} t;  given x_1 the others are again such a sphere, so that
x_2 = −x_1/(m−1) + √(m(m−2)/(m−1)) cos t sin t', density of t' ∝ cos^{m−4} t'.  Their correlation is −1/(m−1).

>>> x, w = first(5)
>>> round(float((x**4 * w).sum()), 9)  # 3 (m−1)/(m+1); a normal variable's is 3
2.0
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache

import numpy as np

from backlit.diagnosis.theory.expectations import legendre

Array = np.ndarray
REACH = 10.0  # deviations, as for Gaussians


@dataclass(frozen=True)
class Rule:
    """How far apart x is cut (activations bend on a scale of 1), and the nodes between two cuts."""

    step: float = 1.3
    nodes: int = 14

    def finer(self, scale: float) -> "Rule":
        """For φ(scale · x)."""
        return Rule(self.step / max(1.0, scale), self.nodes)


FINE = Rule()


def angles(power: int, m: int, rule: Rule, cuts: Array) -> tuple[Array, Array]:
    """Nodes t and weights (…, N) of the density ∝ cos^power t on [−π/2, π/2], cut at `cuts` (…, K).

    power −1, the sphere of two points, has all its weight at ±π/2.
    """
    if power < 0:
        ends = np.array([-math.pi / 2, math.pi / 2])
        return np.broadcast_to(ends, (*cuts.shape[:-1], 2)), np.full((*cuts.shape[:-1], 2), 0.5)
    far = min(math.pi / 2, REACH / math.sqrt(power + 1))
    even = np.linspace(-far, far, 2 * math.ceil(far * math.sqrt(m - 1) / rule.step) + 1)
    rows = np.broadcast_to(even, (*cuts.shape[:-1], even.size))
    edges = np.sort(np.concatenate([rows, np.clip(cuts, -far, far)], axis=-1), axis=-1)
    s, w = legendre(rule.nodes)
    bent, slope = s * s * (3 - 2 * s), 6 * s * (1 - s)  # smooth where the integrand has a root's branch at a cut
    width = np.diff(edges, axis=-1)[..., None]
    t = edges[..., :-1, None] + width * bent
    weight = width * slope * w * np.cos(t) ** power
    shape = (*cuts.shape[:-1], -1)
    return t.reshape(shape), weight.reshape(shape) * density(power)


@lru_cache
def density(power: int) -> float:
    """1/∫ cos^power, the constant of the angle's density."""
    return math.exp(math.lgamma(power / 2 + 1) - math.lgamma((power + 1) / 2)) / math.sqrt(math.pi)


def inner_angle(x: Array, x_1: Array, m: int) -> Array:
    """The t' at which x_2 = x; beyond ±π/2, those."""
    with np.errstate(divide="ignore", invalid="ignore"):
        sine = (x + x_1 / (m - 1)) / np.sqrt(max(m - 2, 0) * np.maximum(m - m / (m - 1) * x_1**2, 0) / (m - 1))
    return np.arcsin(np.clip(np.nan_to_num(sine), -1, 1))


def leaving(x: Array, m: int) -> Array:
    """The t at which x_2 = x comes into reach or leaves it: where t' = ±π/2."""
    turn = math.atan2(math.sqrt(m * (m - 2)), 1.0)
    lean = np.arcsin(np.clip(-x / math.sqrt(m - 1), -1, 1))
    found = np.concatenate([s * turn + part for s in (1, -1) for part in (lean, math.pi - lean)])
    return np.remainder(found + math.pi, 2 * math.pi) - math.pi


def first(m: int, kinks: Sequence[float] | Array = (), rule: Rule = FINE) -> tuple[Array, Array]:
    """Values of x_1 and weights (N,), cut where x_1 or x_2 meets a kink."""
    if m == 2:
        return np.array([-1.0, 1.0]), np.array([0.5, 0.5])
    at = np.asarray(kinks, dtype=float)
    own = np.arcsin(np.clip(at / math.sqrt(m - 1), -1, 1))
    t, w = angles(m - 3, m, rule, np.concatenate([own, leaving(at, m)]))
    return math.sqrt(m - 1) * np.sin(t), w


def second(x_1: Array, m: int, kinks: Sequence[float] | Array = (), rule: Rule = FINE) -> tuple[Array, Array]:
    """Values of x_2 and weights (N, N') for each x_1."""
    if m == 2:
        return -x_1[:, None], np.ones((len(x_1), 1))
    at = np.asarray(kinks, dtype=float)
    cuts = inner_angle(at[None, :], x_1[:, None], m)
    t, w = angles(m - 4, m, rule, cuts)
    left = np.sqrt(np.maximum((m - m / (m - 1) * x_1**2) * (m - 2) / (m - 1), 0))
    return -x_1[:, None] / (m - 1) + left[:, None] * np.sin(t), w
