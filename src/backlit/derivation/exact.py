"""Both passes in fractions: each number of `core`'s that is rational, given that the inputs are, as a `Fraction`.

Arrays hold Python numbers (dtype object).  Arithmetic of a `Fraction` with a float is a float, so what comes after a
root, a logarithm or an exponential falls back by itself, and there `core`'s own number is kept.

>>> from backlit.core import Dense, Network, Parameters
>>> net = Network(2, [Dense(1)])
>>> params = Parameters.from_arrays(net, {"W": [None, [[0.5, 0.1]]]})
>>> problem = Problem(net, params, np.array([[1, 2]]), np.array([1.0]))
>>> params, trace, grad = exact_passes(problem, *problem.passes())
>>> grad.W[1]
array([[Fraction(-3, 10), Fraction(-3, 5)]], dtype=object)
"""

from collections.abc import Callable
from fractions import Fraction
from typing import Any

import numpy as np

from backlit.core.formulas import Unsupported
from backlit.core.network import Dense, Network
from backlit.core.norms import Normalized
from backlit.core.parameters import Parameters
from backlit.core.passes import Gradients, Trace, empty, plus
from backlit.core.problem import Problem
from backlit.core.targets import as_targets
from backlit.derivation.rational import FRACTIONS, ONE, ZERO, kept, root, written

Array = np.ndarray


def fractions(values: Array) -> Array:
    """Floats as the decimals that they are written as."""
    return np.vectorize(written, otypes=[object])(values) if np.size(values) else np.asarray(values, object)


def lifted(core: Array, made: Array) -> Array:
    """`core`'s floats, with what is a fraction in its place."""
    made = np.broadcast_to(np.asarray(made, object), np.shape(core))
    found = np.asarray(core, float).astype(object)
    for at, value in np.ndenumerate(made):
        if kept(value) and np.isfinite(found[at]):
            found[at] = value
    return found


def each(function: Callable[..., Any], core: Array, *arrays: Array) -> Array:
    """A function of fractions, cell by cell; `core`'s number where an argument is none, or where it has no value."""
    found = np.asarray(core, float).astype(object)
    for at, _ in np.ndenumerate(found):
        values = [array[at] for array in arrays]
        if all(isinstance(value, Fraction) for value in values):
            try:
                found[at] = function(*values)
            except (ZeroDivisionError, Unsupported):
                continue
    return found


def exact_passes(problem: Problem, trace: Trace, grad: Gradients) -> tuple[Parameters, Trace, Gradients]:
    """Parameters, trace and gradients in fractions, beside `core`'s."""
    params = Parameters(problem.net, fractions(problem.params.theta))
    ours = forward(problem, params, trace)
    return params, ours, backward(problem, params, ours, grad)


def forward(problem: Problem, params: Parameters, core: Trace) -> Trace:
    """`core.passes.forward`, line by line."""
    net = problem.net
    z, u, h, a, norm, mask = (empty(net) for _ in range(6))
    a[0] = fractions(core.a[0])
    for l, layer in net.numbered():
        z[l] = lifted(core.z[l], a[l - 1] @ params.W[l].T + params.b[l])
        u[l] = z[l]
        if layer.norm:
            norm[l] = normalized(layer, z[l], core.norm[l])
            u[l] = lifted(core.u[l], params.gamma[l] * norm[l].x_hat + params.beta[l])
        h[l] = pointwise(layer, u[l], core.h[l], slope=False)
        a[l] = h[l]
        if core.mask[l] is not None:
            two = np.array([ZERO, 1 / (1 - written(layer.dropout))], object)
            mask[l] = two[(core.mask[l] > 0).astype(int)]
            a[l] = lifted(core.h[l] * core.mask[l], h[l] * mask[l])
        if layer.skip_from is not None:
            a[l] = lifted(core.a[l], a[l] + written(layer.skip_scale) * a[layer.skip_from])
    return Trace(z, u, h, a, norm, mask)


def normalized(layer: Dense, z: Array, core: Normalized) -> Normalized:
    """Moments and x̂; the root is a fraction where variance + ε is a square."""
    if core.axis is None:
        mean, variance = fractions(core.mean), fractions(core.variance)
    else:
        mean = lifted(core.mean, z.mean(axis=core.axis, keepdims=True))
        variance = lifted(core.variance, ((z - mean) ** 2).mean(axis=core.axis, keepdims=True))
    eps = written(layer.eps)
    inverse = each(lambda v: inverse_root(v + eps), core.inverse_std, variance)
    return Normalized(lifted(core.x_hat, (z - mean) * inverse), inverse, mean, variance, core.axis)


def inverse_root(value: Fraction) -> Fraction | float:
    """1/√value."""
    found = root(value)
    return float(value) ** -0.5 if found is None else 1 / found


def pointwise(layer: Dense, u: Array, core: Array, *, slope: bool) -> Array:
    """φ(u), or φ'(u)."""
    formula = layer.activation.derivative_formula if slope else layer.activation.formula
    if formula is None:
        return np.asarray(core, float).astype(object)
    return each(lambda v: formula(v, FRACTIONS), core, u)


