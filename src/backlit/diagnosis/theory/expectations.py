"""Expectations by composite Gauss-Legendre quadrature: over Gaussian pre-activations, and over a normalized batch.

E f(√q Z): the line is cut at the kinks of φ and, ever finer, around 0, where activations bend; on each panel the
integrand is smooth and a few nodes reach rounding.  Gauss-Hermite alone would lose half of its digits at a kink.

>>> from backlit.core.activations import get_activation
>>> round(second_moment(get_activation("relu"), 3.0), 12)
1.5

A batch: x uniform on the sphere Σ x_i = 0, Σ x_i² = m of m examples.  That is where batch norm puts the m values of one
unit whose z are Gaussian and alike for all examples.  With angles, x_1 = √(m−1) sin t, density ∝ cos^{m−3} t;  given
x_1 the others are again such a sphere, so that x_2 = −x_1/(m−1) + √(m(m−2)/(m−1)) cos t sin t', density of t'
∝ cos^{m−4} t'.  Their correlation is −1/(m−1).

>>> x, w = first(5)
>>> round(float((x**4 * w).sum()), 9)  # 3 (m−1)/(m+1); a normal variable's is 3
2.0
"""

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import lru_cache

import numpy as np

from backlit.core.activations import Activation

Array = np.ndarray
REACH = 10.0  # standard deviations; what lies beyond weighs 1e-23
FARTHEST = 1e3  # where exp's moments have long left the range of floats
BENDS = np.concatenate([-(2.0 ** np.arange(-2, 7)), [0.0], 2.0 ** np.arange(-2, 7)])  # in u
quiet = np.errstate(over="ignore", invalid="ignore", divide="ignore", under="ignore")


@lru_cache
def legendre(nodes: int) -> tuple[Array, Array]:
    """Nodes and weights on [0, 1]."""
    x, w = np.polynomial.legendre.leggauss(nodes)
    return (x + 1) / 2, w / 2


def density(z: Array) -> Array:
    """The standard normal's e^{−z²/2}/√(2π)."""
    return np.exp(-0.5 * z * z) / np.sqrt(2 * np.pi)


def panels(edges: Array, nodes: int) -> tuple[Array, Array]:
    """Nodes z and weights w (density included) between sorted edges (…, E): both (…, (E−1) · nodes).

    Two equal edges enclose nothing and weigh nothing.
    """
    x, w = legendre(nodes)
    width = np.diff(edges, axis=-1)[..., None]
    z = edges[..., :-1, None] + width * x
    shape = (*edges.shape[:-1], -1)
    return z.reshape(shape), (width * w * density(z)).reshape(shape)


def reach(phi: Activation, q: float) -> float:
    """How far from 0 the integrand of φ⁴ still counts: e^{4√q z} moves its peak to 4√q."""
    return min(REACH + (4 * np.sqrt(q) if phi.exponential else 0.0), FARTHEST)


def edges(phi: Activation, q: float) -> Array:
    """Where the line is cut, in z: every unit, at φ's kinks and where φ bends."""
    far = reach(phi, q)
    bends = np.concatenate([BENDS, phi.kinks]) / np.sqrt(q)
    return np.unique(np.clip(np.concatenate([np.linspace(-far, far, int(2 * far) + 1), bends]), -far, far))


@quiet
def expect(phi: Activation, q: float, f: Callable[[Array], Array]) -> float:
    """E f(u) for u normal with mean 0 and variance q; f has φ's kinks.  Infinite where it overflows."""
    if q == 0:
        return float(f(np.zeros(1))[0])
    if not np.isfinite(q):
        return float("inf")
    z, w = panels(edges(phi, q), 16)
    total = float((f(np.sqrt(q) * z) * w).sum())
    return total if np.isfinite(total) else float("inf")


@lru_cache(maxsize=4096)
def mean(phi: Activation, q: float) -> float:
    """E φ."""
    return expect(phi, q, phi.function)


@lru_cache(maxsize=4096)
def second_moment(phi: Activation, q: float) -> float:
    """E φ²."""
    return expect(phi, q, lambda u: phi.function(u) ** 2)


@lru_cache(maxsize=4096)
def slope_moment(phi: Activation, q: float, power: int = 2) -> float:
    """E φ'^power; at q = 0 a kink at 0 counts half from each side, as it does for every q above 0."""
    if q == 0:
        return 0.5 * sum(float(phi.derivative(np.array([u]))[0]) ** power for u in (-1e-12, 1e-12))
    return expect(phi, q, lambda u: phi.derivative(u) ** power)


@lru_cache(maxsize=4096)
def growth(phi: Activation, q: float) -> float:
    """∂/∂q E φ² = E φ'² + E φ φ'' = E[φ φ' u]/q, the last by parts, which needs no φ''."""
    if q == 0:
        return slope_moment(phi, 0.0)
    return expect(phi, q, lambda u: phi.function(u) * phi.derivative(u) * u / q)


def overlap(phi: Activation, q: float, o: float) -> float:
    """E φ(u₁)φ(u₂) for u₁, u₂ of variance q and covariance o."""
    return pair_moment(phi, q, o, slope=False)


def slope_overlap(phi: Activation, q: float, o: float) -> float:
    """E φ'(u₁)φ'(u₂)."""
    return pair_moment(phi, q, o, slope=True)


@lru_cache(maxsize=4096)
@quiet
def pair_moment(phi: Activation, q: float, o: float, *, slope: bool) -> float:
    """E f(u₁)f(u₂), f = φ or φ': over u₁, and for each of its nodes over what is left of u₂.

    u₁ = √q z₁, u₂ = √q (c z₁ + s z₂), s = √(1 − c²): the inner line is cut at the kinks as z₁ moves them.
    """
    if not math.isfinite(q) or math.isnan(o):
        return math.inf
    f = phi.derivative if slope else phi.function
    c = 0.0 if q == 0 else min(max(o / q, -1.0), 1.0)
    if c == 1 or q == 0:
        return slope_moment(phi, q) if slope else second_moment(phi, q)
    if c == 0:
        return expect(phi, q, f) ** 2
    s, far = np.sqrt((1 - c) * (1 + c)), reach(phi, q)
    if far == FARTHEST:
        return math.inf
    z1, w1 = panels(outer_edges(phi, q, c, s), 16)
    bends = np.concatenate([BENDS, phi.kinks]) / np.sqrt(q)
    moved = np.clip((bends[None, :] - c * z1[:, None]) / s, -far, far)
    grid = np.broadcast_to(np.linspace(-far, far, int(2 * far) + 1), (len(z1), int(2 * far) + 1))
    z2, w2 = panels(np.sort(np.concatenate([grid, moved], axis=1), axis=1), 10)
    inner = (f(np.sqrt(q) * (c * z1[:, None] + s * z2)) * w2).sum(axis=1)
    return float((f(np.sqrt(q) * z1) * inner * w1).sum())


def outer_edges(phi: Activation, q: float, c: float, s: float) -> Array:
    """Cuts for z₁: φ's own, and around those the width s/c on which the inner mean bends."""
    far = reach(phi, q)
    centers = np.concatenate([[0.0], phi.kinks]) / np.sqrt(q) / c
    around = (centers[:, None] + s / abs(c) * np.array([-6, -3, -1, 0, 1, 3, 6])).ravel()
    return np.unique(np.clip(np.concatenate([edges(phi, q), around]), -far, far))


# --- over a normalized batch ------------------------------------------------------------------------------------------


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
    return t.reshape(shape), weight.reshape(shape) * angle_density(power)


@lru_cache
def angle_density(power: int) -> float:
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
