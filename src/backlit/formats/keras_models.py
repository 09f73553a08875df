"""Keras's models: a `keras.Sequential` of dense layers to a model, by public attributes; Keras is not imported."""

from collections.abc import Iterator
from typing import Any

import numpy as np

from backlit.errors import ModelError, near
from backlit.formats.chains import ACTIVATIONS, Criterion, Dropout, Linear, Norm, Part, Phi, assemble
from backlit.formats.models import Model

__all__ = ["from_keras"]

NAMED = {  # Keras's activations → Backlit's
    **{theirs: ours for theirs, ours in ACTIVATIONS.values() if theirs},
    "exponential": "exp",
    "swish": "silu",
}
LAYERS = ("Activation", "BatchNormalization", "Dense", "Dropout", "ELU", "Flatten", "LayerNormalization", "LeakyReLU")


def from_keras(model: Any, *, loss: Any = None) -> Model:
    """The model that a `keras.Sequential` of dense layers computes, in its dtype.

    Parameters
    ----------
    model : keras.Sequential
        A built model of `Dense` layers with, after each, a norm, an activation and dropout where there are such.
    loss : str, mapping or keras loss, optional
        A loss of Keras's or of Backlit's; the one that the model was compiled with, if not given.  With `from_logits`
        its softmax or σ goes to the model's output, which then gives probabilities.

    Returns
    -------
    Model
        A model with the same outputs, loss and gradients.

    Raises
    ------
    ModelError
        If a layer or the loss is one that Backlit cannot express; the error names it.

    Examples
    --------
    >>> import keras
    >>> dense = keras.layers.Dense
    >>> model = keras.Sequential([keras.Input((4,)), dense(8, "relu"), dense(3, "softmax")])
    >>> from_keras(model, loss="sparse_categorical_crossentropy").net.n
    (4, 8, 3)
    """
    if not hasattr(model, "layers") or type(model).__name__ != "Sequential":
        raise ModelError(f"{type(model).__name__} is not a keras.Sequential: give one of dense layers")
    if not getattr(model, "built", True):
        raise ModelError("the model is not built and has no weights: call it on a batch, or give it an Input first")
    chain = [part for layer in model.layers for part in parts_of(layer)]
    outputs = next((part.W.shape[0] for _, part in reversed(chain) if isinstance(part, Linear)), 0)
    loss = getattr(model, "loss", None) if loss is None else loss
    return assemble(chain, None if loss is None else criterion_of(loss, outputs))


def is_keras_model(source: Any) -> bool:
    """Whether something is an object of Keras's."""
    return any(base.__module__.partition(".")[0] in ("keras", "tf_keras") for base in type(source).__mro__)


def parts_of(layer: Any) -> Iterator[tuple[str, Part]]:
    """The parts of a layer, whose own activation is a part too."""
    kind, name = type(layer).__name__, f"{layer.name} ({type(layer).__name__})"
    weights = [np.array(weight) for weight in layer.get_weights()]
    match kind:
        case "InputLayer" | "Flatten":
            return
        case "Dense":
            yield name, Linear(weights[0].T, weights[1] if layer.use_bias else None)
            yield name, activation_of(layer.activation, name)
        case "Activation" | "ReLU" | "Softmax":
            if kind == "ReLU" and (layer.max_value is not None or layer.negative_slope or layer.threshold):
                raise ModelError(
                    f"layer {name} has max_value, negative_slope or threshold, and Backlit's relu has none"
                )
            yield name, Phi(kind.lower()) if kind != "Activation" else activation_of(layer.activation, name)
        case "LeakyReLU":
            yield name, Phi({"name": "leaky_relu", "alpha": float(layer.negative_slope)})
        case "ELU":
            yield name, Phi({"name": "elu", "alpha": float(layer.alpha)})
        case "BatchNormalization" | "LayerNormalization":
            yield name, norm_of(layer, kind, weights)
        case "Dropout":
            yield name, Dropout(float(layer.rate))
        case _:
            raise ModelError(f"layer {name} is a layer that Backlit has not: {near(kind, LAYERS)}")


def norm_of(layer: Any, kind: str, weights: list[np.ndarray]) -> Norm:
    """A norm; its weights are scale and shift where it has them, then running moments."""
    units = int(layer.get_weights()[-1].size) if weights else 0
    gamma = weights.pop(0) if layer.scale else None
    beta = weights.pop(0) if layer.center else None
    if kind == "BatchNormalization":
        return Norm("batch", units, layer.epsilon, gamma, beta, weights[0], weights[1])
    return Norm("layer", units or int(layer.input.shape[-1]), layer.epsilon, gamma, beta)


def activation_of(function: Any, where: str) -> Phi:
    """An activation of Keras's by its function."""
    name = getattr(function, "__name__", type(function).__name__)
    if name not in NAMED:
        raise ModelError(f"layer {where} has the activation {name}, which Backlit has not: {near(name, NAMED)}")
    return Phi({"name": "leaky_relu", "alpha": 0.2} if name == "leaky_relu" else NAMED[name])


AVERAGED = {  # losses of Keras's that average over the outputs, and Backlit's that sum over them
    "binary_crossentropy": ("binary_cross_entropy", "sigmoid"),
    "huber": ("huber", None),
    "mean_absolute_error": ("absolute_error", None),
    "poisson": ("poisson", None),
}
SUMMED = {
    "categorical_crossentropy": ("cross_entropy", "softmax"),
    "sparse_categorical_crossentropy": ("cross_entropy", "softmax"),
    "mean_squared_error": ("mean_squared_error", None),
}
REDUCTIONS = {"sum_over_batch_size": "mean", "mean": "mean", "sum": "sum"}
OTHERWISE = {"mse": "mean_squared_error", "mae": "mean_absolute_error", "huber_loss": "huber"}


def criterion_of(loss: Any, outputs: int) -> Criterion:
    """A loss of Keras's, by name or as an object, or of Backlit's."""
    name = loss if isinstance(loss, str) else getattr(loss, "name", None) or getattr(loss, "__name__", None)
    known = {**AVERAGED, **SUMMED}
    name = OTHERWISE.get(str(name), str(name))
    if name not in known and is_keras_model(loss):
        raise ModelError(f"loss {name} is not one that Backlit has: {near(name, known)}")
    if name not in known:
        return Criterion(loss)
    spec, applied = known[name]
    if name in AVERAGED and outputs > 1:
        raise ModelError(f"loss {name} averages over the {outputs} outputs, and Backlit's {spec} is their sum")
    logits = bool(keyword(loss, "from_logits", False))
    if keyword(loss, "label_smoothing", 0):
        raise ModelError(f"loss {name} smooths labels, which no loss of Backlit's does: leave it out")
    whole: object = {"name": "huber", "delta": float(keyword(loss, "delta", 1.0))} if name == "huber" else spec
    reduction = REDUCTIONS.get(keyword(loss, "reduction", "mean"))
    if reduction is None:
        raise ModelError(
            f"loss {name} gives a number an example, and a cost is one number: reduction is its mean or sum"
        )
    return Criterion(whole, reduction, applied if logits else None, name)


def keyword(loss: Any, name: str, default: Any) -> Any:
    """An option of a loss object: from its configuration, or (Huber's leaves δ out) from how it was made."""
    config = loss.get_config() if hasattr(loss, "get_config") else {}
    return {**getattr(loss, "_fn_kwargs", {}), **config}.get(name, default)
