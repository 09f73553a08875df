"""NumPy functions that move, join or repeat numbers, written with reshape, transpose, indexing and join."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
from numpy.lib.array_utils import normalize_axis_index, normalize_axis_tuple

from backlit.autodiff.rules import AutodiffError
from backlit.autodiff.steps import join


def concatenate(arrays: Sequence[Any], axis: int | None = 0) -> Any:
    """Join along an axis that is there."""
    return join(*map(np.ravel, arrays), axis=0) if axis is None else join(*arrays, axis=axis)


def stack(arrays: Sequence[Any], axis: int = 0) -> Any:
    """Join along a new axis."""
    return join(*(np.expand_dims(x, axis) for x in arrays), axis=axis)


def hstack(arrays: Sequence[Any]) -> Any:
    """Side by side."""
    arrays = [np.atleast_1d(x) for x in arrays]
    return join(*arrays, axis=0 if np.ndim(arrays[0]) == 1 else 1)


def vstack(arrays: Sequence[Any]) -> Any:
    """On top of each other."""
    return join(*map(np.atleast_2d, arrays), axis=0)


def column_stack(arrays: Sequence[Any]) -> Any:
    """Vectors as columns, side by side."""
    return join(*(x if np.ndim(x) > 1 else np.reshape(x, (-1, 1)) for x in arrays), axis=1)


def squeeze(x: Any, axis: Any = None) -> Any:
    """Drop axes of length 1."""
    drop = (
        normalize_axis_tuple(axis, np.ndim(x)) if axis is not None else [i for i, n in enumerate(np.shape(x)) if n == 1]
    )
    if any(np.shape(x)[i] != 1 for i in drop):
        raise AutodiffError(f"np.squeeze takes out axes of length 1, but axis {axis} of {np.shape(x)} is longer")
    return np.reshape(x, tuple(n for i, n in enumerate(np.shape(x)) if i not in drop))


def expand_dims(x: Any, axis: Any) -> Any:
    """Put in axes of length 1."""
    axes = axis if isinstance(axis, tuple | list) else (axis,)
    new = normalize_axis_tuple(axes, np.ndim(x) + len(axes))
    rest = iter(np.shape(x))
    return np.reshape(x, tuple(1 if i in new else next(rest) for i in range(np.ndim(x) + len(axes))))


def swapaxes(x: Any, axis1: int, axis2: int) -> Any:
    """Exchange two axes."""
    order = list(range(np.ndim(x)))
    order[axis1], order[axis2] = order[axis2], order[axis1]
    return np.transpose(x, tuple(order))


def moveaxis(x: Any, source: Any, destination: Any) -> Any:
    """Bring axes to other places, the rest in order."""
    sources = normalize_axis_tuple(source, np.ndim(x))
    order = [i for i in range(np.ndim(x)) if i not in sources]
    for to, axis in sorted(zip(normalize_axis_tuple(destination, np.ndim(x)), sources, strict=True)):
        order.insert(to, axis)
    return np.transpose(x, tuple(order))


def at_least(ndim: int) -> Callable[..., Any]:
    """np.atleast_1d and _2d."""

    def atleast(*arrays: Any) -> Any:
        lifted = [np.reshape(x, (1,) * (ndim - np.ndim(x)) + np.shape(x)) for x in arrays]
        return lifted[0] if len(lifted) == 1 else tuple(lifted)

    return atleast


def take(x: Any, indices: Any, axis: int | None = None) -> Any:
    """x[indices] along an axis."""
    if axis is None:
        return np.ravel(x)[np.asarray(indices)]
    whole = (slice(None),) * normalize_axis_index(axis, np.ndim(x))
    return x[(*whole, np.asarray(indices))]


def take_along_axis(x: Any, indices: Any, axis: int) -> Any:
    """x at one index along `axis` for each place of the other axes."""
    axis = normalize_axis_index(axis, np.ndim(x))
    sizes = [1 if i == axis else n for i, n in enumerate(np.shape(x))]
    grid = np.ogrid[tuple(slice(n) for n in sizes)]
    return x[tuple(indices if i == axis else places for i, places in enumerate(grid))]


def flip(x: Any, axis: Any = None) -> Any:
    """Backwards along some axes."""
    axes = range(np.ndim(x)) if axis is None else normalize_axis_tuple(axis, np.ndim(x))
    return x[tuple(slice(None, None, -1) if i in axes else slice(None) for i in range(np.ndim(x)))]


def roll(x: Any, shift: int, axis: int | None = None) -> Any:
    """Shift along an axis; what leaves comes in at the other end."""
    if axis is None:
        return np.reshape(np.roll(np.ravel(x), shift, 0), np.shape(x))
    return np.take(x, np.roll(np.arange(np.shape(x)[axis]), shift), axis)


def repeat(x: Any, repeats: Any, axis: int | None = None) -> Any:
    """Each number, or slice, several times in a row."""
    x, axis = (np.ravel(x), 0) if axis is None else (x, axis)
    return np.take(x, np.repeat(np.arange(np.shape(x)[axis]), repeats), axis)
