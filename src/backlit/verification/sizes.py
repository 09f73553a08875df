"""How large the terms are that each quantity is a sum of: what rounding can do to it is measured against that.

A gradient of 1e-17 that is the difference of two numbers near 1 is right to its last bit, and so is 0; one of 1e-17
that is a product of small numbers must be right in its first digits.  The terms tell the two apart.
"""

import numpy as np

from backlit.core.norms import Normalized
from backlit.core.passes import Gradients, example_weights
from backlit.core.problem import Problem
from backlit.core.targets import as_targets
from backlit.verification.quantities import Array, Values

ABS = np.abs


def term_sizes(problem: Problem) -> Values:
    """Σ |terms| of each quantity, by name; what is not named is measured by itself."""
    net, params = problem.net, problem.params
    trace, grad = problem.passes()
    _, share = example_weights(net, trace, problem.sample_weight)
    y = as_targets(net, problem.data()[1], trace.m)
    moved = ABS(grad.a[net.L]) * (ABS(trace.a[net.L]) + ABS(y))  # what a rounded a_L does to ℓ, in units of rounding
    sizes: Values = {"loss": np.array(ABS(grad.loss) + share @ moved.sum(axis=1))}
    for l, layer in net.numbered():
        below = ABS(trace.a[l - 1])
        sizes[f"z[{l}]"] = below @ ABS(params.W[l]).T + ABS(params.b[l])
        delta, through = slope_sizes(problem, grad, l), ABS(grad.u[l])
        if layer.norm:
            sizes[f"u[{l}]"] = ABS(params.gamma[l] * trace.norm[l].x_hat) + ABS(params.beta[l]) + 1
            sizes[f"grad_gamma[{l}]"] = (through * ABS(trace.norm[l].x_hat)).T @ share
            sizes[f"grad_beta[{l}]"] = through.T @ share
            delta = norm_sizes(trace.norm[l], params.gamma[l], through)
        sizes[f"a[{l}]"] = ABS(trace.h[l]) + ABS(trace.a[l])
        sizes[f"delta[{l}]"] = delta
        sizes[f"grad_b[{l}]"] = delta.T @ share
        sizes[f"grad_W[{l}]"] = delta.T @ (share[:, None] * below) + net.l2 * ABS(params.W[l])
        sizes[f"grad_a[{l - 1}]"] = delta @ ABS(params.W[l]) + ABS(grad.a[l - 1])
    return sizes


def slope_sizes(problem: Problem, grad: Gradients, l: int) -> Array:
    """|∂ℓ/∂a|: every way to write φ' has a rounding error of that size times the machine's."""
    if l == problem.net.L and problem.net.has_short_form:
        return ABS(grad.u[l]) + 1  # p − y, of numbers near 1 or larger
    return ABS(grad.a[l]) + ABS(grad.u[l])


def norm_sizes(norm: Normalized, gamma: Array, grad_u: Array) -> Array:
    """The three terms of the norm's backward pass, each taken positive."""
    grad_x, x_hat = ABS(gamma) * grad_u, ABS(norm.x_hat)
    if norm.axis is None:
        return norm.inverse_std * grad_x
    means = grad_x.mean(axis=norm.axis, keepdims=True) + x_hat * (x_hat * grad_x).mean(axis=norm.axis, keepdims=True)
    return norm.inverse_std * (grad_x + means)
