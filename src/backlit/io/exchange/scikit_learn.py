"""scikit-learn's fitted networks: `MLPClassifier` and `MLPRegressor` to models."""

from typing import Any

import numpy as np

from backlit.core.network import Dense, Network
from backlit.core.norms import Statistics
from backlit.core.parameters import Parameters
from backlit.errors import ModelError
from backlit.io.models import Model
from backlit.io.tables import TargetCodec

ACTIVATIONS = {"logistic": "sigmoid"}
LOSSES = {
    "log_loss": {"softmax": "cross_entropy", "logistic": "binary_cross_entropy"},
    "squared_error": {"identity": "half_squared_error"},
    "poisson": {"exp": "poisson"},
}


def from_scikit_learn(estimator: Any) -> Model:
    """The model that a fitted scikit-learn network computes, in its dtype, with the same L2 term.

    Raises ModelError for what is not such a network, or is not fitted.
    """
    if not all(hasattr(estimator, name) for name in ("coefs_", "intercepts_", "out_activation_", "loss")):
        raise ModelError(f"{type(estimator).__name__} is not a fitted MLPClassifier or MLPRegressor: fit it first")
    coefs, intercepts = estimator.coefs_, estimator.intercepts_
    hidden = ACTIVATIONS.get(estimator.activation, estimator.activation)
    output = estimator.out_activation_
    layers = [Dense(W.shape[1], hidden) for W in coefs[:-1]]
    layers.append(Dense(coefs[-1].shape[1], ACTIVATIONS.get(output, output)))
    net = Network(coefs[0].shape[0], layers, loss=LOSSES[estimator.loss][output])
    arrays = {"W": [None, *(W.T for W in coefs)], "b": [None, *intercepts]}
    params = Parameters.from_arrays(net, arrays, coefs[0].dtype)
    classes = getattr(estimator, "classes_", None)
    codec = (
        None if classes is None or multilabel(estimator) else TargetCodec("target", "classification", plain(classes))
    )
    return Model(params, Statistics(net, coefs[0].dtype), target=codec)


def multilabel(estimator: Any) -> bool:
    """Whether each output is a label of its own."""
    return estimator.out_activation_ == "logistic" and estimator.coefs_[-1].shape[1] > 1


def plain(classes: np.ndarray) -> tuple[Any, ...]:
    """Labels as Python's own values."""
    return tuple(classes.tolist())
