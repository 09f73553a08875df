"""What losses are made of."""

from typing import Any

import numpy as np

from backlit.core.exact import literal

Array = np.ndarray


def total(terms: Array) -> Array:
    """Sum an example's outputs: (m, n) ↦ (m,)."""
    return terms.sum(axis=1)


def tiny(a: Array) -> Any:
    """The least normal number of a's dtype, of float64 for exact numbers."""
    return literal(np.finfo(float if a.dtype == object else a.dtype).tiny, a.dtype)


def clipped(a: Array) -> Array:
    """max(a, tiny), so that log a and 1/a are finite."""
    return np.where(a.real < tiny(a), tiny(a), a)


def log_slope(a: Array) -> Array:
    """d log(clipped(a))/da: 1/a, and 0 where a is clipped."""
    return np.where(a < tiny(a), 0, 1 / clipped(a))
