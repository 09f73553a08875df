"""Dropout masks as a pure function of (seed, step, layer, row, unit): every engine and thread draws the same ones.

Source: counter-based generator Philox4x64-10, Salmon et al. 2011; inverted dropout, Srivastava et al. 2014.
"""

from dataclasses import dataclass
from typing import Any

import numpy as np

from backlit.core.targets import literal
from backlit.errors import ProblemError
from backlit.registry import whole_number


@dataclass(frozen=True)
class DropoutKey:
    """Names one draw of all masks: the run's `seed`, the optimizer's `step`, and the `shard` of a step in shards.

    Raises ProblemError for one outside [0, 2⁶⁴).
    """

    seed: int
    step: int = 0
    shard: int = 0

    def __post_init__(self):
        for name, value in (("seed", self.seed), ("step", self.step), ("shard", self.shard)):
            if not 0 <= whole_number(value, name) < 2**64:
                raise ProblemError(f"{name} must lie in [0, 2^64), not {value}")


def dropout_mask(key: DropoutKey, l: int, shape: tuple[int, int], p: float, dtype: Any = np.float64) -> np.ndarray:
    """Draw layer l's mask, (m, n_l): 0 with probability p, else 1/(1 − p), so that its mean is 1.

    Row i and unit j use the e-th 32-bit word, e = i·n_l + j, of the Philox stream with key (seed, step) and the
    counters (1, l, shard, 0), (2, l, shard, 0), … (NumPy counts up before it draws), eight words a block, low half of
    each 64-bit output first; the unit is kept where its word ≥ p·2³².  So p is held to 2⁻³².

    >>> mask = dropout_mask(DropoutKey(seed=1), 2, (1000, 8), 0.25)
    >>> np.unique(mask).round(3), bool(abs(mask.mean() - 1) < 0.02)
    (array([0.   , 1.333]), True)
    """
    m, n = shape
    counter = np.array([0, l, key.shard, 0], np.uint64)
    philox = np.random.Philox(key=np.array([key.seed, key.step], np.uint64), counter=counter)
    words = philox.random_raw((m * n + 1) // 2).astype("<u8").view("<u4")[: m * n].reshape(m, n)
    return np.where(words >= round(p * 2**32), dtype_of(dtype)(1 / (1 - literal(p, dtype))), dtype_of(dtype)(0))


def dtype_of(dtype: Any) -> Any:
    """The scalar type of a dtype."""
    return np.dtype(dtype).type
