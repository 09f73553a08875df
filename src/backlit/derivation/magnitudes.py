"""What rounding is measured against: the backward pass with every term taken positive.

A sum computed in floating point is off by at most γ_n Σ|terms|, γ_n ≈ n·2⁻⁵³ (Higham 2002, section 3.1).  Where terms
cancel, as the gradient of a bias in front of batch norm does, their sum is rounding and has no relative error worth the
name; Σ|terms| tells the two cases apart.
"""

import numpy as np

from backlit.core.norms import Normalized
from backlit.core.passes import Trace, empty, example_weights
from backlit.core.problem import Problem
from backlit.core.targets import as_targets

Array = np.ndarray
UNIT = 2.0**-53


def gamma(problem: Problem, trace: Trace) -> float:
    """γ_n, n the additions on the longest way from a parameter to the cost and back."""
    return 2 * (sum(problem.net.n) + trace.m + 4 * problem.net.L) * UNIT


def magnitudes(problem: Problem, trace: Trace) -> tuple[Array, list[Array], Array]:
    """Σ|terms| of every gradient: of theta (n_parameters,), of each δ[l] (m, n_l), and of ∂C/∂a[0] (m, n_0)."""
    net, params = problem.net, problem.params.astype(np.float64)
    y = as_targets(net, problem.data()[1], trace.m)
    weight, share = example_weights(net, trace, problem.sample_weight)
    grad = params.copy()
    slope, delta = empty(net), empty(net)
    out = trace.a[net.L]
    slope[net.L] = weight * (np.abs(net.loss.gradient(out, y)) + np.abs(out) + np.abs(y))
    for l in range(net.L, 0, -1):
        layer, up = net.layer(l), slope[l]
        if layer.skip_from is not None:
            slope[layer.skip_from] = added(slope[layer.skip_from], abs(layer.skip_scale) * up)
        if trace.mask[l] is not None:
            up = up * trace.mask[l]
        through = through_activation(problem, trace, l, up, weight * (np.abs(out) + np.abs(y)))
        delta[l] = through
        if layer.norm:
            norm = trace.norm[l]
            grad.gamma[l][:] = (through * np.abs(norm.x_hat)).T @ share
            grad.beta[l][:] = through.T @ share
            delta[l] = through_norm(norm, np.abs(params.gamma[l]) * through)
        grad.b[l][:] = delta[l].T @ share
        grad.W[l][:] = delta[l].T @ (share[:, None] * np.abs(trace.a[l - 1])) + net.l2 * np.abs(params.W[l])
        slope[l - 1] = added(slope[l - 1], delta[l] @ np.abs(params.W[l]))
    return grad.theta, delta, slope[0] * share[:, None]


def through_activation(problem: Problem, trace: Trace, l: int, up: Array, short: Array) -> Array:
    """Σ|terms| of ∂ℓ/∂u; `short` is that of the short form."""
    net, phi = problem.net, problem.net.layer(l).activation
    if l == net.L and net.has_short_form:
        return short
    if phi.elementwise:
        return up * np.abs(phi.derivative(trace.u[l]))
    return trace.h[l] * (up + (trace.h[l] * up).sum(axis=1, keepdims=True))


def through_norm(norm: Normalized, grad_x: Array) -> Array:
    """Σ|terms| of δ."""
    inverse, axis, x_hat = norm.inverse_std, norm.axis, np.abs(norm.x_hat)
    if axis is None:
        return inverse * grad_x
    means = grad_x.mean(axis=axis, keepdims=True) + x_hat * (x_hat * grad_x).mean(axis=axis, keepdims=True)
    return inverse * (grad_x + means)


def added(slope: Array | None, more: Array) -> Array:
    """A contribution to a slope that may have none yet."""
    return more if slope is None else slope + more
