"""Where depth leads a batch of m examples under batch norm, with skips or without, and how fast it gets there.

Without skip a batch settles at once: s² = σ_w² (E φ²/keep − E φφ), by the moments of `batch_norm`.  What the examples'
E φφᵀ still differ by changes by a factor a layer, σ_w²/s² `gram_slopes` (+ skip²): for linear layers (m−1)/(m+1).  A
factor of lengths above 1 lets one example run away from the others (GELU, SiLU, softplus, m above about 30).
Source: Yang et al. 2019, the eigenvalues of their subspaces M and L, here by conditional means on the sphere.

>>> from backlit.core.activations import get_activation
>>> [round(slope * 7 / 8, 10) for slope in gram_slopes(get_activation("identity"), 8)]  # s² = σ_w² 8/7
[0.7777777778, 0.7777777778]
"""

import math
from dataclasses import dataclass
from functools import lru_cache

import numpy as np

from backlit.core.activations import Activation
from backlit.diagnosis.theory.batch_norm import Averages, Batch
from backlit.diagnosis.theory.expectations import quiet
from backlit.diagnosis.theory.sphere import first, second

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

    def both(weight: np.ndarray) -> float:
        """E φ_1 φ_2 · weight."""
        return float((f * (g * weight).sum(axis=1)) @ w)

    own, other = f**2 * (x**2 - (m - x**2) / (m - 1)), X**2 - squares / (m - 2)
    lengths = (m - 1) / (2 * m) * (float(own @ w) - 2 * both(other))
    if m == 3:
        return 0.0, lengths
    one, two = -total / (m - 2), (total**2 - squares) / ((m - 2) * (m - 3))  # E x_3, E x_3 x_4
    return (m - 1) / m * both(X * y + two - 2 * X * one), lengths
