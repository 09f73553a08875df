"""The derivative by a complex step, Im f(x + ih)/h: exact to rounding, with no code of the backward pass in it.

Source: Squire & Trapp 1998.
"""

from collections.abc import Callable
from typing import Any

import numpy as np
from tests.strategies import Problem

from backlit.core import Parameters
from backlit.core.dropout import dropout_mask
from backlit.core.targets import as_targets, shares

Array = np.ndarray
Nudge = Callable[[str, int, Array], Array]
H = 1e-30


def slope(f: Callable[[Array], Array], x: Array) -> Array:
    """f'(x) of an elementwise function."""
    return f(np.asarray(x) + 1j * H).imag / H


def theta_gradient(problem: Problem) -> Parameters:
    """∂C/∂theta by one complex forward pass of core a parameter."""
    theta = problem.params.theta

    def cost(at: Array) -> Any:
        return problem.cost(Parameters(problem.net, at))

    return Parameters(problem.net, np.array([cost(theta + e).imag / H for e in 1j * H * np.eye(len(theta))]))


def input_gradient(problem: Problem) -> Array:
    """∂C/∂X, (m, n_0), by one complex forward pass of core an entry."""
    params = problem.params.astype(np.complex128)
    steps = 1j * H * np.eye(problem.X.size).reshape(-1, *problem.X.shape)
    return np.array([problem.cost(params, problem.X + e).imag / H for e in steps]).reshape(problem.X.shape)


def quantity_gradient(problem: Problem, name: str, l: int) -> Array:
    """∂ℓ_i/∂(z, u, h or a)[l]_i, (m, n_l); m ∂C/∂z_i (without L2) where batch norm couples the examples.

    All m·n_l perturbed passes run at once, along a leading axis of the arrays.
    """
    shape = (problem.m, problem.net.n[l])
    steps = 1j * H * np.eye(shape[0] * shape[1]).reshape(-1, *shape)
    ℓ = example_losses(problem, lambda at, k, value: value + steps if (at, k) == (name, l) else value)
    return (ℓ @ weight_of_rows(problem)).imag.reshape(shape) / H


def weight_of_rows(problem: Problem) -> Array:
    """What each ℓ_i counts in the quantity whose slopes `Gradients` holds, (m,)."""
    if not problem.net.couples_examples:
        return np.ones(problem.m)
    share = shares(problem.net, problem.m, problem.sample_weight, float)
    return share * (problem.m if problem.net.reduction == "mean" else 1)


def example_losses(problem: Problem, nudge: Nudge = lambda name, l, value: value) -> Array:
    """ℓ_i by the definitions of the equations, (…, m); `nudge(name, l, value)` may shift any quantity on the way.

    Written on its own: no norm, pass or short form of core is in it.  Arrays may have axes in front of (m, n).
    """
    net, params = problem.net, problem.params
    a = [nudge("a", 0, problem.X)]
    for l, layer in net.numbered():
        z = nudge("z", l, a[-1] @ params.W[l].T + params.b[l])
        u = z
        if layer.norm:
            axis = -2 if layer.norm == "batch" else -1
            mean = z.mean(axis, keepdims=True)
            var = ((z - mean) ** 2).mean(axis, keepdims=True)
            if layer.norm == "batch" and problem.statistics:
                mean, var = problem.statistics.of(l)
            u = params.gamma[l] * (z - mean) / np.sqrt(var + layer.eps) + params.beta[l]
        h = nudge("h", l, layer.activation.function(nudge("u", l, u)))
        if problem.dropout and layer.dropout:
            h = h * dropout_mask(problem.dropout, l, (problem.m, layer.units), layer.dropout)
        skip = 0 if layer.skip_from is None else layer.skip_scale * a[layer.skip_from]
        a.append(nudge("a", l, h + skip))
    y = np.broadcast_to(as_targets(net, problem.y, problem.m), a[-1].shape)
    ℓ = net.loss.value(a[-1].reshape(-1, net.outputs), y.reshape(-1, net.outputs))
    return ℓ.reshape(a[-1].shape[:-1])
