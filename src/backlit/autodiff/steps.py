"""The steps that rules share, and the primitives that NumPy has no function for.

Everything here takes arrays or recorded variables: it is written in NumPy functions, which record themselves.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from functools import wraps
from typing import Any

import numpy as np
from numpy.lib.array_utils import normalize_axis_tuple

# ---------------------------------------------------------------------------------------------- shared steps


def unbroadcast(g: Any, shape: tuple[int, ...]) -> Any:
    """Sum g over the axes that broadcasting added to `shape` or stretched from 1.

    A number that was copied n times feeds n places: its gradient is the sum of theirs.
    """
    added = np.ndim(g) - len(shape)
    if added:
        g = np.sum(g, axis=tuple(range(added)))
    stretched = tuple(i for i, n in enumerate(shape) if n == 1 and np.shape(g)[i] != 1)
    return np.sum(g, axis=stretched, keepdims=True) if stretched else g


def times(g: Any, slope: Any) -> Any:
    """Multiply g by the slope, where 0 · ∞ and 0 · NaN are 0.

    The branch that `np.where` did not take has g = 0; an overflow there must not become NaN here.
    """
    product = g * slope
    if np.all(np.isfinite(product)):  # 0 · ∞ and 0 · NaN are NaN
        return product
    unused = np.equal(g, 0) & ~np.isfinite(slope)
    return np.where(unused, 0, product) if np.any(unused) else product


def spread(g: Any, x: Any, axis: Any) -> Any:
    """Copy what a reduction over `axis` left (its value, or its gradient) back to the shape of x."""
    axes = range(np.ndim(x)) if axis is None else normalize_axis_tuple(axis, np.ndim(x))
    kept = tuple(1 if i in axes else n for i, n in enumerate(np.shape(x)))
    return np.broadcast_to(np.reshape(g, kept), np.shape(x))


def count(x: Any, axis: Any) -> int:
    """How many numbers of x a reduction over `axis` folds into one."""
    axes = range(np.ndim(x)) if axis is None else normalize_axis_tuple(axis, np.ndim(x))
    return math.prod(np.shape(x)[i] for i in axes)


def is_recorded(x: Any) -> bool:
    """Whether x is a variable of the tape: it speaks NumPy's protocol but is no array."""
    return hasattr(x, "__array_function__") and not isinstance(x, np.ndarray)


def primitive(function: Callable[..., Any]) -> Callable[..., Any]:
    """Let variables record calls of `function`, as they do for NumPy's own; it needs a line in RULES."""

    @wraps(function)
    def dispatch(*args: Any, **options: Any) -> Any:
        for x in args:
            if is_recorded(x):
                return x.__array_function__(dispatch, (type(x),), args, options)
        return function(*args, **options)

    return dispatch


# ------------------------------------------------------------- primitives that NumPy has no function for


@primitive
def getitem(x: Any, key: Any) -> Any:
    """x[key]."""
    return x[key]


@primitive
def scatter(g: Any, key: Any, shape: tuple[int, ...]) -> Any:
    """Zeros of `shape` with g added at `key`; an index that occurs twice receives both."""
    zeros = np.zeros(shape, np.result_type(g))
    np.add.at(zeros, key, g)
    return zeros


@primitive
def join(*arrays: Any, axis: int = 0) -> Any:
    """np.concatenate with the arrays as arguments of their own."""
    return np.concatenate(arrays, axis)


@primitive
def contract(*arrays: Any, subscripts: str) -> Any:
    """np.einsum with an explicit right-hand side."""
    return np.einsum(subscripts, *arrays)


@primitive
def cast(x: Any, dtype: Any) -> Any:
    """x.astype(dtype)."""
    return np.asarray(x, dtype)


@primitive
def euclidean(x: Any, axis: Any = None, *, keepdims: bool = False) -> Any:
    """√Σx² over `axis`."""
    return np.sqrt(np.sum(x * x, axis, keepdims=keepdims))


@primitive
def rectify(x: Any, floor: Any) -> Any:
    """max(x, floor) where the floor is a constant."""
    return np.maximum(x, floor)


@primitive
def larger(x: Any, y: Any) -> Any:
    """max(x, y) of two variables, which share a tie."""
    return np.maximum(x, y)


