"""Batch and layer normalization: the same formulas, over the examples (axis 0) or over the units (axis 1).

Source: Ioffe & Szegedy 2015; Ba, Kiros & Hinton 2016.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from backlit.core.network import Dense, Network  # which knows all that stands here


Array = np.ndarray
AXIS = {"batch": 0, "layer": 1}
MOMENTUM = 0.1


@dataclass(frozen=True)
class Normalized:
    """What the backward pass needs of one normalization: x̂ (m, n) and 1/√(σ² + ε), with the moments that made them.

    `axis` is None if the moments were given (running statistics), for then they do not depend on z.
    """

    x_hat: Array
    inverse_std: Array
    mean: Array
    variance: Array
    axis: int | None


class Statistics:
    """Running mean[l] and variance[l] (n_l,) of each batch-norm layer's z, for prediction; None elsewhere."""

    def __init__(self, net: Network, dtype: Any = np.float64):
        self.mean: list[Any] = [None] * (net.L + 1)
        self.variance: list[Any] = [None] * (net.L + 1)
        for l, layer in net.numbered():
            if layer.norm == "batch":
                self.mean[l], self.variance[l] = np.zeros(layer.units, dtype), np.ones(layer.units, dtype)

    def copy(self) -> Statistics:
        """The same numbers in arrays of their own."""
        copied = Statistics.__new__(Statistics)
        copied.mean = [None if mean is None else mean.copy() for mean in self.mean]
        copied.variance = [None if variance is None else variance.copy() for variance in self.variance]
        return copied

    def of(self, l: int) -> tuple[Array, Array] | None:
        """Layer l's mean and variance, None if it has no batch norm."""
        return None if self.mean[l] is None else (self.mean[l], self.variance[l])

    def update(self, l: int, norm: Normalized) -> None:
        """Move layer l's running moments a tenth of the way to a batch's (variance unbiased, m/(m−1))."""
        self.follow(l, norm.mean[0], norm.variance[0], len(norm.x_hat))

    def follow(self, l: int, mean: Array, variance: Array, m: int) -> None:
        """The same, of the batch's moments (n,) over m examples."""
        unbiased = variance * (m / max(m - 1, 1))
        self.mean[l] += MOMENTUM * (mean - self.mean[l])  # [BN5]
        self.variance[l] += MOMENTUM * (unbiased - self.variance[l])  # [BN6]


def moments(z: Array, axis: int | None) -> tuple[Array, Array]:
    """Mean and (biased) variance of z along `axis`, that axis kept as 1."""
    mean = z.mean(axis=axis, keepdims=True)  # [BN1] [LN1]
    variance = ((z - mean) ** 2).mean(axis=axis, keepdims=True)  # [BN2] [LN2]
    return mean, variance


def normalize(layer: Dense, z: Array, given: tuple[Array, Array] | None = None) -> Normalized:
    """Make z (m, n) have mean 0 and variance 1 along the norm's axis, or by `given` mean and variance (n,)."""
    axis = AXIS[str(layer.norm)] if given is None else None
    mean, variance = moments(z, axis) if given is None else (given[0][None, :], given[1][None, :])
    inverse_std = 1 / np.sqrt(variance + layer.eps)
    x_hat = (z - mean) * inverse_std  # [BN3] [LN3]
    return Normalized(x_hat, inverse_std, mean, variance, axis)


def scale_and_shift(norm: Normalized, gamma: Array, beta: Array) -> Array:
    """u = γ x̂ + β."""
    return gamma * norm.x_hat + beta  # [BN4] [LN4]


def pull_back(norm: Normalized, gamma: Array, grad_u: Array) -> Array:
    """From ∂ℓ/∂u to ∂ℓ/∂z, (m, n): z acts on its own x̂ and, through μ and σ, on all others along the axis."""
    grad_x = gamma * grad_u  # [BN7] [LN5]
    if norm.axis is None:
        return norm.inverse_std * grad_x
    along_mean = grad_x.mean(axis=norm.axis, keepdims=True)
    along_std = norm.x_hat * (norm.x_hat * grad_x).mean(axis=norm.axis, keepdims=True)
    return norm.inverse_std * (grad_x - along_mean - along_std)  # [BN8] [LN6]
