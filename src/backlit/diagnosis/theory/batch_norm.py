"""Batch norm on a batch of m examples: what one layer makes of z, and of ∂ℓ/∂a on its way down, and where depth leads.

z of one unit, less its mean over the batch, is s times a normal vector of the plane Σ = 0, because above a first layer
all examples are alike (Yang et al.'s fixed point BSB1: E φ(u)φ(u)ᵀ has one value on its diagonal and one off it).
So x̂ = r x with x uniform on the sphere of `expectations`, r² = v/(v + ε), and independently m v/s² ~ χ²_{m−1}.
With u = γ x̂ + β, and d = E g_i², o = E g_i g_j of g = ∂ℓ/∂a, the pull-back δ = γ/σ (I − 11ᵀ/m − x̂x̂ᵀ/m) φ' g has
E δ_i² = γ² E 1/(v + ε) [ S d − (S d + (m−1) T o)/m − (2r² − r⁴)(V d + (m−1) X o)/m ],
S = E φ'(u_1)², T = E φ'(u_1)φ'(u_2), V = E φ'(u_1)² x_1², X = E φ'(u_1)φ'(u_2) x_1 x_2, and δ sums to 0 over the batch.
Linear layers at ε = 0 grow by (m−2)/(m−3) a layer: nothing at m = 2, infinite at 3.  m → ∞ gives E φ'²/Var φ.

>>> from backlit.core.activations import get_activation
>>> one = Batch(8, eps=0.0).averages(get_activation("identity"), s2=2.0)
>>> round(one.growth(sigma_w2=2.0 * 7 / 8), 10)  # s² = σ_w² (E φ² − E φφ) = σ_w² 8/7, and 6/5
1.2

Without skip a batch settles at once: s² = σ_w² (E φ²/keep − E φφ).  What the examples' E φφᵀ still differ by changes by
a factor a layer, σ_w²/s² `gram_slopes` (+ skip²): for linear layers (m−1)/(m+1).  A factor of lengths above 1 lets one
example run away from the others (GELU, SiLU, softplus, m above about 30).

>>> [round(slope * 7 / 8, 10) for slope in gram_slopes(get_activation("identity"), 8)]  # s² = σ_w² 8/7
[0.7777777778, 0.7777777778]

Source: Yang, Pennington, Rao, Sohl-Dickstein & Schoenholz 2019, by quadrature in place of Laplace transforms, and the
eigenvalues of their subspaces M and L by conditional means on the sphere.
"""

import math
from dataclasses import dataclass
from functools import lru_cache

import numpy as np

from backlit.core.activations import Activation
from backlit.diagnosis.theory.expectations import FINE, Rule, first, legendre, quiet, second

Array = np.ndarray
EDGES = (0.0, 0.25, 0.5, 0.75, 0.9, 0.99, 0.999, 1.0)  # of the panels of r
NODES, FEW, NARROW = 16, 9, 0.02  # nodes in a panel, and in a narrow one
ROUGH, ROUGH_NODES = Rule(2.6, 8), 5  # where β is not 0, which training made so: three digits do, of a theory of draws
MOMENTS = 8
BETAS = 6  # nodes over β
TINY = 40.0  # e^−40 of the largest: what is left out


@dataclass(frozen=True)
class Averages:
    """Means over draws of one unit.  level, square, pair : E φ, E φ², E φφ of two examples.  spread : E v/(v + ε).

    inverse : E 1/(v + ε).  own, shared : what E δ² gains for each unit of d and of o.  slope2, slope4 : E of the powers
    of φ' γ/√(v + ε), the slope of one example with the statistics held.
    """

    m: int
    level: float
    square: float
    pair: float
    spread: float
    inverse: float
    own: float
    shared: float
    slope2: float
    slope4: float

    def down(self, d: float, o: float, keep: float = 1.0) -> float:
        """E δ² from d = E g² and o = E g g'; dropout's masks, drawn apart, count for an example's own part alone."""
        return self.own * d / keep + self.shared * o

    def growth(self, sigma_w2: float, keep: float = 1.0) -> float:
        """E δ_l²/E δ_{l+1}² below a layer of the same kind, whose δ sum to 0 over the batch: o = −d/(m−1)."""
        return sigma_w2 * self.down(1.0, -1 / (self.m - 1), keep) if self.m > 1 else 0.0


@dataclass(frozen=True)
class Batch:
    """Batch norm over m examples with its ε; gamma2, beta2 : the mean squares of γ and β."""

    m: int
    eps: float = 1e-5
    gamma2: float = 1.0
    beta2: float = 0.0

    def averages(self, phi: Activation, s2: float) -> Averages:
        """At s², (z_i − z_j)'s variance over 2, so that E v = s² (m−1)/m."""
        return averages(phi, self, s2)


