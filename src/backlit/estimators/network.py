"""The network that the constructor parameters describe, with its output's activation and loss.

Also what scikit-learn's networks show of a fit, weights and sizes; the weights can be set, too.
"""

from collections.abc import Iterable, Sequence
from itertools import pairwise
from numbers import Integral
from typing import Any

import numpy as np
from sklearn.utils.validation import check_is_fitted

from backlit.core.activations import Activation, get_activation
from backlit.core.activations.softmax import softmax_by_groups
from backlit.core.losses import LOSSES, Loss, get_loss
from backlit.core.network import Dense, Network
from backlit.core.parameters import Parameters, Statistics
from backlit.engine import Data
from backlit.errors import ModelError, ProblemError
from backlit.registry import read_spec

Array = np.ndarray
INF = float("inf")
NAMES = {"logistic": "sigmoid"}  # scikit-learn's words
SKLEARN_WORDS = {name: word for word, name in NAMES.items()}
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


ROWS_TO_SCALE_BY = 4096  # of a sparse X, whose rows "lsuv" would otherwise have to have dense all at once


def build_network(estimator: Any, inputs: int, outputs: int, phi: Activation, loss: Loss, l2: float) -> Network:
    """Hidden layers as `hidden_layer_sizes` says, and the output layer.

    Raises ProblemError or ValueError for parameters that do not fit together.
    """
    sizes = hidden_sizes(estimator.hidden_layer_sizes)
    scale = skip_scale(estimator.skip, sizes)
    hidden = [
        Dense(size, activation, norm=estimator.norm, dropout=estimator.dropout, **skip_into(l, sizes, scale))
        for l, (size, activation) in enumerate(zip(sizes, activations(estimator, len(sizes)), strict=True), start=1)
    ]
    return Network(inputs, [*hidden, Dense(outputs, phi)], loss=loss, l2=l2)


def hidden_sizes(given: Any) -> list[int]:
    """The widths of the hidden layers; one number is one layer."""
    sizes = list(given) if isinstance(given, Iterable) else [given]
    if any(not isinstance(size, Integral) or isinstance(size, bool) or size <= 0 for size in sizes):
        raise ValueError(f"hidden_layer_sizes must be > 0, got {sizes}.")
    return [int(size) for size in sizes]


def activations(estimator: Any, n_hidden: int) -> list[Activation]:
    """One activation a hidden layer."""
    given = estimator.activation
    each = list(given) if isinstance(given, list | tuple) else [given] * n_hidden
    if len(each) != n_hidden:
        raise ProblemError(f"activation names {len(each)} layers, but hidden_layer_sizes has {n_hidden}")
    return [activation_of(spec) for spec in each]


def skip_scale(skip: Any, sizes: list[int]) -> float | None:
    """What a skip connection multiplies by, None for no skips.  Raises ProblemError if no two widths allow one."""
    if skip is None:
        return None
    if not any(size == before for before, size in pairwise(sizes)):
        raise ProblemError(
            f"skip={skip!r} joins hidden layers of equal widths, but hidden_layer_sizes is {sizes}: "
            f"give two neighbors the same width, or leave skip out"
        )
    return 1.0 if skip == "residual" else float(skip)


def skip_into(l: int, sizes: list[int], scale: float | None) -> dict[str, Any]:
    """The skip of hidden layer l, from the hidden layer before it where that is as wide."""
    if scale is None or l == 1 or sizes[l - 1] != sizes[l - 2]:
        return {}
    return {"skip_from": l - 1, "skip_scale": scale}


def draw_parameters(estimator: Any, net: Network, data: Data, seed: int) -> tuple[Parameters, Statistics]:
    """Parameters by the `init` scheme, in the data's dtype, and fresh running moments."""
    scheme = {"scheme": estimator.init} if isinstance(estimator.init, str) else dict(estimator.init)
    X = dense_sample(data) if scheme.get("scheme") == "lsuv" else None
    dtype = data.X.dtype
    return net.init(scheme, seed=seed, X=X, dtype=dtype), Statistics(net, dtype)


def dense_sample(data: Data) -> np.ndarray:
    """X, and of a sparse one evenly spaced rows."""
    if not data.is_sparse:
        return data.X
    every = -(-len(data) // ROWS_TO_SCALE_BY)
    return data.rows(np.arange(0, len(data), every)).X


class FittedAttributes:
    """`coefs_`, `intercepts_`, `n_layers_`, `n_outputs_`; mixed into the estimators."""

    _params: Parameters
    network_: Network

    @property
    def coefs_(self) -> list[Array]:
        """Weights as scikit-learn has them, W[l]ᵀ (n_{l−1}, n_l), views of the parameters.

        Arrays of these shapes may be set, as where the weights of several models are averaged.
        """
        check_is_fitted(self)
        return [W.T for W in self._params.W[1:]]

    @coefs_.setter
    def coefs_(self, given: Sequence[Any]) -> None:
        write(self.coefs_, given, "coefs_")

    @property
    def intercepts_(self) -> list[Array]:
        """Biases b[l] (n_l,), views of the parameters; they may be set as `coefs_`."""
        check_is_fitted(self)
        return self._params.b[1:]

    @intercepts_.setter
    def intercepts_(self, given: Sequence[Any]) -> None:
        write(self.intercepts_, given, "intercepts_")

    @property
    def n_layers_(self) -> int:
        """Layers, the input counted."""
        check_is_fitted(self)
        return self.network_.L + 1

    @property
    def n_outputs_(self) -> int:
        """Output units."""
        check_is_fitted(self)
        return self.network_.outputs


def write(views: list[Array], given: Sequence[Any], name: str) -> None:
    """Write arrays into the parameters.  Raises ProblemError, and writes nothing, where one does not fit."""
    if not isinstance(given, list | tuple) or len(given) != len(views):
        found = f"{len(given)}" if isinstance(given, list | tuple) else type(given).__name__
        raise ProblemError(f"{name} must be a list of {len(views)} arrays, one a layer, not {found}")
    try:
        with np.errstate(over="ignore"):  # a number beyond float32 is infinity, and refused below
            arrays = [
                np.asarray(array, np.float64).astype(view.dtype) for view, array in zip(views, given, strict=True)
            ]
    except (TypeError, ValueError):
        raise ProblemError(f"{name} must hold arrays of numbers, one a layer") from None
    for k, (view, array) in enumerate(zip(views, arrays, strict=True)):
        if array.shape != view.shape:
            raise ProblemError(f"{name}[{k}] must have shape {view.shape}, not {array.shape}")
        if not np.isfinite(array).all():
            raise ProblemError(f"{name}[{k}] holds NaN or infinity: give numbers that are finite")
    for view, array in zip(views, arrays, strict=True):
        view[...] = array


# --- what a fit shows -------------------------------------------------------------------------------------------------


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
