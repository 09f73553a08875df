"""Both passes in fractions: `core`'s own lines, run on exact numbers, beside the floats that they made before.

What is no fraction, as after a root, a logarithm or an exponential, is `core`'s own float.  FRACTIONS is the
arithmetic: a formula without exp, ln and their kin is exact in it.

>>> from backlit.core import Dense, Network, Parameters
>>> net = Network(2, [Dense(1)])
>>> params = Parameters.from_arrays(net, {"W": [None, [[0.5, 0.1]]]})
>>> problem = Problem(net, params, np.array([[1, 2]]), np.array([1.0]))
>>> params, trace, grad = exact_passes(problem, *problem.passes())
>>> grad.W[1]
array([[Fraction(-3, 10), Fraction(-3, 5)]], dtype=object)
>>> softsign = lambda u, f: u / (1 + f.abs(u))
>>> softsign(Fraction(-1, 3), FRACTIONS)
Fraction(-1, 4)
"""

import sys
from collections.abc import Callable
from contextlib import suppress
from dataclasses import replace
from fractions import Fraction
from typing import Any

import numpy as np

from backlit.core import passes
from backlit.core.activations import Activation
from backlit.core.exact import Exact, exact_array, numbers, root, written
from backlit.core.formulas import COMPARED, Arithmetic, Formula, Unsupported
from backlit.core.losses import Loss
from backlit.core.network import Dense, Network
from backlit.core.norms import Normalized
from backlit.core.parameters import Parameters, Statistics
from backlit.core.passes import ByLayer, Gradients, Trace
from backlit.core.problem import Problem

Array = np.ndarray
ZERO, ONE = Fraction(0), Fraction(1)
TINY = Fraction(sys.float_info.min)


def indicator(holds: bool) -> Fraction:
    """1 or 0."""
    return ONE if holds else ZERO


def exact_root(value: Fraction) -> Fraction:
    """√ of a fraction that has one.  Raises Unsupported for another."""
    found = root(value)
    if found is None:
        raise Unsupported
    return found


FUNCTIONS: dict[str, Callable[..., Fraction]] = {
    "abs": abs,
    "sign": lambda r: indicator(r > 0) - indicator(r < 0),
    "max": max,
    "min": min,
    "sqrt": exact_root,
    "holds": lambda a, relation, b: indicator(COMPARED[relation](a, b)),
    "where": lambda a, relation, b, then, otherwise: then if COMPARED[relation](a, b) else otherwise,
    "tie": lambda a, b, then, otherwise: then if a == b else otherwise,
    "ratio": lambda y, a: y / a if y and a >= TINY else ZERO,
}


def of_fractions(name: str, *args: Any) -> Fraction:
    """A function by name.  Raises Unsupported for one whose values are not fractions."""
    if name not in FUNCTIONS:
        raise Unsupported
    return FUNCTIONS[name](*(Fraction(arg) if isinstance(arg, int) else arg for arg in args))


FRACTIONS = Arithmetic(written, of_fractions)


# --- both passes -----------------------------------------------------------------------------------------------------


def exact_passes(
    problem: Problem, trace: Trace, grad: Gradients, params: Parameters | None = None, step: int = 0
) -> tuple[Parameters, Trace, Gradients]:
    """Parameters, trace and gradients in fractions, beside the floats of `problem.passes`.

    params : in fractions, as far as they are, where they are not the problem's.  step : of the optimizer.
    """
    net = exact_network(problem.net)
    X, y = problem.data()
    theta = exact_array(problem.params.theta) if params is None else numbers(params.theta)
    at = Parameters(net, theta)
    key, statistics = problem.dropout_key(step), exact_statistics(problem.statistics)
    ours = passes.forward(net, at, exact_array(X), dropout=key, statistics=statistics)
    back = passes.backward(net, at, ours, y, problem.sample_weight)
    cost = passes.total_loss(net, at, ours, y, problem.sample_weight)
    plain = Parameters(problem.net, lifted(np.asarray(theta, float), theta))
    return plain, lifted_trace(trace, ours), lifted_gradients(problem.net, grad, back, cost)


def exact_network(net: Network) -> Network:
    """The same network, whose functions take and give exact numbers."""
    layers = [replace(layer, activation=exact_activation(layer.activation)) for layer in net.layers]
    return replace(net, layers=tuple(layers), loss=exact_loss(net.loss))


