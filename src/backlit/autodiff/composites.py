"""NumPy functions written with others that have rules, and functions without a slope, whose values are plain arrays."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
from numpy.lib.array_utils import normalize_axis_index, normalize_axis_tuple

from backlit.autodiff.rules import AutodiffError
from backlit.autodiff.steps import (
    cap,
    clamp,
    contract,
    euclidean,
    is_recorded,
    join,
    larger,
    rectify,
    running_sum,
    smaller,
)

# -------------------------------------------------------------------------------------- moving, joining, repeating


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


# ------------------------------------------------------------------------------------------- kinks and steps


def maximum(x: Any, y: Any) -> Any:
    """Tell a constant from a second variable, which shares a tie."""
    if is_recorded(x) and is_recorded(y):
        return larger(x, y)
    return rectify(x, y) if is_recorded(x) else rectify(y, x)


def minimum(x: Any, y: Any) -> Any:
    """As maximum."""
    if is_recorded(x) and is_recorded(y):
        return smaller(x, y)
    return cap(x, y) if is_recorded(x) else cap(y, x)


def clip(x: Any, a_min: Any = None, a_max: Any = None, *, min: Any = None, max: Any = None) -> Any:
    """Between constants a primitive; a bound that is a variable takes part in a maximum or minimum."""
    low, high = (a_min if min is None else min), (a_max if max is None else max)
    low, high = -np.inf if low is None else low, np.inf if high is None else high
    if is_recorded(low) or is_recorded(high):
        return np.minimum(np.maximum(x, low), high)
    return clamp(x, low, high)


def heaviside(x: Any, at_zero: Any) -> Any:
    """0, `at_zero` or 1 by the sign of x."""
    return np.where(np.equal(x, 0), at_zero, np.where(np.greater(x, 0), 1.0, 0.0))


# -------------------------------------------------------------------------------------------- linear algebra


def dot(x: Any, y: Any) -> Any:
    """Multiply by a number, or as x @ y where the two mean the same."""
    if 0 in (np.ndim(x), np.ndim(y)):
        return x * y
    if np.ndim(y) > 2 or (np.ndim(x) > 2 and np.ndim(y) == 2):
        raise AutodiffError(f"np.dot of {np.ndim(x)} and {np.ndim(y)} axes is not recorded: use @ or np.einsum")
    return x @ y


def inner(x: Any, y: Any) -> Any:
    """Σ x y over the last axis of both."""
    return np.dot(x, np.transpose(y)) if np.ndim(y) <= 2 else np.dot(x, y)


def outer(x: Any, y: Any) -> Any:
    """x yᵀ of two vectors."""
    return np.reshape(x, (-1, 1)) * np.reshape(y, (1, -1))


def vecdot(x: Any, y: Any) -> Any:
    """Σ x y over the last axis, the others broadcast."""
    return np.sum(x * y, axis=-1)


def norm(x: Any, ord: Any = None, axis: Any = None, keepdims: bool = False) -> Any:
    """The norms that are sums or maxima; those of a matrix's singular values are refused."""
    axes = tuple(range(np.ndim(x))) if axis is None else normalize_axis_tuple(axis, np.ndim(x))
    if (
        (ord is None and (axis is None or len(axes) <= 2))
        or (ord == 2 and len(axes) == 1)
        or (ord == "fro" and len(axes) == 2)
    ):
        return euclidean(x, axes, keepdims=keepdims)
    if ord == 1 and len(axes) == 1:
        return np.sum(np.abs(x), axis=axes, keepdims=keepdims)
    if ord == np.inf and len(axes) == 1:
        return np.max(np.abs(x), axis=axes, keepdims=keepdims)
    raise AutodiffError(
        f"np.linalg.norm with ord={ord!r} over {len(axes)} axes is not recorded: use ord=None, 1, 2 or inf"
    )


