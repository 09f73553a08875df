"""What a fit that goes on, by `warm_start` or `partial_fit`, must find as it left it: the network's own parameters.

The others, such as rates, patience, `alpha` or `max_iter`, may change between calls, as in scikit-learn.
"""

from typing import Any

import numpy as np

from backlit.errors import ProblemError
from backlit.estimators.network import build_network
from backlit.optim import Optimizer

NETWORK_PARAMETERS = ("hidden_layer_sizes", "activation", "norm", "dropout", "skip", "loss")
OPTIMIZER_PARAMETERS = ("optimizer", "solver", "momentum")


def current(estimator: Any) -> dict[str, Any]:
    """What describes the network and the optimizer's memory, in copies that a caller's list or mapping cannot change.

    >>> from backlit import MLPRegressor
    >>> current(MLPRegressor(hidden_layer_sizes=[8]))["hidden_layer_sizes"]
    [8]
    """
    return {name: plain(getattr(estimator, name)) for name in (*NETWORK_PARAMETERS, *OPTIMIZER_PARAMETERS)}


def plain(value: Any) -> Any:
    """A list for an array, and containers in copies."""
    if isinstance(value, np.ndarray):
        return value.tolist()
    return value.copy() if isinstance(value, list | dict) else value


def check_network(estimator: Any) -> None:
    """Raise ProblemError if the parameters now describe another network than the one that was trained.

    Another spelling of the same, such as 8 for (8,), is no change.
    """
    changed = changes(estimator, NETWORK_PARAMETERS)
    if not changed:
        return
    net = estimator.network_
    _, phi, loss = estimator._output()
    if build_network(estimator, net.inputs, net.outputs, phi, loss, net.l2) != net:
        raise ProblemError(
            f"{changed}, but a fit that goes on keeps its network: set it back, or start anew "
            f"(fit with warm_start=False, or a new estimator)"
        )


def check_optimizer(estimator: Any, now: Optimizer) -> None:
    """Raise ProblemError if the optimizer cannot go on with the averages that another one left.

    now : the optimizer that the parameters describe.
    """
    before, theta = estimator._learned_by, estimator._params.theta[:1]
    if before is None or (type(before) is type(now) and len(before.init(theta)) == len(now.init(theta))):
        return
    changed = changes(estimator, OPTIMIZER_PARAMETERS) or f"the optimizer was {before.name} and is {now.name}"
    raise ProblemError(
        f"{changed}, but partial_fit goes on with the averages of {before.name}: set it back, or go on by fit with "
        f"warm_start=True, which starts the optimizer anew"
    )


def changes(estimator: Any, names: tuple[str, ...]) -> str:
    """The parameters that are other than when training began, as "norm was None and is 'batch'"; "" if none is."""
    before, now = estimator._fitted_with, current(estimator)
    changed = [name for name in names if before is not None and not same(before[name], now[name])]
    return "; ".join(f"{name} was {before[name]!r} and is {now[name]!r}" for name in changed)


def same(one: Any, other: Any) -> bool:
    """Whether two values of a parameter are equal and of one type."""
    return one is other or (type(one) is type(other) and bool(one == other))
