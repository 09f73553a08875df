"""The constructor parameters that describe a network which was made elsewhere, as far as they can."""

from typing import Any

from backlit.core.network import Network
from backlit.errors import ModelError
from backlit.estimators.losses import SQUARED, is_for_classes

SKLEARN_WORDS = {"sigmoid": "logistic"}


def described_as(name: str, net: Network) -> dict[str, Any]:
    """hidden_layer_sizes, activation, norm, dropout (of the first hidden layer, where they differ) and loss.

    Raises ModelError if the loss belongs to the other class.
    """
    classifies = is_for_classes(net.loss)
    if classifies != (name == "MLPClassifier"):
        raise ModelError(f"its loss is {net.loss.name}: load it by {'MLPClassifier' if classifies else 'MLPRegressor'}")
    hidden = net.layers[:-1]
    specs = [SKLEARN_WORDS.get(layer.activation.name, layer.activation.spec) for layer in hidden]
    params: dict[str, Any] = {"hidden_layer_sizes": tuple(layer.units for layer in hidden)}
    if hidden:
        params["activation"] = specs[0] if all(spec == specs[0] for spec in specs) else tuple(specs)
        params |= {"norm": hidden[0].norm, "dropout": hidden[0].dropout}
    if net.loss.name == "cross_entropy" and net.outputs == 2:
        params["loss"] = "cross_entropy"  # two classes with a column each, where "auto" has one for both
    if not classifies and net.loss.name not in SQUARED:
        params["loss"] = net.loss.spec
    return params
