"""Clipping: bound the gradient before the optimizer sees it.  Source: Pascanu, Mikolov & Bengio 2013.

>>> clip_by_norm(np.array([3.0, 4.0]), 1.0)
array([0.6, 0.8])
>>> clip_by_value(np.array([3.0, -4.0]), 1.0)
array([ 1., -1.])
"""

import numpy as np

Array = np.ndarray


def norm(g: Array) -> float:
    """‖g‖ of the flat vector, scaled first so that squares neither overflow nor vanish in float32."""
    largest = float(np.abs(g).max(initial=0))
    if largest == 0 or not np.isfinite(largest):
        return largest
    return largest * float(np.linalg.norm(g / g.dtype.type(largest)))


def clip_by_norm(g: Array, max_norm: float | None) -> Array:
    """Shorten g to length max_norm where it is longer; its direction stays.  None clips nothing."""
    if max_norm is None:
        return g
    length = norm(g)
    return g * (max_norm / length) if length > max_norm else g  # [OPT-CLIP1]


def clip_by_value(g: Array, limit: float | None) -> Array:
    """Bound each entry of g to ±limit, which may turn its direction.  None clips nothing."""
    if limit is None or not (np.abs(g) > limit).any():
        return g
    return np.clip(g, -limit, limit)  # [OPT-CLIP2]