def exact_activation(phi: Activation) -> Activation:
    """φ on exact numbers: by its formulas where they give fractions, else in floats."""
    pull_back = None if phi.pull_back is None else in_floats(phi.pull_back)
    function, derivative = in_floats(phi.function), in_floats(phi.derivative)
    return replace(
        phi,
        function=by_formula(phi.formula, function),
        derivative=by_formula(phi.derivative_formula, derivative),
        pull_back=pull_back,
    )


def by_formula(formula: Formula | None, function: Callable[[Array], Array]) -> Callable[[Array], Array]:
    """A function of exact numbers, one by one: a formula's fraction where it has one, else the function's float."""
    if formula is None:
        return function

    def made(u: Array) -> Array:
        found = function(u)
        for at, number in np.ndenumerate(u):
            if number.is_exact:
                with suppress(Unsupported, ZeroDivisionError):
                    found[at] = Exact(formula(number.value, FRACTIONS))
        return found

    return made


def exact_loss(loss: Loss) -> Loss:
    """ℓ on exact numbers: as it is written where it has a formula, a logarithm in floats; a user's own in floats."""
    if loss.formula is None or loss.gradient_formula is None:
        return replace(loss, value=in_floats(loss.value), gradient=in_floats(loss.gradient))
    return replace(
        loss,
        value=lambda a, y: exact_array(loss.value(a, y)),
        gradient=lambda a, y: exact_array(loss.gradient(a, y)),
    )


def in_floats(function: Callable[..., Array]) -> Callable[..., Array]:
    """A function of floats, for arrays of exact numbers."""
    return lambda *arrays: numbers(function(*(np.asarray(a, float) for a in arrays)).astype(object))


def exact_statistics(statistics: Statistics | None) -> Statistics | None:
    """Running moments as the decimals that they are written as."""
    if statistics is None:
        return None
    made = statistics.copy()
    for moments in (made.mean, made.variance):
        moments[:] = [None if moment is None else exact_array(moment) for moment in moments]
    return made


def exact_slopes(layer: Dense, u: Array) -> Array:
    """φ'(u) of numbers of which some are fractions."""
    core = layer.activation.derivative(u.astype(float))
    return lifted(core, exact_activation(layer.activation).derivative(numbers(u)))


def exact_losses(problem: Problem, trace: Trace) -> Array:
    """ℓ_i of a trace of which some numbers are fractions, (m,)."""
    y = problem.data()[1]
    last = {name: getattr(trace, name)[-1] for name in ("a", "u")}
    floats = replace(trace, a=[trace.a[0].astype(float), last["a"].astype(float)], u=[last["u"].astype(float)])
    ours = replace(trace, a=[trace.a[0], numbers(last["a"])], u=[numbers(last["u"])])
    core = passes.example_losses(problem.net, floats, y)
    return lifted(core, passes.example_losses(exact_network(problem.net), ours, y))


# --- back to plain numbers --------------------------------------------------------------------------------------------


def lifted(core: Any, made: Any) -> Array:
    """`core`'s floats, with what is a fraction in its place."""
    found = np.asarray(core, float).astype(object)
    for at, number in np.ndenumerate(np.broadcast_to(np.asarray(made, object), found.shape)):
        exact = number if isinstance(number, Exact) else Exact(number)
        if exact.is_exact and np.isfinite(found[at]):
            found[at] = exact.value
    return found


def by_layer(core: ByLayer, made: ByLayer) -> ByLayer:
    """Each layer's numbers, None where there are none."""
    return [None if ours is None else lifted(floats, ours) for floats, ours in zip(core, made, strict=True)]


def lifted_trace(core: Trace, made: Trace) -> Trace:
    """A trace with fractions in it."""
    pairs = zip(core.norm, made.norm, strict=True)
    norms = [None if ours is None else lifted_norm(floats, ours) for floats, ours in pairs]
    quantities = {name: by_layer(getattr(core, name), getattr(made, name)) for name in ("z", "u", "h", "a", "mask")}
    return Trace(norm=norms, **quantities)


def lifted_norm(core: Normalized, made: Normalized) -> Normalized:
    """What a normalization leaves, with fractions in it."""
    names = ("x_hat", "inverse_std", "mean", "variance")
    moved: dict[str, Any] = {name: lifted(getattr(core, name), getattr(made, name)) for name in names}
    return replace(core, **moved)


def lifted_gradients(net: Network, core: Gradients, made: Gradients, cost: Exact) -> Gradients:
    """Gradients with fractions in them."""
    theta = lifted(core.theta, made.theta)
    quantities = {name: by_layer(getattr(core, name), getattr(made, name)) for name in ("a", "u", "delta")}
    C: Any = lifted(core.loss, cost)[()]
    return Gradients(C, Parameters(net, theta), **quantities)
