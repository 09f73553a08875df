"""The named quantities of one problem: what may be claimed, its shape, and the order in which it is computed.

>>> from backlit.core.network import Dense, Network
>>> list(shapes(Network(2, [Dense(1)]), m=3))[:4]
['a[0]', 'z[1]', 'u[1]', 'a[1]']
"""

from collections.abc import Iterator

import numpy as np

from backlit.core.network import Network
from backlit.core.parameters import Parameters, trainable
from backlit.core.passes import Gradients, Trace, total_loss
from backlit.core.passes import forward as forward_pass
from backlit.core.problem import Problem
from backlit.errors import ProblemError
from backlit.optim import clip_by_norm, clip_by_value

Array = np.ndarray
Named = Iterator[tuple[str, Array]]
Values = dict[str, Array]  # by name, in the order of computation

FORWARD = ("z", "u", "a")
PARAMETER_GRADIENTS = ("grad_gamma", "grad_beta", "grad_b", "grad_W")
BACKWARD = ("grad_a", "delta", *PARAMETER_GRADIENTS)
LAYERED = (*FORWARD, *BACKWARD)  # these hold one array a layer
KEYS = (*LAYERED, "loss", "update")


def shapes(net: Network, m: int) -> dict[str, tuple[int, ...]]:
    """The shape of every quantity of m examples, in the order of computation; update's are theta's and the loss's."""
    n = net.n
    found: dict[str, tuple[int, ...]] = {"a[0]": (m, net.n[0])}
    for l, _ in net.numbered():
        found |= {f"{key}[{l}]": (m, n[l]) for key in FORWARD}
    found["loss"] = ()
    for l in range(net.L, 0, -1):
        found |= {f"grad_a[{l}]": (m, n[l]), f"delta[{l}]": (m, n[l])}
        if net.layer(l).norm:
            found |= {f"grad_gamma[{l}]": (n[l],), f"grad_beta[{l}]": (n[l],)}
        found |= {f"grad_b[{l}]": (n[l],), f"grad_W[{l}]": (n[l], n[l - 1])}
    found["grad_a[0]"] = (m, n[0])
    for l, layer in net.numbered():
        found |= {f"update.W[{l}]": (n[l], n[l - 1]), f"update.b[{l}]": (n[l],)}
        if layer.norm:
            found |= {f"update.gamma[{l}]": (n[l],), f"update.beta[{l}]": (n[l],)}
    return found | {"update.loss": ()}


def layer_of(name: str) -> int | None:
    """The layer in a quantity's name: 2 for "grad_W[2]", None for "loss"."""
    return int(name[name.index("[") + 1 : -1]) if "[" in name else None


def key_of(name: str) -> str:
    """The key in a quantity's name: "grad_W" for "grad_W[2]"."""
    return name.partition("[")[0]


def right_values(problem: Problem, *, steps: int | None = None) -> Values:
    """Every quantity of a problem by the textbook's closed form, float64, in the order of computation.

    steps : how many optimizer steps `update` is after; None leaves update out.  Raises ProblemError if the problem
    lacks what is asked for.
    """
    trace, grad = problem.passes()
    values = dict(forward_values(problem.net, trace)) | {"loss": np.array(grad.loss)}
    values |= dict(backward_values(problem.net, grad))
    return values if steps is None else values | dict(update_values(problem, steps))


def forward_values(net: Network, trace: Trace) -> Named:
    """a[0], then z, u and a of each layer."""
    yield "a[0]", trace.a[0]
    for l, _ in net.numbered():
        for key in FORWARD:
            yield f"{key}[{l}]", getattr(trace, key)[l]


def backward_values(net: Network, grad: Gradients) -> Named:
    """From the output down: grad_a, delta, and the gradients of the layer's parameters."""
    for l in range(net.L, 0, -1):
        yield f"grad_a[{l}]", grad.a[l]
        yield f"delta[{l}]", grad.delta[l]
        if net.layer(l).norm:
            yield f"grad_gamma[{l}]", grad.gamma[l]
            yield f"grad_beta[{l}]", grad.beta[l]
        yield f"grad_b[{l}]", grad.b[l]
        yield f"grad_W[{l}]", grad.W[l]
    yield "grad_a[0]", grad.a[0]


def update_values(problem: Problem, steps: int) -> Named:
    """Parameters and cost after `steps` optimizer steps on the whole of x."""
    if problem.optimizer is None:
        raise ProblemError(
            f'{problem.name}: "update" is claimed, but no optimizer says how a step is made: '
            'give "optimizer": {"name": "sgd", "learning_rate": 0.5}'
        )
    params, slots = problem.params.copy(), problem.optimizer.init(problem.params.theta)
    for t in range(steps):
        _, grad = problem.passes(params, step=t)
        change, slots = optimizer_step(problem, params, grad.theta, slots, t + 1)
        params.theta += change
    yield from updated(problem, params, steps)


def optimizer_step(problem: Problem, params: Parameters, g: Array, slots: tuple[Array, ...], t: int) -> tuple:
    """Clip g, and let the problem's optimizer turn it into (the change of theta, its new state)."""
    optimizer, frozen = problem.optimizer, ~trainable(problem.net)
    assert optimizer is not None
    g = clip_by_value(clip_by_norm(g, problem.clip_norm), problem.clip_value)
    g = np.where(frozen, 0, g)
    change, slots = optimizer.update(g, slots, t, lr=optimizer.learning_rate, theta=params.theta)
    return np.where(frozen, 0, change), slots


def updated(problem: Problem, params: Parameters, steps: int) -> Named:
    """The quantities of `update` for the new parameters that the last of some steps left."""
    X, y = problem.data()
    for slot, value in params.items():
        yield f"update.{slot}", value
    masks = problem.dropout_key(steps - 1)  # of the last step, so that the costs before and after it compare
    trace = forward_pass(problem.net, params, X, dropout=masks, statistics=problem.statistics)
    yield "update.loss", np.array(float(total_loss(problem.net, params, trace, y, problem.sample_weight)))
