"""Random networks for tests of the checker: depths, widths, activations, losses, norms, dropout, skips, batch sizes."""

import numpy as np

from backlit.core import Dense, Network
from backlit.core.problem import Problem
from backlit.optim import Sgd

HIDDEN = ("sigmoid", "tanh", "relu", {"name": "leaky_relu", "alpha": 0.2}, "elu", "softplus", "silu", "softsign")
OUTPUTS = (
    ("identity", "half_squared_error"),
    ("identity", "squared_error"),
    ("sigmoid", "half_squared_error"),
    ("tanh", "mean_squared_error"),
    ("softmax", "cross_entropy"),
    ("softmax", "half_squared_error"),
    ("sigmoid", "binary_cross_entropy"),
    ("exp", "poisson"),
)


def draw_problem(rng: np.random.Generator, *, l2: float | None = None, plain: bool = False) -> Problem:
    """A problem with inputs on which mistakes show: b ≠ 0, γ ≠ 1, more than one example, widths sometimes equal.

    plain : no norm, dropout or skip.
    """
    depth = int(rng.integers(2, 5))
    same = int(rng.integers(2, 6))
    widths = [same if rng.random() < 0.5 else int(rng.integers(2, 7)) for _ in range(depth + 1)]
    activation, loss = OUTPUTS[rng.integers(len(OUTPUTS))]
    layers = [draw_layer(rng, widths, l, plain) for l in range(1, depth)]
    layers.append(Dense(widths[depth], activation))
    penalty = float(rng.choice([0.0, 0.05, 0.2])) if l2 is None else l2
    reduction = "sum" if rng.random() < 0.1 else "mean"
    net = Network(widths[0], layers, loss=loss, reduction=reduction, l2=penalty)
    params = net.init("xavier_normal", seed=int(rng.integers(1 << 30)))
    params.theta += 0.3 * rng.standard_normal(params.theta.shape)
    m = int(rng.choice([3, 5, 7, 11]))
    X = rng.standard_normal((m, widths[0]))
    return Problem(net, params, X, draw_targets(rng, loss, m, widths[depth]), optimizer=Sgd(learning_rate=0.3), seed=1)


def draw_layer(rng: np.random.Generator, widths: list[int], l: int, plain: bool) -> Dense:
    options = {}
    if not plain:
        options["norm"] = rng.choice(np.array([None, None, None, "batch", "layer"], dtype=object))
        options["dropout"] = float(rng.choice([0.0, 0.0, 0.3]))
        earlier = [k for k in range(l) if widths[k] == widths[l]]
        if earlier and rng.random() < 0.3:
            options |= {"skip_from": int(rng.choice(earlier)), "skip_scale": float(rng.choice([1.0, 0.5]))}
    return Dense(widths[l], HIDDEN[rng.integers(len(HIDDEN))], **options)


def draw_targets(rng: np.random.Generator, loss: str, m: int, n: int):
    if loss == "cross_entropy":
        return rng.integers(0, n, m)
    if loss == "binary_cross_entropy":
        return rng.integers(0, 2, (m, n)).astype(float)
    if loss == "poisson":
        return rng.poisson(2.0, (m, n)).astype(float)
    return rng.standard_normal((m, n))
