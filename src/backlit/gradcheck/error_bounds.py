"""What rounding can do to a gradient: a rounding of the terms it is a sum of, and what comes down with them.

A gradient of 1e-17 that is the difference of two numbers near 1 is right to its last bit, and so is 0; one of 1e-17
that is a product of small numbers must be right in its first digits.  Σ|terms| tells the two apart.

How errors grow on their way through the network is measured: every parameter, input and target, and every φ and φ' on
the way, is moved by one unit in its last place, up or down by chance, and the gradient is taken again.  Where nothing
cancels an entry moves by about eps, behind a norm by much more.  A wrong formula moves as little as the right one, so
rounding is told from mistakes.  It is an estimate: `SAFETY` times the largest move.
Sources: Monte Carlo arithmetic, Parker 1997; Higham 2002, §3.1.
"""

from collections.abc import Mapping
from dataclasses import dataclass, replace

import numpy as np

from backlit.autodiff import AutodiffError
from backlit.core.activations import Activation
from backlit.core.norms import Normalized
from backlit.core.parameters import Parameters
from backlit.core.passes import Gradients, Trace, backward, example_weights, forward
from backlit.core.problem import Problem
from backlit.core.targets import as_targets
from backlit.errors import DomainError
from backlit.gradcheck.differences import beside_kinks, points_at_kinks

Array = np.ndarray
Named = dict[str, Array]
ABS = np.abs
EPS = float(np.finfo(np.float64).eps)
TIMES = 8
SAFETY = 8
LOCAL = 8  # roundings of Σ|terms| where nothing moves, as by chance
AT_KINK = 1e-14  # relative: nearer to a kink rounding alone decides on which side a unit lies


@dataclass(frozen=True)
class ErrorBounds:
    """Of each gradient by name (grad_W[l], …, delta[l], grad_a[0]), in its shape.

    terms : Σ|terms|.  bounds : what rounding to float64 may change, an estimate from above.  cost : the same of C.
    """

    terms: Mapping[str, Array]
    bounds: Mapping[str, Array]
    cost: float


def error_bounds(problem: Problem) -> ErrorBounds:
    """Measure the rounding of one problem's gradients."""
    problem, rng = off_kinks(problem), np.random.default_rng(0)
    terms, (right, cost) = term_sizes(problem), gradients(problem)
    moved, moved_cost = {name: np.zeros_like(value) for name, value in right.items()}, 0.0
    others = [shaken(problem, rng) for _ in range(TIMES)] + [problem]
    for other, kind in zip(others, [float] * TIMES + [complex], strict=True):
        try:
            there, cost_there = gradients(other, kind)
        except DomainError:  # an output on the edge of what the loss is defined at
            continue
        except (TypeError, ValueError, AutodiffError):  # a user's own function that takes no complex numbers
            if kind is float:
                raise
            continue
        moved_cost = max(moved_cost, abs(cost_there - cost))
        moved = {name: np.maximum(moved[name], ABS(there[name] - value)) for name, value in right.items()}
    bounds = {name: LOCAL * EPS * terms[name] + SAFETY * moved[name] for name in right}
    return ErrorBounds(terms, bounds, LOCAL * EPS * (abs(cost) + of_logarithms(problem)) + SAFETY * moved_cost)


def of_logarithms(problem: Problem) -> float:
    """Σ of the shares of ℓ = −ln p: where p is nearly 1, ℓ is known to a rounding of 1, which no move of p may show."""
    net = problem.net
    if not net.has_short_form or net.layers[-1].activation.elementwise:
        return 0.0
    return float(example_weights(net, problem.passes()[0], problem.sample_weight)[1].sum())


def off_kinks(problem: Problem) -> Problem:
    """The problem with units at a kink held on its lower side: no rounding moves them across."""
    points = points_at_kinks(problem, problem.passes()[0], AT_KINK)
    return beside_kinks(problem, points, (-1,) * len(points)) if points else problem


def gradients(problem: Problem, kind: type = float) -> tuple[Named, float]:
    """Every gradient whose rounding is measured, by name, and C.

    kind : the numbers of the way up; complex ones round in another way, of which their real parts show.
    """
    net, (X, y) = problem.net, problem.data()
    params = problem.params.astype(kind)
    with np.errstate(all="ignore"):
        trace = forward(net, params, X, dropout=problem.dropout_key(), statistics=problem.statistics)
        grad = backward(net, problem.params, real(trace), y, problem.sample_weight)
    named = {f"grad_{slot}": value for slot, value in grad.flat.items()}
    named |= {f"delta[{l}]": grad.delta[l] for l, _ in net.numbered()}
    return named | {"grad_a[0]": grad.a[0]}, grad.loss


def real(trace: Trace) -> Trace:
    """The real parts of a trace."""
    arrays = {
        name: [None if value is None else value.real for value in getattr(trace, name)]
        for name in ("z", "u", "h", "a", "mask")
    }
    norms = [
        None
        if norm is None
        else Normalized(norm.x_hat.real, norm.inverse_std.real, norm.mean.real, norm.variance.real, norm.axis)
        for norm in trace.norm
    ]
    return replace(trace, norm=norms, **arrays)


