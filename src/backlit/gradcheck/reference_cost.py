"""The cost written a second time, as one plain NumPy function of the flat vector, independent of `core`'s passes.

It has no gradient of its own: the tape differentiates it, and extended precision evaluates it.  Formulas are the
definitions, in forms that don't overflow, so that a slip in `core`'s forward pass shows as a disagreement.
"""

from collections.abc import Callable
from typing import Any

import numpy as np

from backlit.core.problem import Problem
from backlit.core.targets import as_targets, shares

TINY = float(np.finfo(float).tiny)
Array = Any  # an ndarray of any float type, or a Var of the tape


def sigmoid(u: Array) -> Array:
    """e^{−ln(1 + e^{−u})}: neither end overflows, and small values keep their digits."""
    return np.exp(-softplus(-u))


def softplus(u: Array) -> Array:
    """ln(e⁰ + e^u)."""
    return np.logaddexp(0 * u, u)


def erf(x: Array) -> Array:
    """2/√π e^{−x²} Σ_k 2^k x^{2k+1}/(2k+1)!!, whose terms have one sign; ±1 to float64 beyond |x| = 6."""
    term = total = x = np.clip(x, -6.5, 6.5)
    for k in range(1, 160):
        term = term * (x * x) * (2.0 / (2 * k + 1))
        total = total + term
    return (2 / np.sqrt(np.longdouble(np.pi)).astype(float)) * np.exp(-x * x) * total


def erfc(x: Array) -> Array:
    """1 − erf x, and where that cancels e^{−x²}/√π over the continued fraction x + (1/2)/(x + (2/2)/(x + …))."""
    far = np.maximum(x, 1.5)
    tail = 0 * far
    for k in range(200, 0, -1):
        tail = (0.5 * k) / (far + tail)
    return np.where(x > 1.5, np.exp(-far * far) / (np.sqrt(np.pi) * (far + tail)), 1 - erf(np.minimum(x, 1.5)))


def elu(u: Array, alpha: float = 1.0) -> Array:
    """u above 0, α (e^u − 1) below."""
    return np.where(u > 0, u, alpha * np.expm1(np.minimum(u, 0)))


SELU = (1.0507009873554804934193349852946, 1.6732632423543772848170429916717)  # λ, α: Klambauer et al. 2017

ACTIVATIONS: dict[str, Callable[..., Array]] = {
    "identity": lambda u: u,
    "sigmoid": sigmoid,
    "tanh": np.tanh,
    "relu": lambda u: np.where(u > 0, u, 0 * u),
    "leaky_relu": lambda u, alpha=0.01: np.where(u > 0, u, alpha * u),
    "elu": elu,
    "selu": lambda u: SELU[0] * elu(u, SELU[1]),
    "gelu": lambda u: u * 0.5 * erfc(-u / np.sqrt(2)),
    "silu": lambda u: u * sigmoid(u),
    "softplus": softplus,
    "mish": lambda u: u * np.tanh(softplus(u)),
    "hard_tanh": lambda u: np.where(u > -1, np.where(u < 1, u, 0 * u + 1), 0 * u - 1),
    "softsign": lambda u: u / (1 + np.abs(u)),
    "exp": np.exp,
    "softmax": lambda u: np.exp(log_softmax(u)),
}


def log_softmax(u: Array) -> Array:
    """u − ln Σ e^u, shifted by each row's largest score, a constant."""
    shifted = u - np.max(u, axis=1, keepdims=True)
    return shifted - np.log(np.sum(np.exp(shifted), axis=1, keepdims=True))


def safe_log(a: Array) -> Array:
    """ln a, and a constant where a is 0: the inner `where` keeps 1/0 out of the tape."""
    there = a > TINY
    return np.where(there, np.log(np.where(there, a, 1.0)), np.log(TINY))


def pinball(a: Array, y: Array, quantile: float = 0.5) -> Array:
    """q (y − a) where y > a, else (q − 1)(y − a)."""
    return np.where(y > a, quantile * (y - a), (quantile - 1) * (y - a))