@lru_cache(maxsize=4096)
@quiet
def averages(phi: Activation, norm: Batch, s2: float) -> Averages:
    """Integrate over v, in ln v, what the sphere gives at r = √(v/(v + ε)).

    One example alone is its own mean: x̂ = 0, and no δ comes through.
    """
    m, eps = max(norm.m, 2), norm.eps
    v, w = variances(m, s2 if norm.m > 1 else 0.0, eps)
    inverse = 1 / (v + eps)
    lost, scale = np.nan_to_num(eps * inverse), norm.gamma2 * inverse  # 1 − r², so that 2r² − r⁴ = 1 − lost²
    r = np.sqrt(1 - lost)
    level, square, pair, S, T, V, X, fourth = moments_at(phi, m, math.sqrt(norm.gamma2), math.sqrt(norm.beta2), r).T
    own = scale * (S - (S + V) / m + lost**2 * V / m)
    shared = -scale * (m - 1) / m * (T + X - lost**2 * X)
    if (m == 2 and eps == 0) or norm.m == 1:
        own, shared = 0 * own, 0 * shared  # x̂ is ±1, or 0, whatever z is
    once, twice = (math.inf if eps == 0 and m - 1 <= 2 * p else 1.0 for p in (1, 2))  # E 1/v, E 1/v²
    values = [level, square, pair, 1 - lost, inverse, own, shared, scale * S, scale**2 * fourth]
    means = [float(value @ w) * f for value, f in zip(values, [1.0] * 4 + [once] * 4 + [twice], strict=True)]
    return Averages(norm.m, *(0.0 if math.isnan(mean) else mean for mean in means))


def variances(m: int, s2: float, eps: float) -> tuple[Array, Array]:
    """Nodes v and weights of m v/s² ~ χ²_{m−1}, as far out as 1 or 1/(v + ε)² times the density counts."""
    if s2 <= 0 or not math.isfinite(s2):
        return np.array([s2 if s2 > 0 else 0.0]), np.ones(1)
    half, floor = (m - 1) / 2, min(m * eps / s2, 1e300)  # whose logarithm is finite

    def log_density(y: Array) -> Array:
        """Of y = ln χ²."""
        return half * y - np.exp(y) / 2 - half * math.log(2) - math.lgamma(half)

    y = np.linspace(-250, math.log(2 * m + 200), 4001)
    near = np.zeros(len(y), dtype=bool)
    for p in (0, 1, 2):
        size = log_density(y) - p * np.log(np.exp(y) + floor)
        near |= (size > size.max() - TINY) & (eps > 0 or p < half)
    low, high = y[near][[0, -1]]
    edges = np.linspace(low, high, max(12, math.ceil((high - low) / 1.5)) + 1)
    x, weight = legendre(16)
    y = (edges[:-1, None] + (edges[1] - edges[0]) * x).ravel()
    w = np.tile(weight * (edges[1] - edges[0]), len(edges) - 1) * np.exp(log_density(y))
    return s2 / m * np.exp(y), w


def moments_at(phi: Activation, m: int, gamma: float, beta: float, r: Array) -> Array:
    """`on_sphere` at every r in [0, 1], (R, MOMENTS), interpolated between the nodes of its panel."""
    edges = panels(phi, m, gamma)
    which = np.clip(np.searchsorted(edges, r, side="right") - 1, 0, len(edges) - 2)
    out = np.empty((len(r), MOMENTS))
    for k in np.unique(which):
        low, high, here = edges[k], edges[k + 1], which == k
        s = 0.5 - np.sin(np.arcsin(1 - 2 * (r[here] - low) / (high - low)) / 3)  # r = low + (high − low)(3s² − 2s³)
        out[here] = interpolate(table(phi, m, gamma, beta, low, high), s)
    return out


@lru_cache(maxsize=1024)
def panels(phi: Activation, m: int, gamma: float) -> tuple[float, ...]:
    """Where [0, 1] is cut: ever finer towards 1, and where a kink comes within reach of one example, or of two."""
    reach = [(m - 1) ** 0.5, (m / 2) ** 0.5, (m / 2 - 1) ** 0.5]  # of x_1; of x_1 and −x_2, and of both, at once
    kinks = {abs(kink) / gamma / x for kink in phi.kinks for x in reach if x and gamma}
    return tuple(sorted({*EDGES, *(kink for kink in kinks if 0 < kink < 1)}))


@lru_cache(maxsize=1024)
def table(phi: Activation, m: int, gamma: float, beta: float, low: float, high: float) -> Array:
    """`on_sphere` at Chebyshev's nodes s of a panel, (N, MOMENTS); β normal of deviation `beta`.

    r moves as s² at the panel's ends, so that the roots with which a kink comes into reach are smooth in s.
    """
    rule, n = (ROUGH, ROUGH_NODES) if beta else (FINE, NODES if high - low > NARROW else FEW)
    s = chebyshev(n)
    z, w = np.polynomial.hermite_e.hermegauss(BETAS) if beta else (np.zeros(1), np.ones(1))
    rows = [
        [p * on_sphere(phi, m, gamma * r, beta * b, rule) for b, p in zip(z, w / w.sum(), strict=True)]
        for r in low + (high - low) * s * s * (3 - 2 * s)
    ]
    return np.array(rows).sum(axis=1)