def shaken(problem: Problem, rng: np.random.Generator) -> Problem:
    """The problem with its numbers, and each φ and φ' on the way, moved by one unit in their last places."""
    X, y = problem.data()
    X, y = np.asarray(X, float), as_targets(problem.net, y, len(X))
    layers = tuple(replace(layer, activation=shaky(layer.activation, rng)) for layer in problem.net.layers)
    return replace(
        problem,
        net=replace(problem.net, layers=layers),
        params=Parameters(problem.net, shake(problem.params.theta, rng)),
        X=shake(X, rng),
        y=np.clip(shake(y, rng), *problem.net.loss.targets),
    )


def shaky(phi: Activation, rng: np.random.Generator) -> Activation:
    """φ with another rounding of each of its values, and of the terms that its way back subtracts."""
    back = phi.pull_back
    return replace(
        phi,
        function=lambda u: np.clip(shake(phi.function(u), rng), *phi.range),
        derivative=lambda u: shake(phi.derivative(u), rng),
        pull_back=back and (lambda u, g: back(u, g) + phi.function(u) * rounding_of_terms(g, rng)),
    )


def rounding_of_terms(g: Array, rng: np.random.Generator) -> Array:
    """What rounding does to g_k − Σ p_j g_j, of which nothing else is left where softmax is sure: there p_k is 1."""
    largest = ABS(g).max(axis=-1, keepdims=True)  # no less than Σ p_j |g_j|
    return EPS * rng.choice((-1.0, 1.0), g.shape) * (ABS(g) + largest)


def shake(values: Array, rng: np.random.Generator) -> Array:
    """Each number times 1 ± eps."""
    return values * (1 + EPS * rng.choice((-1.0, 1.0), values.shape))


# --- Σ|terms| ---------------------------------------------------------------------------------------------------------


def term_sizes(problem: Problem) -> Named:
    """Σ |terms| of each quantity, by name; what is not named is measured by itself."""
    net, params = problem.net, problem.params
    trace, grad = problem.passes()
    weight, share = example_weights(net, trace, problem.sample_weight)
    y = as_targets(net, problem.data()[1], trace.m)
    ends = ABS(trace.a[net.L]) + ABS(y)
    moved = ABS(grad.a[net.L]) * ends  # what a rounded a_L does to ℓ, in units of rounding
    sizes: Named = {"loss": np.array(ABS(grad.loss) + share @ moved.sum(axis=1))}
    for l, layer in net.numbered():
        below = ABS(trace.a[l - 1])
        sizes[f"z[{l}]"] = below @ ABS(params.W[l]).T + ABS(params.b[l])
        delta = slopes = slope_sizes(problem, grad, l, weight * ends)
        if layer.norm:
            norm = trace.norm[l]
            x_hat = ABS(norm.x_hat) + ABS(trace.z[l]) * norm.inverse_std  # a difference of numbers as large as z
            sizes[f"u[{l}]"] = ABS(params.gamma[l] * norm.x_hat) + ABS(params.beta[l]) + 1
            sizes[f"grad_gamma[{l}]"] = (slopes * x_hat).T @ share
            sizes[f"grad_beta[{l}]"] = slopes.T @ share
            delta = norm_sizes(norm, params.gamma[l], slopes)
        sizes[f"a[{l}]"] = ABS(trace.h[l]) + ABS(trace.a[l])
        sizes[f"delta[{l}]"] = delta
        sizes[f"grad_b[{l}]"] = delta.T @ share
        sizes[f"grad_W[{l}]"] = delta.T @ (share[:, None] * below) + net.l2 * ABS(params.W[l])
        sizes[f"grad_a[{l - 1}]"] = delta @ ABS(params.W[l]) + ABS(grad.a[l - 1])
    return sizes


def slope_sizes(problem: Problem, grad: Gradients, l: int, ends: Array) -> Array:
    """The terms of ∂ℓ/∂u, `ends` those of p − y.

    Elsewhere |∂ℓ/∂a|: every way to write φ' has a rounding error of that size times the machine's.
    """
    return ABS(grad.u[l]) + (ends if l == problem.net.L and problem.net.has_short_form else ABS(grad.a[l]))


def norm_sizes(norm: Normalized, gamma: Array, grad_u: Array) -> Array:
    """The three terms of the norm's backward pass, each taken positive."""
    grad_x, x_hat = ABS(gamma) * grad_u, ABS(norm.x_hat)
    if norm.axis is None:
        return norm.inverse_std * grad_x
    means = grad_x.mean(axis=norm.axis, keepdims=True) + x_hat * (x_hat * grad_x).mean(axis=norm.axis, keepdims=True)
    return norm.inverse_std * (grad_x + means)
