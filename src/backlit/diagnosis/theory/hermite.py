"""Functions of a normal u = √q y in Hermite polynomials of y: what averages over units and examples spread by.

f = E f · Σ_k h_k He_k(y)/√k!, h_0 = 1, so that for two examples of correlation c Cov(f(u₁), f(u₂)) = (E f)² Σ_{k≥1}
h_k² c^k, ∂ ln E f/∂ ln q = h_2/√2 and q² E f''''/4 = √24 h_4/4 · E f.  A term drops out where something is held: h_2 of
a length that an orthogonal W keeps, h_1 and h_2 under a norm.

>>> from backlit.core.activations import get_activation
>>> square = series(get_activation("relu"), 3.0, "square")
>>> round(square.second, 9), round(float(square.h[2]) / 2**0.5, 9)  # E φ⁴/(E φ²)², and length in proportion to q
(6.0, 1.0)
"""

import math
from collections.abc import Callable
from dataclasses import dataclass
from functools import lru_cache

import numpy as np

from backlit.core.activations import Activation
from backlit.diagnosis.theory.expectations import edges, mean, panels, quiet

Array = np.ndarray
TERMS = 64
FUNCTIONS: dict[str, Callable[[Activation, Array, float], Array]] = {
    "value": lambda phi, u, q: phi.function(u),
    "cube": lambda phi, u, q: phi.function(u) ** 3,
    "square": lambda phi, u, q: phi.function(u) ** 2,
    "centered": lambda phi, u, q: (phi.function(u) - mean(phi, q)) ** 2,
    "derivative": lambda phi, u, q: phi.derivative(u),
    "slope": lambda phi, u, q: phi.derivative(u) ** 2,
}


@dataclass(frozen=True, eq=False)
class Series:
    """h : (TERMS,) in units of `scale`, E f for what is a square and else √(E f²).  second : E f²/scale²."""

    h: Array
    second: float
    scale: float

    @property
    def slope(self) -> float:
        """∂ ln E f/∂ ln q."""
        return float(self.h[2]) / math.sqrt(2)

    @property
    def bend(self) -> float:
        """q² ∂²E f/∂q² over E f."""
        return float(self.h[4]) * math.sqrt(24) / 4

    def spread(self, held: Array) -> float:
        """Var f/(E f)² less the held shares of its terms."""
        return max(self.second - 1 - float((held * self.h**2)[1:].sum()), 0.0)

    def shared(self, c: float, wander: float, held: Array) -> float:
        """Cov(f(u₁), f(u₂))/(E f)² at correlations of mean c and variance `wander`."""
        h2 = self.h**2 * (1 - held)
        return averaged(lambda r: power_sum(h2, r) - h2[0] + r**TERMS * self.rest, c, wander)

    @property
    def rest(self) -> float:
        """What the terms above TERMS hold."""
        return max(self.second - float((self.h**2).sum()), 0.0)


def averaged(f: Callable[[float], float], c: float, wander: float) -> float:
    """E f(r) for r of mean c and variance `wander`, right to second order; |r| stays at most 1."""
    step = min(math.sqrt(max(wander, 0.0)), 1 - min(abs(c), 1.0))
    return (f(c + step) + f(c - step)) / 2


def power_sum(weights: Array, c: float) -> float:
    """Σ_k weights_k c^k."""
    return float(np.polynomial.polynomial.polyval(c, weights))


@lru_cache(maxsize=4)
@quiet
def basis(phi: Activation, q: float) -> tuple[Array, Array, Array]:
    """Nodes u, weights, and He_k(y)/√k!, (TERMS, nodes)."""
    y, w = panels(edges(phi, q), 16)
    rows = [np.ones_like(y), y]
    for k in range(1, TERMS - 1):
        rows.append((y * rows[k] - math.sqrt(k) * rows[k - 1]) / math.sqrt(k + 1))
    return np.sqrt(q) * y, w, np.array(rows)


@lru_cache(maxsize=4096)
@quiet
def series(phi: Activation, q: float, name: str) -> Series:
    """Expand one of FUNCTIONS of φ at variance q.  A function that is 0, or has no moments, has no spread."""
    flat = Series(np.eye(1, TERMS)[0], 1.0, 0.0)
    if not 0 < q < 1e150:
        return flat
    u, w, polynomials = basis(phi, q)
    f = FUNCTIONS[name](phi, u, q)
    size = float(w @ f) if name in ("square", "centered", "slope") else math.sqrt(float(w @ f**2))
    if not (size > 1e-150 and math.isfinite(size)):
        return flat
    second = float(w @ (f / size) ** 2)
    return Series(polynomials @ (w * f / size), second, size) if math.isfinite(second) else flat


@lru_cache(maxsize=4096)
@quiet
def product(phi: Activation, q: float, first: str, second: str) -> float:
    """E f g/(E f E g) of one unit."""
    if not 0 < q < 1e150:
        return 1.0
    u, w, _ = basis(phi, q)
    f, g = FUNCTIONS[first](phi, u, q), FUNCTIONS[second](phi, u, q)
    sizes = float(w @ f) * float(w @ g)
    value = float(w @ (f * g)) / sizes if sizes else 1.0
    return value if math.isfinite(value) else 1.0