def einsum(subscripts: Any, *arrays: Any, optimize: Any = False) -> Any:
    """Spell the right-hand side out; refuse what it cannot be spelled for."""
    if not isinstance(subscripts, str) or "..." in subscripts:
        raise AutodiffError("np.einsum is recorded with letters for every axis only: write 'ij,jk->ik'")
    inputs, arrow, output = subscripts.replace(" ", "").partition("->")
    for term in inputs.split(","):
        if len(set(term)) < len(term):
            raise AutodiffError(
                f"np.einsum with an index twice in {term!r} is not recorded: take the diagonal by indexing"
            )
    if not arrow:
        letters = inputs.replace(",", "")
        output = "".join(sorted(n for n in set(letters) if letters.count(n) == 1))
    return contract(*arrays, subscripts=f"{inputs}->{output}")


# ------------------------------------------------------------------------------------------------- reductions


def average(x: Any, axis: int | None = None, weights: Any = None, *, keepdims: bool = False) -> Any:
    """Σ w x / Σ w."""
    if weights is None:
        return np.mean(x, axis, keepdims=keepdims)
    if axis is not None and np.shape(weights) != np.shape(x):
        weights = np.expand_dims(weights, tuple(i for i in range(np.ndim(x)) if i != axis % np.ndim(x)))
    weights = weights * np.ones(np.shape(x))
    return np.sum(x * weights, axis, keepdims=keepdims) / np.sum(weights, axis, keepdims=keepdims)


def cumsum(x: Any, axis: int | None = None) -> Any:
    """Sums so far, of the flat array where no axis is given."""
    return running_sum(np.ravel(x), 0) if axis is None else running_sum(x, axis)


def diff(x: Any, n: int = 1, axis: int = -1) -> Any:
    """x[1:] − x[:-1] along the axis, n times."""
    for _ in range(n):
        x = np.take(x, range(1, np.shape(x)[axis]), axis) - np.take(x, range(np.shape(x)[axis] - 1), axis)
    return x


COMPOSITES: dict[Any, Callable[..., Any]] = {
    np.maximum: maximum,
    np.minimum: minimum,
    np.clip: clip,
    np.heaviside: heaviside,
    np.float_power: lambda x, y: np.power(x, y),
    np.dot: dot,
    np.inner: inner,
    np.outer: outer,
    np.vecdot: vecdot,
    np.linalg.norm: norm,
    np.einsum: einsum,
    np.amax: lambda x, axis=None, *, keepdims=False: np.max(x, axis, keepdims=keepdims),
    np.amin: lambda x, axis=None, *, keepdims=False: np.min(x, axis, keepdims=keepdims),
    np.average: average,
    np.cumsum: cumsum,
    np.diff: diff,
    np.concatenate: concatenate,
    np.stack: stack,
    np.hstack: hstack,
    np.vstack: vstack,
    np.column_stack: column_stack,
    np.copy: lambda x: x,
    np.real: lambda x: x,
    np.ravel: lambda x: np.reshape(x, -1),
    np.squeeze: squeeze,
    np.expand_dims: expand_dims,
    np.swapaxes: swapaxes,
    np.matrix_transpose: lambda x: np.swapaxes(x, -1, -2),
    np.moveaxis: moveaxis,
    np.atleast_1d: at_least(1),
    np.atleast_2d: at_least(2),
    np.take: take,
    np.take_along_axis: take_along_axis,
    np.flip: flip,
    np.roll: roll,
    np.repeat: repeat,
}

REDUCTIONS: dict[Any, Any] = {
    (np.add, "reduce"): np.sum,
    (np.add, "accumulate"): np.cumsum,
    (np.multiply, "reduce"): np.prod,
    (np.maximum, "reduce"): np.max,
    (np.minimum, "reduce"): np.min,
}

PLAIN: frozenset[Any] = frozenset(
    (
        *(np.equal, np.not_equal, np.less, np.less_equal, np.greater, np.greater_equal),
        *(np.isfinite, np.isnan, np.isinf, np.signbit, np.floor_divide, np.round),
        *(np.logical_and, np.logical_or, np.logical_not, np.logical_xor, np.any, np.all, np.count_nonzero),
        *(np.isclose, np.allclose, np.array_equal, np.nonzero, np.flatnonzero, np.argwhere),
        *(np.argmax, np.argmin, np.argsort, np.searchsorted),
        *(np.shape, np.ndim, np.size, np.result_type, np.iscomplexobj, np.isrealobj),
        *(np.zeros_like, np.ones_like, np.empty_like, np.full_like, np.array2string, np.array_repr, np.array_str),
    )
)
