"""scikit-learn's fitted networks: `MLPClassifier` and `MLPRegressor`, alone or at the end of a pipeline, to models."""

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import numpy as np

from backlit.core.network import Dense, Network
from backlit.core.parameters import Parameters, Statistics
from backlit.errors import ModelError
from backlit.formats.models import Model
from backlit.tables import TargetCodec

__all__ = ["from_scikit_learn"]

ACTIVATIONS = {"logistic": "sigmoid"}
LOSSES = {
    "log_loss": {"softmax": "cross_entropy", "logistic": "binary_cross_entropy"},
    "squared_error": {"identity": "half_squared_error"},
    "poisson": {"exp": "poisson"},
}


def from_scikit_learn(estimator: Any) -> Model:
    """The model that a fitted network of scikit-learn computes, in its dtype and with its classes.

    What belongs to training, such as alpha, is not in it.

    Parameters
    ----------
    estimator : sklearn.neural_network.MLPClassifier, MLPRegressor, or a Pipeline that ends in one
        A fitted estimator.  Steps of a pipeline that scale columns go into the first layer, which then takes X as the
        pipeline does: StandardScaler, MinMaxScaler, MaxAbsScaler and RobustScaler, and "passthrough".

    Returns
    -------
    Model
        A model with the same outputs.

    Raises
    ------
    ModelError
        If the estimator is not such a network, or is not fitted, or a step of the pipeline does more than scale; the
        error names the step.

    Examples
    --------
    >>> from sklearn.neural_network import MLPRegressor
    >>> X = np.linspace(-1, 1, 20)[:, None]
    >>> theirs = MLPRegressor(hidden_layer_sizes=(4,), solver="lbfgs", random_state=0).fit(X, X[:, 0])
    >>> from_scikit_learn(theirs).net.n
    (1, 4, 1)
    """
    if hasattr(estimator, "steps"):
        return scaled_first(from_scikit_learn(estimator.steps[-1][1]), estimator.steps[:-1])
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


def scaled_first(model: Model, steps: Sequence[tuple[str, Any]]) -> Model:
    """The model behind the scaling steps of a pipeline, which its first layer takes over."""
    params = model.params.copy()
    for name, step in reversed(steps):
        scale, shift = scaling(name, step)
        params.b[1][...] += params.W[1] @ np.broadcast_to(shift, model.net.inputs)
        params.W[1][...] *= scale
    return replace(model, params=params)


def scaling(name: str, step: Any) -> tuple[Any, Any]:
    """(scale, shift) of a step that takes x to scale · x + shift."""
    if step is None or step == "passthrough":
        return 1.0, 0.0
    match type(step).__name__:
        case "StandardScaler":
            scale = 1 / step.scale_ if step.with_std else 1.0
            return scale, -(step.mean_ if step.with_mean else 0.0) * scale
        case "RobustScaler":
            scale = 1 / step.scale_ if step.with_scaling else 1.0
            return scale, -(step.center_ if step.with_centering else 0.0) * scale
        case "MaxAbsScaler":
            return 1 / step.scale_, 0.0
        case "MinMaxScaler" if not step.clip:
            return step.scale_, step.min_
    raise ModelError(
        f"step {name} of the pipeline is {type(step).__name__}, which is no scaling of columns: apply it to X, and "
        f"give the network alone"
    )
