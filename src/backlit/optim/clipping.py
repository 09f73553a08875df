"""Clipping: bound the gradient before the optimizer sees it.  Source: Pascanu, Mikolov & Bengio 2013.

>>> clip_by_norm(np.array([3.0, 4.0]), 1.0)
array([0.6, 0.8])
>>> clip_by_value(np.array([3.0, -4.0]), 1.0)
array([ 1., -1.])
"""

import numpy as np

Array = np.ndarray


def norm(g: Array) -> float:
    """‖g‖ over all entries, scaled first so that squares neither overflow nor vanish in float32."""
    largest, unit = scaled(g)
    return largest * float(np.linalg.norm(unit))


def clip_by_norm(g: Array, max_norm: float | None) -> Array:
    """Shorten g to length max_norm where it is longer; its direction stays.  None clips nothing.

    A g that is not finite has no direction to keep, and is given back as it is.
    """
    if max_norm is None:
        return g
    largest, unit = scaled(g)
    length = float(np.linalg.norm(unit))  # in units of the largest entry
    if np.isfinite(largest) and largest * length > max_norm:
        return unit * (max_norm / length)  # [OPT-CLIP1]
    return g


def clip_by_value(g: Array, limit: float | None) -> Array:
    """Bound each entry of g to ±limit, which may turn its direction.  None clips nothing."""
    if limit is None or not (np.abs(g) > limit).any():
        return g
    return np.clip(g, -limit, limit)  # [OPT-CLIP2]


def scaled(g: Array) -> tuple[float, Array]:
    """(the largest |entry|, g divided by it); g as it is where that is 0 or not finite."""
    largest = float(np.abs(g).max(initial=0))
    return largest, g / g.dtype.type(largest) if 0 < largest < np.inf else g
