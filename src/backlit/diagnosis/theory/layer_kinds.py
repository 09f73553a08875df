"""One unit of a layer: what its norm, φ and dropout make of a z of known variance, up and down, on the average.

Without norm, under layer norm and under batch norm of batches without end u is normal; under batch norm of m examples
it is what `batch_norm` says.  z has variance q, and covariance o between two examples.

>>> from backlit.core import Dense
>>> unit = unit_of(Dense(8, "relu", dropout=0.5), q=3.0, o=0.0)
>>> round(unit.square, 9), round(unit.slope2, 9), unit.down(1.0, 0.0)[0] == unit.slope2
(3.0, 1.0, True)
"""

import math
from abc import ABC, abstractmethod
from dataclasses import dataclass

from backlit.core.activations import Activation, get_activation
from backlit.core.network import Dense
from backlit.diagnosis.theory import expectations as E
from backlit.diagnosis.theory.batch_norm import Averages, Batch

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
