"""Clipping: bound the gradient before the optimizer sees it.  Source: Pascanu, Mikolov & Bengio 2013.

Both functions write to nothing, and return g itself where nothing is clipped.
"""

import numpy as np

from backlit.registry import number

Array = np.ndarray

bound = number(0, low_open=True)


def norm(g: Array) -> float:
    """‖g‖₂ of a whole vector.

    Squares are taken of g/max|g|, so they neither overflow nor vanish: in float32 1e30 has no square, nor has 1e-30.

    Parameters
    ----------
    g : array
        Numbers of any shape.

    Returns
    -------
    float
        The norm; NaN or infinity if an entry is.

    Examples
    --------
    >>> norm(np.array([3, 4], dtype=np.float32) * 2.0**100) / 2.0**100
    5.0
    """
    largest = float(np.abs(g).max(initial=0))
    if largest == 0 or not np.isfinite(largest):
        return largest
    return largest * float(np.linalg.norm(g / g.dtype.type(largest)))


def clip_by_norm(g: Array, max_norm: float | None) -> Array:
    """Shorten g to length c = max_norm if it is longer: g ← g · min(1, c/‖g‖).

    The direction stays.  PyTorch's `clip_grad_norm_` divides by ‖g‖ + 1e-6, and so shortens a little more.

    Parameters
    ----------
    g : (n_parameters,) array
        The gradient.  It is not written to; one that is not finite is returned as it is, for the caller to find.
    max_norm : float or None
        c, above 0; None clips nothing.

    Returns
    -------
    (n_parameters,) array
        The clipped gradient; g itself if nothing was clipped.

    Raises
    ------
    ProblemError
        If max_norm is not a finite number above 0.

    References
    ----------
    Pascanu, Mikolov & Bengio 2013.

    Examples
    --------
    >>> clip_by_norm(np.array([3.0, 4.0]), 1.0)
    array([0.6, 0.8])
    """
    if max_norm is None:
        return g
    c, length = bound(max_norm, "max_norm"), norm(g)
    if length <= c or not np.isfinite(g).all():
        return g
    scaled = g / np.abs(g).max()  # entries of at most 1, so that neither ‖scaled‖ nor c/‖scaled‖ leaves the dtype
    return scaled * (c / float(np.linalg.norm(scaled)))  # [OPT-CLIP1]


def clip_by_value(g: Array, limit: float | None) -> Array:
    """Bound each entry of g to ±c, c = limit: g ← min(max(g, −c), c), which may turn its direction.

    Parameters
    ----------
    g : (n_parameters,) array
        The gradient.  It is not written to.
    limit : float or None
        c, above 0; None clips nothing.

    Returns
    -------
    (n_parameters,) array
        The clipped gradient; g itself if nothing was clipped.

    Raises
    ------
    ProblemError
        If limit is not a finite number above 0.

    Notes
    -----
    An infinite entry becomes ±c and NaN stays NaN, as in PyTorch's `clip_grad_value_`: look for entries that are not
    finite before clipping.

    Examples
    --------
    >>> clip_by_value(np.array([3.0, -4.0, 0.5]), 1.0)
    array([ 1. , -1. ,  0.5])
    """
    if limit is None:
        return g
    c = min(bound(limit, "limit"), float(np.finfo(g.dtype).max))  # 1e39 is no number of float32
    if not (np.abs(g) > c).any():
        return g
    return np.clip(g, -c, c)  # [OPT-CLIP2]
