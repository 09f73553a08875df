"""What scikit-learn's networks show of a fit: weights and sizes.  The weights can be set, too."""

from collections.abc import Sequence
from typing import Any

import numpy as np
from sklearn.utils.validation import check_is_fitted

from backlit.core.network import Network
from backlit.core.parameters import Parameters
from backlit.errors import ModelError, ProblemError
from backlit.estimators.network import SQUARED, is_for_classes

Array = np.ndarray


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
