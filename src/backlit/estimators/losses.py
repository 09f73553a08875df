"""The output's activation and the loss, from `loss` and the task; a user's plain NumPy function among them."""

from typing import Any

import numpy as np

from backlit.core.activations import Activation, get_activation
from backlit.core.groups import softmax_by_groups
from backlit.core.losses import LOSSES, Loss, get_loss
from backlit.core.specs import read_spec
from backlit.errors import ProblemError

Array = np.ndarray
INF = float("inf")
NAMES = {"logistic": "sigmoid"}  # scikit-learn's words
SQUARED = ("half_squared_error", "squared_error", "mean_squared_error")


def activation_of(spec: Any) -> Activation:
    """A hidden layer's activation: a name, scikit-learn's "logistic" too, a spec, an object, or a user's function."""
    return get_activation(NAMES.get(spec, spec) if isinstance(spec, str) else spec)


def is_for_classes(loss: Loss) -> bool:
    """Whether its targets are probabilities."""
    return loss.targets == (0, 1)


def class_losses() -> list[str]:
    """The names that a classifier takes."""
    return ["auto", *(name for name, loss in LOSSES.items() if is_for_classes(loss)), *SQUARED]


def number_losses() -> list[str]:
    """The names that a regressor takes, its default first."""
    names = [name for name, loss in LOSSES.items() if not is_for_classes(loss)]
    return sorted(names, key=lambda name: name != "squared_error")


def name_of(loss: Any, known: list[str]) -> str | None:
    """The name in a loss by name or spec, checked; None for a user's own."""
    if isinstance(loss, Loss) or callable(loss):
        return None
    return read_spec(loss, "loss", known, LOSSES.takes)[0]


def class_output(loss: Any, kind: str, groups: tuple[int, ...]) -> tuple[str, Activation, Loss]:
    """The output of a classifier: scikit-learn's word for its activation, the activation, and the loss.

    kind : of the targets, see `labels`.  Raises ProblemError for a loss that does not fit them.
    """
    name, several = name_of(loss, class_losses()), kind == "multiclass-multioutput"
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
    """The output of a regressor, as `class_output`: exp where outputs must not be negative, else identity."""
    if name_of(loss, number_losses()) == "squared_error":  # scikit-learn halves it, and does not say so
        loss = "half_squared_error"
    found = get_loss(loss)
    word = "exp" if found.outputs[0] == 0 else "identity"
    return word, get_activation(word), found


def check_targets(loss: Loss, Y: Array) -> None:
    """Raise ValueError if a target lies outside what the loss is defined at."""
    low, high = loss.targets
    if len(Y) and (Y.min() < low or Y.max() > high):
        wrong = Y.min() if Y.min() < low else Y.max()
        domain = f">= {low:g}" if high == INF else f"in [{low:g}, {high:g}]"
        raise ProblemError(f"y holds {wrong:g}, but the loss {loss.name} takes targets {domain}")