def slopes(layer: Dense, u: Array) -> Array:
    """φ'(u)."""
    return pointwise(layer, u, layer.activation.derivative(u.astype(float)), slope=True)


def targets(problem: Problem, m: int) -> Array:
    """y as (m, n_L)."""
    return fractions(as_targets(problem.net, problem.data()[1], m))


def weights(net: Network, m: int, sample_weight: Any) -> Array:
    """The share of each ℓ_i in C."""
    if sample_weight is None:
        return np.full(m, Fraction(1, m) if net.reduction == "mean" else ONE, object)
    w = fractions(np.asarray(sample_weight, float))
    return w / w.sum() if net.reduction == "mean" else w


def example_shares(problem: Problem, trace: Trace) -> tuple[Any, Array]:
    """`core.passes.example_weights` in fractions: the factor at the output, and the share of each δ_i."""
    net, share = problem.net, weights(problem.net, trace.m, problem.sample_weight)
    if not net.couples_examples or problem.sample_weight is None:
        return ONE, share
    even = weights(net, trace.m, None)
    return (share / even)[:, None], even


def loss_slope(problem: Problem, trace: Trace, core: Array) -> Array:
    """∂ℓ/∂a_L of each example."""
    net, loss = problem.net, problem.net.loss
    a, y = trace.a[net.L], targets(problem, trace.m)
    if loss.gradient_formula is None:
        return np.asarray(core, float).astype(object)
    slope, n = loss.gradient_formula, net.n[net.L]
    return each(lambda a, y: slope(a, y, n, FRACTIONS), core, a, y)


def losses(problem: Problem, trace: Trace, core: Array) -> Array:
    """ℓ of each example."""
    net, loss = problem.net, problem.net.loss
    if loss.formula is None:
        return np.asarray(core, float).astype(object)
    part, n, a = loss.formula, net.n[net.L], trace.a[net.L]
    unknown = np.full(a.shape, np.nan)
    total = each(lambda a, y: part(a, y, FRACTIONS), unknown, a, targets(problem, trace.m)).sum(axis=1)
    return lifted(core, total if loss.total is None else loss.total(total, n, FRACTIONS))


def backward(problem: Problem, params: Parameters, trace: Trace, core: Gradients) -> Gradients:
    """`core.passes.backward`, line by line."""
    net = problem.net
    weight, share = example_shares(problem, trace)
    grad = Parameters(net, core.theta.astype(object))
    grad_a, grad_u, delta = (empty(net) for _ in range(3))
    y = targets(problem, trace.m)
    unweighted = core.a[net.L] / np.where(np.asarray(weight, float) == 0, 1, np.asarray(weight, float))
    grad_a[net.L] = lifted(core.a[net.L], weight * loss_slope(problem, trace, unweighted))
    for l in range(net.L, 0, -1):
        layer, grad_h = net.layer(l), grad_a[l]
        if layer.skip_from is not None:
            more = written(layer.skip_scale) * grad_a[l]
            grad_a[layer.skip_from] = plus(grad_a[layer.skip_from], more)
        if trace.mask[l] is not None:
            grad_h = grad_h * trace.mask[l]
        if l == net.L and net.has_short_form:
            made = weight * (trace.a[l] - y)
        elif layer.activation.pull_back:
            made = core.u[l]
        else:
            made = grad_h * slopes(layer, trace.u[l])
        grad_u[l] = lifted(core.u[l], made)
        delta[l] = grad_u[l]
        if layer.norm:
            grad.gamma[l][:] = lifted(core.gamma[l], (grad_u[l] * trace.norm[l].x_hat).T @ share)
            grad.beta[l][:] = lifted(core.beta[l], grad_u[l].T @ share)
            delta[l] = lifted(core.delta[l], through_norm(trace.norm[l], params.gamma[l] * grad_u[l]))
        grad.b[l][:] = lifted(core.b[l], delta[l].T @ share)
        pull = written(net.l2) * params.W[l] if net.l2 else ZERO
        grad.W[l][:] = lifted(core.W[l], delta[l].T @ (share[:, None] * trace.a[l - 1]) + pull)
        grad_a[l - 1] = plus(grad_a[l - 1], delta[l] @ params.W[l])
    grad_a = [lifted(c, g) for c, g in zip(core.a, grad_a, strict=True)]
    return Gradients(total_loss(problem, params, trace, core.loss), grad, grad_a, grad_u, delta)


def total_loss(problem: Problem, params: Parameters, trace: Trace, core: float) -> Any:
    """C, where every ℓ is a fraction."""
    net = problem.net
    C = weights(net, trace.m, problem.sample_weight) @ losses(problem, trace, np.zeros(trace.m))
    if net.l2:
        C += written(net.l2) / 2 * sum((W * W).sum() for W in params.W[1:])
    return C if kept(C) and np.isfinite(core) else core


def through_norm(norm: Normalized, grad_x: Array) -> Array:
    """`core.norms.pull_back` after the scale."""
    if norm.axis is None:
        return norm.inverse_std * grad_x
    along_mean = grad_x.mean(axis=norm.axis, keepdims=True)
    along_std = norm.x_hat * (norm.x_hat * grad_x).mean(axis=norm.axis, keepdims=True)
    return norm.inverse_std * (grad_x - along_mean - along_std)