def huber(a: Array, y: Array, delta: float = 1.0) -> Array:
    """½ r² near 0, straight lines beyond ±δ."""
    r = np.abs(a - y)
    return np.where(r <= delta, 0.5 * r * r, delta * (r - 0.5 * delta))


LOSSES: dict[str, Callable[..., Array]] = {  # of (a, y), one number an output; an example's loss is their sum
    "half_squared_error": lambda a, y: 0.5 * (a - y) ** 2,
    "squared_error": lambda a, y: (a - y) ** 2,
    "mean_squared_error": lambda a, y: (a - y) ** 2 / y.shape[1],
    "absolute_error": lambda a, y: np.abs(a - y),
    "huber": huber,
    "quantile": pinball,
    "cross_entropy": lambda a, y: -y * safe_log(a),
    "binary_cross_entropy": lambda a, y: -y * safe_log(a) - (1 - y) * safe_log(1 - a),
    "poisson": lambda a, y: a - y * safe_log(a),
}
FROM_SCORES: dict[
    tuple[str, str], Callable[[Array, Array], Array]
] = {  # where the log of a rounded p would lose digits
    ("softmax", "cross_entropy"): lambda u, y: -y * log_softmax(u),
    ("sigmoid", "binary_cross_entropy"): lambda u, y: softplus(u) - y * u,
    ("exp", "poisson"): lambda u, y: np.exp(u) - y * u,
}


def reference_cost(problem: Problem, dtype: Any = np.float64) -> Callable[[Array], Array]:
    """C as a function of theta, (n_parameters,) ↦ a number, with the problem's data and dropout masks in it."""
    net, (X, y) = problem.net, problem.data()
    trace, _ = problem.passes()
    x, targets = np.asarray(X, dtype), as_targets(net, y, len(X)).astype(dtype)
    share = shares(net, len(X), problem.sample_weight, np.float64).astype(dtype)

    def cost(theta: Array) -> Array:
        a, penalty, start = [x], 0.0, 0

        def take(*shape: int) -> Array:
            nonlocal start
            size = int(np.prod(shape))
            part = np.reshape(theta[start : start + size], shape)
            start += size
            return part

        u: Array = x
        for l, layer in net.numbered():
            W, b = take(net.n[l], net.n[l - 1]), take(net.n[l])
            penalty = penalty + np.sum(W * W)
            u = a[l - 1] @ np.transpose(W) + b
            if layer.norm:
                u = normalized(u, 0 if layer.norm == "batch" else 1, layer.eps) * take(net.n[l]) + take(net.n[l])
            out = activate(layer.activation, u)
            if trace.mask[l] is not None:
                out = out * trace.mask[l].astype(dtype)
            if layer.skip_from is not None:
                out = out + layer.skip_scale * a[layer.skip_from]
            a.append(out)
        return np.sum(share * np.sum(losses(net, u, a[-1], targets), axis=1)) + 0.5 * net.l2 * penalty

    return cost


def normalized(z: Array, axis: int, eps: float) -> Array:
    """z with mean 0 and variance 1 along an axis."""
    centered = z - np.mean(z, axis=axis, keepdims=True)
    return centered / np.sqrt(np.mean(centered * centered, axis=axis, keepdims=True) + eps)


def activate(phi: Any, u: Array) -> Array:
    """φ(u) by this file's definition; a user's own activation by its function."""
    own = ACTIVATIONS.get(phi.name)
    return own(u, **phi.parameters) if own else phi.function(u)


def losses(net: Any, u: Array, a: Array, y: Array) -> Array:
    """ℓ by output, (m, n_L)."""
    if net.has_short_form:
        pair = (net.layers[-1].activation.name, net.loss.name)
        if pair in FROM_SCORES:
            return FROM_SCORES[pair](u, y)
    own = LOSSES.get(net.loss.name)
    return own(a, y, **net.loss.parameters) if own else np.reshape(net.loss.value(a, y), (-1, 1))
