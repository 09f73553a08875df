"""Targets, inputs and weights as the passes take them: one row an example, checked, in the network's dtype."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from backlit.core.exact import Exact, exact_array
from backlit.errors import DomainError, ShapeError

if TYPE_CHECKING:
    from backlit.core.network import Network  # which knows all that stands here

Array = np.ndarray


def as_array(value: Any, rule: str, dtype: Any = None) -> Array:
    """`value` as an array of `dtype`, else a ShapeError that begins with the rule."""
    try:
        return np.asarray(value, dtype=dtype)
    except (TypeError, ValueError):
        raise ShapeError(f"{rule}: its rows differ in length or hold no numbers") from None


def as_inputs(net: Network, X: Any, dtype: Any) -> Array:
    """X as (m, n_0); one example may be given as a flat vector.  Raises ShapeError."""
    X = as_array(X, f"x must be rows of {net.inputs} numbers", dtype)
    X = X[None, :] if X.ndim == 1 and len(X) == net.inputs else X
    if X.ndim != 2 or X.shape[1] != net.inputs:
        raise ShapeError(f"x must be rows of {net.inputs} numbers (m, {net.inputs}), not an array of shape {X.shape}")
    if not len(X):
        raise ShapeError("x has no rows: give at least one example")
    return X


def as_targets(net: Network, y: Any, m: int, dtype: Any = np.float64) -> Array:
    """y as (m, n_L): rows as they are, one number an example as a column, class indices as one-hot rows.

    Class indices (m,) are for cross_entropy with n_L > 1.  Raises ShapeError for what does not fit m examples of n_L
    outputs, DomainError for a target that the loss is not defined at.

    >>> from backlit.core.network import Dense, Network
    >>> net = Network(2, [Dense(3, "softmax")], loss="cross_entropy")
    >>> as_targets(net, [2, 0], 2)
    array([[0., 0., 1.], [1., 0., 0.]])
    """
    y = as_array(y, f"y must be rows of {net.outputs} numbers")
    if y.dtype.kind not in "biuf":
        raise DomainError(f"y must hold numbers, not {y.dtype}")
    K = net.outputs
    if y.shape == (K,) and m == 1 and K > 1:
        y = y[None, :]
    flat = y.ndim == 1 or (y.ndim == 2 and y.shape[1] == 1)
    if flat and K > 1 and net.loss.classes and len(y) == m:
        return one_hot(y.ravel(), K, dtype)
    y = y[:, None] if y.ndim == 1 and K == 1 else y
    if y.shape != (m, K):
        hint = " or class indices (m,)" if net.loss.classes else ""
        raise ShapeError(f"y must have shape ({m}, {K}) for {m} examples and {K} outputs{hint}, not {y.shape}")
    check_domain(net, y)
    return y.astype(dtype, copy=False)


def one_hot(labels: Array, K: int, dtype: Any) -> Array:
    """Class indices (m,) as rows (m, K) with a single 1."""
    inside = (labels >= 0) & (labels < K)  # false for NaN
    whole = np.where(inside, labels, 0).astype(np.int64)
    wrong = ~inside | (whole != labels)
    if wrong.any():
        i = int(np.argmax(wrong))
        raise DomainError(f"y[{i}] is {labels[i]}, but class indices go from 0 to {K - 1} for {K} outputs")
    return np.eye(K, dtype=dtype)[whole]


def check_domain(net: Network, y: Array) -> None:
    """Raise DomainError if a target is not finite, or outside what the loss is defined at."""
    low, high = net.loss.targets
    wrong = ~np.isfinite(y) | (y < low) | (y > high)
    if wrong.any():
        i, k = (int(j) for j in np.argwhere(wrong)[0])
        raise DomainError(f"y[{i}][{k}] is {y[i, k]}, but {net.loss.name} takes finite targets in [{low:g}, {high:g}]")
    if net.loss.classes and net.has_short_form:
        groups = net.layers[-1].activation.groups
        for part in [y] if groups is None else groups.split(y):
            check_probabilities(part, "" if groups is None else " in each group")


def check_probabilities(y: Array, where: str) -> None:
    """Raise DomainError if a row does not sum to 1."""
    sums = y.sum(axis=1, dtype=np.float64)
    i = int(np.argmax(np.abs(sums - 1)))
    if abs(sums[i] - 1) > 1e-5:
        raise DomainError(
            f"row {i} of y sums to {sums[i]:g}: cross_entropy after softmax takes probabilities that sum to 1{where}"
        )


def check_outputs(net: Network, a: Array) -> None:
    """Raise DomainError if an output lies outside what the loss is defined at (the log of a negative number)."""
    low, high = net.loss.outputs
    wrong = (a.real < low) | (a.real > high)
    if wrong.any():
        i, k = (int(j) for j in np.argwhere(wrong)[0])
        phi = net.layers[-1].activation
        raise DomainError(
            f"{net.loss.name} takes outputs in [{low:g}, {high:g}], but a[{net.L}][{i}][{k}] is {a[i, k].real:.6g} "
            f"with activation {phi.name}: use an output activation whose range fits"
        )


def shares(net: Network, m: int, sample_weight: Any, dtype: Any) -> Array:
    """The share of each example in C = Σ_i share_i ℓ_i, (m,): w_i / Σ w for a mean, w_i for a sum.

    Raises ShapeError for another number of weights than examples, DomainError for a negative or non-finite weight, or
    weights that sum to 0 in a mean.
    """
    if sample_weight is None:
        return np.full(m, 1 / literal(m, dtype) if net.reduction == "mean" else 1, dtype)
    w = as_array(sample_weight, f"sample_weight must be {m} numbers", np.float64)
    if w.shape != (m,):
        raise ShapeError(f"sample_weight must have shape ({m},) for {m} examples, not {w.shape}")
    wrong = ~np.isfinite(w) | (w < 0)
    if wrong.any():
        i = int(np.argmax(wrong))
        raise DomainError(f"sample_weight[{i}] is {w[i]:g}: weights must be finite and not negative")
    if net.reduction == "mean" and not w.sum():
        raise DomainError("sample_weight sums to 0, so its mean is undefined: give one example a weight above 0")
    w = literal(w, dtype)
    return (w / w.sum() if net.reduction == "mean" else w).astype(dtype)


def literal(value: Any, dtype: Any) -> Any:
    """A number of a formula, or an array of them, in the arithmetic of a dtype: exact for object, else as it is."""
    if np.dtype(dtype) != object:
        return value
    return Exact(value) if np.ndim(value) == 0 else exact_array(value)
