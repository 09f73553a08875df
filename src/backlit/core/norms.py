"""Batch and layer normalization: the same formulas, over the examples (axis 0) or over the units (axis 1).

Source: Ioffe & Szegedy 2015; Ba, Kiros & Hinton 2016.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from backlit.core.parameters import Statistics as Statistics  # which pickles look for here

if TYPE_CHECKING:
    from backlit.core.network import Dense  # which knows all that stands here


Array = np.ndarray
AXIS = {"batch": 0, "layer": 1}


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
