"""Probabilities of K classes from K scores; it mixes the units of an example, and is for outputs.

Softmax by groups is several side by side, one for each of several labels.  Its name says its groups, "softmax[3,2]":
three outputs that sum to 1 and two more that do.
"""

import re
from functools import lru_cache
from typing import Any

import numpy as np

from backlit.core.activations._record import ACTIVATIONS, Activation, Array, UnitGroups, register_activation


def softmax(z: Array) -> Array:
    """Turn each row of scores into probabilities, p_k = e^{z_k} / Σ_j e^{z_j}.

    z : (m, K) scores.  Returns (m, K), rows sum to 1.  Finite for any finite z.
    Source: log-sum-exp shift, Blanchard, Higham & Higham 2021.

    >>> softmax(np.zeros((1, 2)))
    array([[0.5, 0.5]])
    """
    e = np.exp(z - z.real.max(axis=-1, keepdims=True))  # the shift leaves p as it is and cannot overflow
    return e / e.sum(axis=-1, keepdims=True)


def log_softmax(z: Array) -> Array:
    """ln p_k = z_k − ln Σ_j e^{z_j}, (m, K), by the same shift."""
    shifted = z - z.real.max(axis=-1, keepdims=True)
    return shifted - np.log(np.exp(shifted).sum(axis=-1, keepdims=True))


def softmax_pull_back(z: Array, grad_p: Array) -> Array:
    """Jᵀ g for J = diag(p) − p pᵀ, without forming the K × K matrix."""
    p = softmax(z)
    return p * (grad_p - (grad_p * p).sum(axis=-1, keepdims=True))


def softmax_diagonal(z: Array) -> Array:
    """∂p_k/∂z_k = p_k (1 − p_k)."""
    p = softmax(z)
    return p * (1 - p)


SOFTMAX = register_activation(
    Activation(
        "softmax",
        softmax,
        softmax_diagonal,
        latex=r"\frac{e^{u_k}}{\sum_j e^{u_j}}",
        derivative_latex=r"p_k\,([k = j] - p_j)",
        range=(0, 1),
        pull_back=softmax_pull_back,
        derivative_of_output=lambda h, f: h * (1 - h),
        onnx=("Softmax", {"axis": 1}),
        source="Bridle 1990",
    )
)

# --- by groups -----------------------------------------------------------------------------------------------------

NAME = re.compile(r"softmax\[([1-9]\d*(?:,[1-9]\d*)*)\]")


class Groups(UnitGroups):
    """The three functions of an activation, each done group by group on rows (m, Σ sizes)."""

    def function(self, u: Array) -> Array:
        """Probabilities; each group's sum to 1."""
        return np.concatenate([softmax(own) for own in self.split(u)], axis=-1)

    def derivative(self, u: Array) -> Array:
        """∂p_k/∂u_k, the diagonal of the Jacobian."""
        return np.concatenate([softmax_diagonal(own) for own in self.split(u)], axis=-1)

    def pull_back(self, u: Array, grad_p: Array) -> Array:
        """Jᵀ g, where J has a block for each group."""
        pairs = zip(self.split(u), self.split(grad_p), strict=True)
        return np.concatenate([softmax_pull_back(own, grad) for own, grad in pairs], axis=-1)


@lru_cache
def softmax_by_groups(sizes: tuple[int, ...]) -> Activation:
    """The activation whose outputs are softmaxes of `sizes` scores each, for an output layer of Σ sizes units.

    >>> phi = softmax_by_groups((2, 3))
    >>> phi.name, phi.function(np.zeros((1, 5))).round(2)
    ('softmax[2,3]', array([[0.5 , 0.5 , 0.33, 0.33, 0.33]]))
    """
    groups = Groups(tuple(int(size) for size in sizes))
    return Activation(
        f"softmax[{','.join(map(str, groups.sizes))}]",
        groups.function,
        groups.derivative,
        latex=r"\frac{e^{u_k}}{\sum_{j \in G(k)} e^{u_j}}",
        derivative_latex=r"[G(k) = G(j)]\; p_k\,([k = j] - p_j)",
        range=(0, 1),
        pull_back=groups.pull_back,
    )


def softmax_units(phi: Activation, j: int, n: int) -> range:
    """The units, of n, that share unit j's softmax.

    >>> softmax_units(softmax_by_groups((3, 2)), 4, 5)
    range(3, 5)
    """
    if phi.groups is None:
        return range(n)
    sizes = phi.groups.sizes
    ends = np.cumsum(sizes)
    k = int(np.searchsorted(ends, j, side="right"))
    return range(int(ends[k]) - sizes[k], int(ends[k]))


def read_groups(name: Any) -> Activation | None:
    """The activation of a name like "softmax[3,2]", None for any other."""
    found = NAME.fullmatch(name) if isinstance(name, str) else None
    return softmax_by_groups(tuple(int(size) for size in found[1].split(","))) if found else None


ACTIVATIONS.readers.append(read_groups)
