"""A remedy in scikit-learn's words: keyword arguments of `MLPClassifier` and `MLPRegressor`.

>>> from backlit.core import Dense, Network
>>> net = Network(4, [Dense(8, "tanh", norm="layer"), Dense(1)])
>>> estimator_arguments(net, {"name": "adam", "learning_rate": 0.01}, "lecun_normal", {})
{'hidden_layer_sizes': [8], 'activation': 'tanh', 'norm': 'layer', 'solver': 'adam', 'learning_rate_init': 0.01, \
'init': 'lecun_normal'}
"""

from collections.abc import Mapping
from typing import Any

from backlit.core.network import Network

SOLVERS = {"adam": "adam", "sgd": "sgd"}


def estimator_arguments(
    net: Network, optimizer: Mapping[str, Any], scheme: Any, recipe: Mapping[str, float]
) -> dict[str, Any] | None:
    """The arguments, None if the estimators cannot say it: skips, clip_value, hidden layers of several kinds.

    The output layer and the loss are the estimators' own.  An optimizer that is neither "adam" nor "sgd" is left out.
    """
    hidden = net.layers[:-1]
    kinds = {(layer.activation, layer.norm, layer.dropout) for layer in hidden}
    if len(kinds) != 1 or "clip_value" in recipe or any(layer.skip_from is not None for layer in net.layers):
        return None
    ((phi, norm, dropout),) = kinds
    arguments: dict[str, Any] = {"hidden_layer_sizes": [layer.units for layer in hidden], "activation": phi.spec}
    arguments |= ({"norm": norm} if norm else {}) | ({"dropout": dropout} if dropout else {})
    if optimizer.get("name") in SOLVERS:
        arguments |= {"solver": SOLVERS[optimizer["name"]]}
        arguments |= {"learning_rate_init": recipe.get("learning_rate", optimizer["learning_rate"])}
        if optimizer["name"] == "sgd":
            arguments |= {"momentum": optimizer["momentum"], "nesterovs_momentum": optimizer["nesterov"]}
    arguments |= {} if scheme is None else {"init": scheme}
    return arguments | ({"clip_norm": recipe["clip_norm"]} if "clip_norm" in recipe else {})