def chebyshev(n: int) -> Array:
    """Chebyshev's nodes on [0, 1]."""
    return (1 + np.cos((2 * np.arange(n) + 1) * math.pi / (2 * n))) / 2


def interpolate(values: Array, s: Array) -> Array:
    """The polynomial through `values` at Chebyshev's nodes, in barycentric form, at s."""
    n = len(values)
    w = (-1.0) ** np.arange(n) * np.sin((2 * np.arange(n) + 1) * math.pi / (2 * n))
    gap = s[:, None] - chebyshev(n)
    shares = w / np.where(gap == 0, 1e-300, gap)
    return shares @ values / shares.sum(axis=1, keepdims=True)


@quiet
def on_sphere(phi: Activation, m: int, scale: float, shift: float, rule: Rule = FINE) -> Array:
    """E of (φ, φ², φφ, φ'², φ'φ', φ'²x², φ'φ'xx, φ'⁴) at u = scale · x + shift, of one example and of two."""
    kinks = (np.array([0.0, *phi.kinks]) - shift) / scale if scale else np.zeros(0)  # at 0 some bend sharply
    x, w = first(m, kinks, rule.finer(scale))
    y, v = second(x, m, kinks, rule.finer(scale))
    f, d, others = phi.function(scale * x + shift), phi.derivative(scale * x + shift), scale * y + shift
    slope = phi.derivative(others) * v
    rows = [f, f**2, f * (phi.function(others) * v).sum(axis=1), d**2, d * slope.sum(axis=1)]
    rows += [d**2 * x**2, d * x * (slope * y).sum(axis=1), d**4]
    return np.array(rows) @ w


# --- where depth leads a batch ----------------------------------------------------------------------------------------

SETTLED = 1e-13
SMALLEST, LARGEST = 1e-12, 1e12


@dataclass(frozen=True)
class Settled:
    """a after many layers: E a², E a and E a a' of two examples below the layer, s², and what norm and φ make of it.

    rate : growth of E a² a layer, 1 if it has settled.
    """

    square: float
    level: float
    shared: float
    s2: float
    at: Averages
    rate: float


def follow(
    phi: Activation, norm: Batch, sigma_w2: float, keep: float = 1.0, skip: float = 0.0, depth: int = 1000
) -> Settled:
    """Follow standard normal inputs up `depth` layers a = φ(u) + skip · a_below, or to where nothing changes."""
    square, level, shared, rate = 1.0, 0.0, 0.0, 1.0
    for _ in range(depth):
        s2 = sigma_w2 * max(square - shared, 0.0)
        at = norm.averages(phi, s2)
        cross = 2 * skip * at.level * level
        above = at.square / keep + skip**2 * square + cross
        rate = above / square if square else 1.0
        found = Settled(square, level, shared, s2, at, rate)
        apart = at.square / keep - at.pair + skip**2 * (square - shared)
        still = math.isclose(rate, 1.0, rel_tol=SETTLED) and math.isclose(apart, square - shared, rel_tol=SETTLED)
        square, level, shared = above, at.level + skip * level, at.pair + skip**2 * shared + cross
        if still or not SMALLEST < square < LARGEST:
            break
    return found


@lru_cache(maxsize=1024)
@quiet
def gram_slopes(phi: Activation, m: int, gamma: float = 1.0) -> tuple[float, float]:
    """s² times how E φφᵀ (less its means) follows a small change of z's covariances over the batch, ε = 0: (of pairs,
    of lengths).

    Of pairs: sums and variances stay as they are, E_12 = E_34 = −E_13 = −E_24, which needs four examples.  Of lengths:
    z_1 gains the variance that z_2 loses.  Both are (m−1)/2m · E φφ (xᵀE x), the rest of x by its means given x_1, x_2.
    """
    if m < 3:  # one number is all that is left of the covariances
        return 0.0, 0.0
    kinks = np.array([0.0, *phi.kinks]) / gamma
    x, w = first(m, kinks)
    y, v = second(x, m, kinks)
    f, g, X = phi.function(gamma * x), phi.function(gamma * y) * v, x[:, None]
    total, squares = X + y, m - X**2 - y**2  # of x_1 + x_2; of the other x²

    def both(weight: Array) -> float:
        """E φ_1 φ_2 · weight."""
        return float((f * (g * weight).sum(axis=1)) @ w)

    own, other = f**2 * (x**2 - (m - x**2) / (m - 1)), X**2 - squares / (m - 2)
    lengths = (m - 1) / (2 * m) * (float(own @ w) - 2 * both(other))
    if m == 3:
        return 0.0, lengths
    one, two = -total / (m - 2), (total**2 - squares) / ((m - 2) * (m - 3))  # E x_3, E x_3 x_4
    return (m - 1) / m * both(X * y + two - 2 * X * one), lengths