@primitive
def smaller(x: Any, y: Any) -> Any:
    """min(x, y) of two variables, which share a tie."""
    return np.minimum(x, y)


@primitive
def running_sum(x: Any, axis: int) -> Any:
    """np.cumsum along an axis."""
    return np.cumsum(x, axis)


@primitive
def cap(x: Any, ceiling: Any) -> Any:
    """min(x, ceiling) where the ceiling is a constant."""
    return np.minimum(x, ceiling)


@primitive
def clamp(x: Any, low: Any, high: Any) -> Any:
    """np.clip between constants."""
    return np.clip(x, low, high)


def section(i: int, g: Any, v: Any, *arrays: Any, axis: int = 0) -> Any:
    """The part of a joined gradient that belongs to the i-th array."""
    start = sum(np.shape(x)[axis] for x in arrays[:i])
    whole = slice(None)
    return g[(*[whole] * (axis % np.ndim(g)), slice(start, start + np.shape(arrays[i])[axis]))]


def uncontract(i: int, g: Any, v: Any, *arrays: Any, subscripts: str) -> Any:
    """The sum Σ g · (the other arrays) over the indices that the i-th array does not have.

    An index that only it has was summed over: ones carry its copies.
    """
    inputs, output = subscripts.split("->")
    terms = inputs.split(",")
    rest = [k for k in range(len(arrays)) if k != i]
    alone = [axis for axis, n in enumerate(terms[i]) if n not in output + "".join(terms[k] for k in rest)]
    ones = np.ones([np.shape(arrays[i])[axis] for axis in alone])
    factors = ",".join([output, *(terms[k] for k in rest), "".join(terms[i][axis] for axis in alone)])
    bar = np.einsum(f"{factors}->{terms[i]}", g, *(arrays[k] for k in rest), ones)
    return unbroadcast(bar, np.shape(arrays[i]))


def matmul_vjp(which: int, g: Any, v: Any, x: Any, y: Any) -> Any:
    """Hand g back through v = x y: x̄ = g yᵀ (which = 0), ȳ = xᵀ g (which = 1).

    A vector on the left is a row, on the right a column; stacks of matrices broadcast.
    """
    row, column = np.ndim(x) == 1, np.ndim(y) == 1
    g = np.expand_dims(g, tuple(axis for axis, on in ((-2, row), (-1, column)) if on))
    x2 = np.reshape(x, (1, -1)) if row else x
    y2 = np.reshape(y, (-1, 1)) if column else y
    bar = (g @ np.swapaxes(y2, -1, -2), np.swapaxes(x2, -1, -2) @ g)[which]
    return np.reshape(unbroadcast(bar, np.shape((x2, y2)[which])), np.shape((x, y)[which]))


def others(x: Any, axis: Any) -> Any:
    """For each number of x, the product over `axis` of the other ones; exact where some are 0."""
    axes = tuple(range(np.ndim(x))) if axis is None else normalize_axis_tuple(axis, np.ndim(x))
    last = tuple(range(-len(axes), 0))
    moved = np.moveaxis(x, axes, last)
    flat = np.reshape(moved, (*moved.shape[: moved.ndim - len(axes)], count(x, axis)))
    one = np.ones_like(flat[..., :1])
    before = np.cumprod(np.concatenate([one, flat[..., :-1]], -1), -1)
    after = np.cumprod(np.concatenate([one, flat[..., :0:-1]], -1), -1)[..., ::-1]
    return np.moveaxis(np.reshape(before * after, moved.shape), last, axes)


def shares(chosen: Any, axis: Any) -> Any:
    """1 divided evenly among the `chosen` numbers along `axis`, 0 for the rest."""
    return chosen / np.sum(chosen, axis, keepdims=True)


def centered(x: Any, axis: Any) -> Any:
    """Subtract the mean over `axis` from x."""
    return x - np.mean(x, axis, keepdims=True)


def ratio(x: Any, y: Any) -> Any:
    """x / y, and 0 if both are 0."""
    neither = np.equal(x, 0) & np.equal(y, 0)
    return np.where(neither, 0, x / np.where(neither, 1, y))


def inverse(axes: Any) -> Any:
    """The permutation that undoes `axes`."""
    return axes if axes is None else tuple(int(i) for i in np.argsort([axis % len(axes) for axis in axes]))
