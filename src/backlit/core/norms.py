"""Batch and layer normalization: the same formulas, over the examples (axis 0) or over the units (axis 1).

Each is a record of what is known of it; a new one has other facts, not other formulas.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from backlit.core.parameters import Statistics as Statistics  # which pickles look for here

if TYPE_CHECKING:
    from backlit.core.network import Dense  # which knows all that stands here


Array = np.ndarray


@dataclass(frozen=True)
class Norm:
    """What is known of a norm: x̂ = (z − μ)/√(σ² + ε), u = γ x̂ + β, with μ and σ² moments of z (m, n) along an axis.

    axis : 0, a unit's moments are over the examples; 1, an example's are over its units.
    equations : the numbers of its equations, by what they compute: mean, variance, x_hat, u, and on the way back
    grad_x_hat, delta, gamma, beta.
    over, among : what the moments are over, and what shares them, in words.
    onnx : the operator.  source : who it is by.
    """

    name: str
    axis: int
    equations: Mapping[str, str]
    over: str
    among: str
    onnx: str
    source: str

    @property
    def running(self) -> bool:
        """Whether prediction takes running moments, as one row has none; in training it couples the examples."""
        return self.axis == 0

    def groups(self, m: int, n: int) -> int:
        """How many means and variances z (m, n) has."""
        return n if self.axis == 0 else m


NORMS = {
    "batch": Norm(
        "batch",
        0,
        {"mean": "BN1", "variance": "BN2", "x_hat": "BN3", "u": "BN4"}
        | {"grad_x_hat": "BN7", "delta": "BN8", "gamma": "BN9", "beta": "BN10"},
        over="over the batch",
        among="examples of a unit",
        onnx="BatchNormalization",
        source="Ioffe & Szegedy 2015",
    ),
    "layer": Norm(
        "layer",
        1,
        {"mean": "LN1", "variance": "LN2", "x_hat": "LN3", "u": "LN4"}
        | {"grad_x_hat": "LN5", "delta": "LN6", "gamma": "LN7", "beta": "LN8"},
        over="over the units of each example",
        among="units of an example",
        onnx="LayerNormalization",
        source="Ba, Kiros & Hinton 2016",
    ),
}


def norm_of(layer: Dense) -> Norm:
    """The norm of a layer that has one."""
    return NORMS[str(layer.norm)]


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
    axis = norm_of(layer).axis if given is None else None
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
