"""How exact a gradient can be: 1e-12 of its tensor's largest entry, and a few roundings of what was added up to get it.

Behind a norm a gradient may be a difference of far larger numbers, exactly 0 even (a bias in front of batch norm).
Its rounding error then belongs to those numbers.  `magnitudes` is the backward pass with every term made positive: what
is added up, without the cancellation.
"""

from dataclasses import dataclass

import numpy as np
from tests.strategies import Problem

from backlit.core import Parameters
from backlit.core.passes import Trace
from backlit.core.targets import as_targets, shares

Array = np.ndarray
ROUNDINGS = 32 * np.finfo(float).eps


@dataclass(frozen=True)
class Magnitudes:
    """Bounds on the sums of magnitudes behind each part of a `Gradients`, under the same names."""

    flat: Parameters
    a: list[Array]
    u: list[Array]
    delta: list[Array]


def assert_close(
    actual: Array, expected: Array, magnitude: Array, *, rtol: float = 1e-12, eps: float = ROUNDINGS, what: str = ""
) -> None:
    """Fail where tensors differ by more than rtol of the largest entry and eps of the magnitude of what was added."""
    assert actual.shape == expected.shape, what
    error = np.abs(actual - expected).max()
    bound = rtol * np.abs(expected).max() + eps * magnitude.max()
    assert error <= bound, f"{what}: off by {error:.3g}, more than {bound:.3g}; got {actual}, expected {expected}"


def magnitudes(problem: Problem, trace: Trace) -> Magnitudes:
    """Run the backward pass on absolute values."""
    net, params = problem.net, problem.params
    a: list[Array] = [np.zeros_like(value) for value in trace.a]
    u: list[Array] = [*a]
    delta: list[Array] = [*a]
    flat = Parameters(net, np.zeros_like(params.theta))
    weight, share = weights(problem)
    y = as_targets(net, problem.y, problem.m)
    a[net.L] = weight * np.abs(net.loss.gradient(trace.a[net.L], y))
    for l in range(net.L, 0, -1):
        layer, g = net.layer(l), a[l]
        if layer.skip_from is not None:
            a[layer.skip_from] += abs(layer.skip_scale) * g
        if trace.mask[l] is not None:
            g = g * trace.mask[l]
        if l == net.L and net.has_short_form:
            g = weight * (np.abs(trace.a[l]) + np.abs(y))
        elif layer.activation.pull_back:
            p = trace.h[l]
            g = p * (g + (g * p).sum(1, keepdims=True))
        else:
            g = g * np.abs(layer.activation.derivative(trace.u[l]))
        u[l] = g
        if layer.norm:
            norm = trace.norm[l]
            x = norm.inverse_std * (np.abs(trace.z[l]) + np.abs(norm.mean))
            flat.gamma[l][:], flat.beta[l][:] = (g * x).T @ share, g.T @ share
            g = np.abs(params.gamma[l]) * g
            if norm.axis is not None:
                g = g + g.mean(norm.axis, keepdims=True) + x * (x * g).mean(norm.axis, keepdims=True)
            g = norm.inverse_std * g
        delta[l] = g
        flat.b[l][:] = g.T @ share
        flat.W[l][:] = g.T @ (share[:, None] * np.abs(trace.a[l - 1])) + net.l2 * np.abs(params.W[l])
        a[l - 1] += g @ np.abs(params.W[l])
    return Magnitudes(flat, a, u, delta)


def weights(problem: Problem) -> tuple[Array, Array]:
    """What each example counts in δ, (m, 1), and in sums of δ, (m,)."""
    share = shares(problem.net, problem.m, problem.sample_weight, float)
    if not problem.net.couples_examples:
        return np.ones((problem.m, 1)), share
    even = shares(problem.net, problem.m, None, float)
    return (share / even)[:, None], even
