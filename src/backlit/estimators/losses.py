"""The output's activation and the loss, from `loss` and the task; a user's plain NumPy function among them."""

from typing import Any

import numpy as np

from backlit.core.activations import Activation, get_activation
from backlit.core.groups import softmax_by_groups
from backlit.core.losses import Loss, get_loss
from backlit.core.specs import read_spec
from backlit.errors import ProblemError

Array = np.ndarray
INF = float("inf")
NAMES = {"logistic": "sigmoid"}  # scikit-learn's words
SQUARED = ("half_squared_error", "squared_error", "mean_squared_error")
CLASS_LOSSES = ("auto", "cross_entropy", "binary_cross_entropy", *SQUARED)
NUMBER_LOSSES = (
    "squared_error",
    "half_squared_error",
    "mean_squared_error",
    "absolute_error",
    "huber",
    "quantile",
    "poisson",
)
TAKES = {"huber": ("delta",), "quantile": ("quantile",)}


def activation_of(spec: Any) -> Activation:
    """A hidden layer's activation: a name, scikit-learn's "logistic" too, a spec, an object, or a user's function."""
    return get_activation(NAMES.get(spec, spec) if isinstance(spec, str) else spec)


def name_of(loss: Any, known: tuple[str, ...]) -> str | None:
    """The checked name of a loss that is given by name or spec; None for a user's own function."""
    if isinstance(loss, Loss) or callable(loss):
        return None
    return read_spec(loss, "loss", known, {name: taken for name, taken in TAKES.items() if name in known})[0]


def class_output(loss: Any, kind: str, groups: tuple[int, ...]) -> tuple[str, Activation, Loss]:
    """The output of a classifier: scikit-learn's word for its activation, the activation, and the loss.

    kind : of the targets, see `labels`.  Raises ProblemError for a loss that does not fit them.
    """
    name, several = name_of(loss, CLASS_LOSSES), kind == "multiclass-multioutput"
    sigmoid = (kind in ("binary", "multilabel-indicator") or name == "binary_cross_entropy") and not several
    if name == "cross_entropy":
        sigmoid = False
    if name == "cross_entropy" and kind == "multilabel-indicator":
        raise ProblemError('loss cross_entropy is for one label an example, but y has several: use "auto"')
    if name == "binary_cross_entropy" and several:
        raise ProblemError(
            'loss binary_cross_entropy is for yes or no, but y has labels of several classes: use "auto"'
        )
    if name == "auto":
        loss = "binary_cross_entropy" if sigmoid else "cross_entropy"
    word = "logistic" if sigmoid else "softmax"
    phi = softmax_by_groups(groups) if several else get_activation(NAMES.get(word, word))
    return word, phi, get_loss(loss)


def number_output(loss: Any) -> tuple[str, Activation, Loss]:
    """The output of a regressor, as `class_output`: exp for counts, else identity."""
    name = name_of(loss, NUMBER_LOSSES)
    if name == "squared_error":  # scikit-learn halves it, and does not say so
        loss = "half_squared_error"
    word = "exp" if name == "poisson" else "identity"
    return word, get_activation(word), get_loss(loss)


def check_targets(loss: Loss, Y: Array) -> None:
    """Raise ValueError if a target lies outside what the loss is defined at."""
    low, high = loss.targets
    if len(Y) and (Y.min() < low or Y.max() > high):
        wrong = Y.min() if Y.min() < low else Y.max()
        domain = f">= {low:g}" if high == INF else f"in [{low:g}, {high:g}]"
        raise ProblemError(f"y holds {wrong:g}, but the loss {loss.name} takes targets {domain}")
