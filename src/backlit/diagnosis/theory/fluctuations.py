"""What the fluctuations of a network of finite width are made of; `finite_width` says what they are."""

from dataclasses import dataclass

import numpy as np

from backlit.core.network import Dense
from backlit.diagnosis.theory import hermite as H

Array = np.ndarray
NOTHING = np.zeros(H.TERMS)


@dataclass(frozen=True)
class Setting:
    """What single draws are measured on.

    m : examples.  inputs : rows that are given; None for fresh standard normal ones in every draw.  scheme : how W is
    drawn, which is Gaussian, uniform or orthogonal.
    """

    m: int
    inputs: Array | None = None
    scheme: str = "gaussian"

    @property
    def orthogonal(self) -> bool:
        """Whether W keeps the lengths of vectors."""
        return self.scheme in ("orthogonal", "lsuv")

    @property
    def kurtosis(self) -> float:
        """The excess kurtosis of one weight."""
        return -1.2 if self.scheme.endswith("uniform") else 0.0


@dataclass
class Signal:
    """What the way up leaves.

    one, many : variance of κ, of one example and of the mean over all.  drift : E κ.  c, wander : mean and variance of
    the cosine of two examples.  kurtosis : E a⁴/(E a²)².
    """

    one: float
    many: float
    drift: float
    c: float
    wander: float
    kurtosis: float = 3.0


@dataclass
class Layer:
    """One layer, as the sums over layers need it; variances are relative.

    lean : ∂ of ln E φ'² (and of the norm's 1/v)/∂κ.  handed : ∂ ln E a²/∂κ.  many, one : Var κ, of the mean over
    examples and of one.  up, down, both : variances of the sampled φ² and φ'²g²/g², and their covariance, of the mean
    over examples; through : that of g²; length : that of a norm's 1/v; rough : of batch norm's, from unit to unit.
    single_up, single, single_both : variances of φ² and φ'² of one example.  mean : what finite width adds to E of the
    layer's own factor.  passed : W's share of ∂ℓ/∂a_l, 1 but for skips.  own, pair : Var φ'² and Cov of two examples',
    nothing held.  cosine : E φ'φ'/E φ'².  share : W's of q.  along, meets : E z²φ'²/(q E φ'²) − 1 and
    E φ²φ'²/(E φ² E φ'²).  along_u : (E uφφ')²/(E φ² E φ'² E u²), of a the share that layer norm takes out with u.
    """

    lean: float
    handed: float
    many: float
    one: float
    up: float = 0.0
    down: float = 0.0
    both: float = 0.0
    single: float = 0.0
    single_up: float = 0.0
    single_both: float = 0.0
    mean: float = 0.0
    through: float = 0.0
    rough: float = 0.0
    length: float = 0.0
    passed: float = 1.0
    own: float = 0.0
    pair: float = 0.0
    cosine: float = 1.0
    share: float = 1.0
    along: float = 0.0
    meets: float = 1.0
    along_u: float = 0.0


def held_terms(layer: Dense, free: float) -> Array:
    """The share of each Hermite term that W or the norm holds; `free` : of the length, what W leaves."""
    held = NOTHING.copy()
    held[2] = 1 - free
    if layer.norm:
        held[1:3] = 1
    return held


def free_share(setting: Setting, n_from: int, n_to: int) -> float:
    """Of the sampling of a length over n_to units, what W leaves: 1, or for orthonormal rows 1 − n_to/n_from."""
    return max(1 - n_to / n_from, 0.0) if setting.orthogonal else 1.0


def spread_of(own: float, shared: float, m: float, n: int) -> float:
    """The variance of a mean over n units and m examples."""
    return (own / m + (1 - 1 / m) * shared) / n
