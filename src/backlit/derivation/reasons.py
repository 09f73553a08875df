"""Which inputs moved a network's answer away from that to a typical row, and through which units.

The path from the typical input x₀ to x is straight, x(t) = x₀ + t (x − x₀).  What input i moves by way of unit j of
layer 1 is w_ji (x_i − x₀_i) ∫₀¹ δ_j(t) dt: the weight, how far the input is from the typical one, and the mean error
signal of the unit on the way, δ being the slope of the score F in place of a loss.  What a unit of a later layer passes
on is ∫ ∂F/∂a_j da_j along the same path.  Through a layer that no skip passes by, all of it sums to F(x) − F(x₀).

F is the predicted number, or the log-odds of the predicted class.  Source: Sundararajan, Taly & Yan 2017 (integrated
gradients); Dhamdhere, Sundararajan & Yan 2019 (conductance).
"""

from dataclasses import dataclass, replace

import numpy as np

from backlit.core.activations import get_activation
from backlit.core.network import Network
from backlit.core.parameters import Parameters
from backlit.core.passes import backward, forward
from backlit.core.problem import Problem

Array = np.ndarray
POINTS = 513  # of the path, ends included


@dataclass(frozen=True)
class Moves:
    """What moved a score.

    score, base : F of the row and of the typical row.  chosen : the predicted class, 0 for a number.  through : (n_1,
    n_0) by unit of layer 1 and input.  units : for each hidden layer (n_l,), `units[1]` that of layer 1; units[0] None.
    inputs : (n_0,), by whatever way.  typical : for each layer a of the typical row.
    """

    score: float
    base: float
    chosen: int
    inputs: Array
    through: Array
    units: list[Array | None]
    typical: list[Array]


def score_network(net: Network, *, classes: bool) -> Network:
    """The network up to the scores that softmax or a sigmoid takes, or as it is.

    Half a squared error takes any slope.
    """
    layers = list(net.layers)
    if classes:
        layers[-1] = replace(layers[-1], activation=get_activation("identity"))
    return Network(net.inputs, layers, loss="half_squared_error")


def of_class(s: Array, chosen: Array) -> tuple[Array, Array]:
    """F (m,) = s_k − ln Σ_{j≠k} e^{s_j} of scores s (m, K), k = chosen, or a number itself (K = 1); ∂F/∂s (m, K)."""
    if s.shape[1] == 1:
        return s[:, 0], np.ones_like(s)
    at = np.arange(len(s))
    others = s.copy()
    others[at, chosen] = -np.inf
    top = others.max(axis=1)
    e = np.exp(others - top[:, None])
    grad = -e / e.sum(axis=1, keepdims=True)
    grad[at, chosen] = 1.0
    return s[at, chosen] - top - np.log(e.sum(axis=1)), grad


def moves(problem: Problem) -> Moves:
    """What moved the score of a problem's first example, which is a row of a table."""
    row = problem.row
    assert row is not None
    net = score_network(problem.net, classes=bool(row.classes))
    params = Parameters(net, problem.params.theta)
    x = np.asarray(problem.data()[0], np.float64)[0]
    path = row.typical + np.linspace(0, 1, POINTS)[:, None] * (x - row.typical)
    trace = forward(net, params, path, statistics=problem.statistics)
    a = trace.a[-1]
    two = len(row.classes) == 2 and a.shape[1] == 1
    scores = np.hstack([np.zeros_like(a), a]) if two else a
    chosen = int(scores[-1].argmax())
    F, slope = of_class(scores, np.full(POINTS, chosen))
    grad = backward(net, params, trace, a - slope[:, -a.shape[1] :])  # half a squared error whose a − y is that slope
    delta = integral(grad.delta[1])
    units = [None, *(passed_on(grad.a[l], trace.a[l]) for l in range(1, net.L))]
    return Moves(
        float(F[-1]),
        float(F[0]),
        chosen,
        integral(grad.a[0]) * (x - row.typical),
        delta[:, None] * params.W[1] * (x - row.typical),
        units,
        [values[0] for values in trace.a],
    )


def integral(values: Array) -> Array:
    """∫₀¹ of values (POINTS, n) at points that lie evenly, by trapezoids."""
    return (values[:-1] + values[1:]).sum(axis=0) / 2 / (POINTS - 1)


def passed_on(slope: Array, a: Array) -> Array:
    """∫ ∂F/∂a da along the path, by trapezoids."""
    result: Array = ((slope[:-1] + slope[1:]) / 2 * np.diff(a, axis=0)).sum(axis=0)
    return result
