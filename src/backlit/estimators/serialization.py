"""Fitted estimators as model files and back, as ONNX, and from other programs' networks."""

from pathlib import Path
from typing import Any

import numpy as np
from sklearn.utils import check_random_state
from sklearn.utils.validation import check_is_fitted

from backlit.core.network import Network
from backlit.core.parameters import Parameters
from backlit.errors import BacklitError, ModelError
from backlit.estimators.json import decode, encode
from backlit.estimators.network import SKLEARN_WORDS, described_as
from backlit.estimators.train import current
from backlit.formats.models import Model, load_model, save_model
from backlit.tables import TargetCodec
from backlit.training import History
from backlit.training.history import Epoch

VERSION = 1
ESTIMATORS: dict[str, Any] = {}  # classes by name; each enters itself when it is made
DERIVED = {"network_", "history_", "classes_"}  # stored in their own way


def record_of(estimator: Any) -> dict[str, Any]:
    """The "estimator" entry of a model file."""
    check_is_fitted(estimator)
    try:
        Network.from_dict(estimator.network_.to_dict())
    except BacklitError as error:
        raise ModelError(f"the network cannot be stored: {error}") from None
    fitted = {k: v for k, v in vars(estimator).items() if k.endswith("_") and not k.startswith("_")}
    return {
        "version": VERSION,
        "class": type(estimator).__name__,
        "params": {name: stored(name, value) for name, value in estimator.get_params(deep=False).items()},
        "fitted": {name: stored(name, value) for name, value in fitted.items() if name not in DERIVED},
        "classes": stored("classes_", getattr(estimator, "classes_", None)),
        "kind": kind_of(estimator),
        "history": encode(estimator.history_.to_dict()),
    }


def stored(name: str, value: Any) -> Any:
    """One value in plain JSON; the error names whose it is."""
    try:
        return encode(value)
    except ModelError as error:
        raise ModelError(
            f"{name}: {error}: set it to a name or a number before save, or pickle the estimator"
        ) from None


def restored(cls: Any, model: Model) -> Any:
    """The estimator that a record describes.  Raises BacklitError for a record that is not whole."""
    record: Any = model.estimator
    version = record.get("version") if isinstance(record, dict) else None
    if not isinstance(version, int) or isinstance(version, bool) or version < 1:
        raise ModelError("its estimator names no version: the file is damaged")
    if version > VERSION:
        raise ModelError(
            f"its estimator is of version {version}, and this Backlit reads up to {VERSION}: install a newer one"
        )
    if record.get("class") != cls.__name__:
        raise ModelError(f"holds {str(record.get('class'))[:40]!r}: load it by that class, not by {cls.__name__}")
    params, fitted = plain_mapping(record, "params"), plain_mapping(record, "fitted")
    known = cls._get_param_names()
    odd = next((name for name in params if name not in known), None)
    if odd is not None:
        raise ModelError(f"its parameter {odd[:40]!r} is not one of {cls.__name__}'s: the file is damaged or newer")
    estimator = cls(**params)
    try:
        estimator._validate_params()
    except (TypeError, ValueError) as error:
        raise ModelError(f"its parameters cannot be: {' '.join(str(error).split())}") from None
    install(estimator, model)
    set_fitted(estimator, fitted)
    estimator.history_ = history_of(decode(record.get("history")))
    if cls.__name__ == "MLPClassifier":
        set_classes(estimator, record.get("kind"), decode(record.get("classes")))
    return estimator


def estimator_of(model: Model) -> Any:
    """The estimator of a model that one was saved with.  Raises ModelError if its record is not whole."""
    named = model.estimator.get("class") if isinstance(model.estimator, dict) else None
    return restored(ESTIMATORS.get(str(named), ESTIMATORS["MLPRegressor"]), model)


def set_fitted(estimator: Any, fitted: dict[str, Any]) -> None:
    """Set the fitted attributes; n_features_in_ must be the network's."""
    for name, value in fitted.items():
        fits = name.isidentifier() and name.endswith("_") and not name.startswith("_")
        if not fits or isinstance(getattr(type(estimator), name, None), property):
            raise ModelError(f"{name[:40]!r} is no fitted attribute: the file is damaged")
        setattr(estimator, name, value)
    inputs = estimator.network_.inputs
    if estimator.n_features_in_ != inputs:
        raise ModelError(f"n_features_in_ is not the network's {inputs} inputs: the file is damaged")
    names = getattr(estimator, "feature_names_in_", None)
    if names is not None and np.shape(names) != (inputs,):
        raise ModelError(f"feature_names_in_ does not name {inputs} inputs: the file is damaged")


def plain_mapping(record: dict[str, Any], key: str) -> dict[str, Any]:
    """One part of the record, decoded."""
    part = record.get(key)
    if not isinstance(part, dict):
        raise ModelError(f"its {key} are missing: the file is damaged")
    return {name: decode(value) for name, value in part.items()}


def install(estimator: Any, model: Model) -> None:
    """Put a model's network and arrays into an estimator, as `fit` would leave them."""
    estimator.network_, estimator._params, estimator._statistics = model.net, model.params, model.statistics
    estimator._state, estimator._stopping, estimator.history_, estimator.t_ = None, None, History(), 0
    estimator._fitted_with = current(estimator)
    estimator.n_features_in_ = model.net.inputs
    try:
        estimator._random = check_random_state(estimator.random_state)
    except ValueError:
        raise ModelError("random_state: cannot seed a generator: the file is damaged") from None


def history_of(stored: Any) -> History:
    """The history that `History.to_dict` gave."""
    try:
        epochs = [Epoch(**{**epoch, "gradient_norms": tuple(epoch["gradient_norms"])}) for epoch in stored["epochs"]]
        return History(epochs, stored["best_epoch"], str(stored["stopped"]))
    except (TypeError, KeyError) as error:
        raise ModelError(f"its history is not whole ({type(error).__name__}): the file is damaged") from None


def kind_of(estimator: Any) -> str | None:
    """What scikit-learn's `type_of_target` calls the classes; None for a regressor."""
    labels = getattr(estimator, "_labels", None)
    return None if labels is None else labels.kind


def set_classes(estimator: Any, kind: Any, classes: Any) -> None:
    """Let the estimator learn its classes from targets that hold each of them."""
    each = classes if isinstance(classes, list) else [classes]
    if not each or not all(map(holds_classes, each)):
        raise ModelError("its classes are missing: the file is damaged")
    if kind == "multiclass-multioutput":
        n = max(len(part) for part in each)
        y = np.column_stack([part[np.arange(n) % len(part)] for part in each])
    elif kind == "multilabel-indicator":
        y = np.eye(estimator.network_.outputs, dtype=int)
    else:
        y = each[0]
    try:
        estimator._set_classes(y)
        outputs = estimator._labels.encode(y).shape[1]
    except (TypeError, ValueError) as error:
        raise ModelError(f"its classes cannot be: {' '.join(str(error).split())}") from None
    same = all(map(np.array_equal, [estimator.classes_] if len(each) == 1 else estimator.classes_, each))
    if outputs != estimator.network_.outputs or not same or kind_of(estimator) != kind:
        raise ModelError(f"its classes do not fit {estimator.network_.outputs} outputs: the file is damaged")


def holds_classes(part: Any) -> bool:
    """Whether this is a vector of finite labels."""
    if not isinstance(part, np.ndarray) or part.ndim != 1 or not part.size:
        return False
    return part.dtype.kind != "f" or bool(np.isfinite(part).all())


def codec_of(estimator: Any) -> TargetCodec | None:
    """What the outputs mean in plain labels; None if an example has several labels, or labels of no plain type."""
    classes = getattr(estimator, "classes_", None)
    if classes is None:
        return TargetCodec("target", "regression") if estimator.network_.outputs == 1 else None
    if kind_of(estimator) not in ("binary", "multiclass"):
        return None
    labels = plain_labels(classes)
    return TargetCodec("target", "classification", labels) if labels else None


def heads_of(estimator: Any) -> list[tuple[Any, ...]]:
    """The classes of each of several labels, in plain values; none where an example has one label, or for odd types."""
    kind = kind_of(estimator)
    if kind == "multilabel-indicator":
        return [(0, 1)] * int(estimator.network_.outputs)
    heads = [plain_labels(own) for own in estimator.classes_] if kind == "multiclass-multioutput" else []
    return heads if all(heads) else []


def plain_labels(classes: Any) -> tuple[Any, ...]:
    """Classes as bool, int, float or str; none where they are of another type, or of several."""
    labels = tuple(np.asarray(classes).tolist())
    kinds = {type(label) for label in labels}
    return labels if len(kinds) == 1 and kinds <= {bool, int, float, str} else ()


class Persistence:
    """`save`, `load` and exchange; mixed into the estimators."""

    def __init_subclass__(cls, **options: Any):
        super().__init_subclass__(**options)
        ESTIMATORS.setdefault(cls.__name__, cls)

    _state: Any
    _stopping: Any

    def save(self: Any, path: str | Path) -> None:
        """Write the fitted estimator to a safetensors file, whole or not at all.

        The optimizer's memory is not in it: `partial_fit` after `load` begins with a fresh one.

        Parameters
        ----------
        path : str or Path
            The file; one that is there is replaced.

        Raises
        ------
        ModelError
            If a constructor parameter has no plain name, such as a function or a RandomState.
        BacklitError
            If the file cannot be written.

        Examples
        --------
        >>> import tempfile
        >>> from backlit.estimators import MLPRegressor
        >>> X = np.linspace(-1, 1, 20)[:, None]
        >>> model = MLPRegressor(hidden_layer_sizes=(4,), solver="lbfgs", random_state=0).fit(X, X[:, 0] ** 2)
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     model.save(f"{folder}/parabola.safetensors")
        ...     again = MLPRegressor.load(f"{folder}/parabola.safetensors")
        >>> bool((again.predict(X) == model.predict(X)).all())
        True
        """
        save_model(self.to_model(estimator=record_of(self)), path)

    @classmethod
    def load(cls: Any, path: str | Path, *, allow_non_finite: bool = False) -> Any:
        """The estimator of a file that `save` wrote; it predicts the same bits.

        A file that `backlit train` wrote is loaded too: X then holds the features that its encoder makes of a table.

        Parameters
        ----------
        path : str or Path
            The file.
        allow_non_finite : bool, default False
            Whether weights may be NaN or infinite.

        Returns
        -------
        MLPClassifier or MLPRegressor
            The fitted estimator.

        Raises
        ------
        ModelError
            If the file is missing, damaged, of a later format or of the other class, or its weights are not finite.
        """
        model = load_model(path, allow_non_finite=allow_non_finite)
        try:
            return restored(cls, model) if model.estimator is not None else cls.from_model(model)
        except RecursionError:
            raise ModelError(f"{path}: its estimator's description is nested too deep: the file is damaged") from None
        except BacklitError as error:
            raise ModelError(f"{path}: {error}") from None

    def to_model(self: Any, *, estimator: Any = None) -> Model:
        """The fitted network as a `backlit.Model`, for the verbs, ONNX and state dicts.

        Parameters
        ----------
        estimator : dict, optional
            What a file says of the estimator; `save` gives it.

        Returns
        -------
        Model
            It shares the estimator's arrays.
        """
        check_is_fitted(self)
        return Model(self._params, self._statistics, target=codec_of(self), estimator=estimator)

    def to_onnx(self: Any, path: str | Path) -> None:
        """Write ONNX: `outputs`, and for a classifier `probabilities` and `label`.

        Parameters
        ----------
        path : str or Path
            The file; one that is there is replaced.

        Raises
        ------
        ModelError
            If an activation is not one of Backlit's.
        BacklitError
            If the package `onnx` is not installed, or the file cannot be written.

        See Also
        --------
        backlit.formats.onnx : The shapes of inputs and outputs.
        """
        from backlit.formats.onnx import export_onnx

        export_onnx(self.to_model(), path, heads_of(self))

    def to_state_dict(self: Any) -> dict[str, np.ndarray]:
        """The weights under the names that a `torch.nn.Sequential` of the same layers has for them.

        Returns
        -------
        dict of str to array
            Copies; see `backlit.formats.state_dicts`.
        """
        from backlit.formats.state_dicts import to_state_dict

        check_is_fitted(self)
        return to_state_dict(self._params, self._statistics)

    def load_state_dict(self: Any, state: Any) -> Any:
        """Put the weights of a `torch.nn.Sequential` of the same layers into this fitted estimator.

        Parameters
        ----------
        state : mapping of str to arrays or tensors
            A state dict.

        Returns
        -------
        MLPClassifier or MLPRegressor
            The estimator itself.

        Raises
        ------
        ModelError
            If a module's weights are missing, left over, of another shape or not finite.
        """
        from backlit.formats.state_dicts import from_state_dict

        check_is_fitted(self)
        params, statistics = from_state_dict(self.network_, state)
        with np.errstate(over="ignore"):  # a weight beyond float32 is infinity, and refused right below
            theta = params.theta.astype(self._params.theta.dtype)
        if not np.isfinite(theta).all():
            raise ModelError("the state dict holds NaN or infinity: give weights that are finite")
        self._params = Parameters(self.network_, theta)
        self._statistics = statistics
        self._state, self._stopping = None, None  # the memory of the optimizer and of patience was of other weights
        self.stopped_ = ""
        return self

    @classmethod
    def from_scikit_learn(cls: Any, fitted: Any) -> Any:
        """The estimator that predicts what a fitted one of scikit-learn's predicts; its parameters are taken over.

        Parameters
        ----------
        fitted : sklearn.neural_network.MLPClassifier or MLPRegressor
            A fitted estimator of the same kind.

        Returns
        -------
        MLPClassifier or MLPRegressor
            The fitted estimator.

        Raises
        ------
        ModelError
            If it is no fitted network, or of the other kind.
        """
        from backlit.formats.scikit_learn import from_scikit_learn

        model = from_scikit_learn(fitted)
        estimator = cls.from_model(model, getattr(fitted, "classes_", None))
        known = set(estimator.get_params(deep=False)) & set(fitted.get_params(deep=False))
        estimator.set_params(**{name: value for name, value in fitted.get_params(deep=False).items()
                                if name in known and not (name == "loss" and value == "log_loss")})  # fmt: skip
        for name in ("feature_names_in_", "n_iter_", "t_", "loss_", "loss_curve_", "best_loss_", "validation_scores_",
                     "best_validation_score_"):  # fmt: skip
            if hasattr(fitted, name):
                setattr(estimator, name, getattr(fitted, name))
        return estimator

    @classmethod
    def from_torch(cls: Any, module: Any, *, loss: Any = None, classes: Any = None) -> Any:
        """The estimator that predicts what a `torch.nn.Sequential` does.

        Parameters
        ----------
        module : torch.nn.Sequential
            As `backlit.from_torch` takes it.
        loss : torch.nn loss, str or mapping, optional
            As `backlit.from_torch` takes it; for a classifier whose outputs are logits it is needed.
        classes : array, optional
            Labels of the outputs; 0, 1, … if not given.

        Returns
        -------
        MLPClassifier or MLPRegressor
            The fitted estimator.

        Raises
        ------
        ModelError
            If a module or the loss is one that Backlit cannot express, or the loss is not this class's.
        """
        from backlit.formats.torch_modules import from_torch

        return cls.from_model(from_torch(module, loss=loss), classes)

    @classmethod
    def from_keras(cls: Any, model: Any, *, loss: Any = None, classes: Any = None) -> Any:
        """The estimator that predicts what a `keras.Sequential` of dense layers does.

        Parameters
        ----------
        model : keras.Sequential
            As `backlit.from_keras` takes it.
        loss : str, mapping or keras loss, optional
            As `backlit.from_keras` takes it.
        classes : array, optional
            Labels of the outputs; 0, 1, … if not given.

        Returns
        -------
        MLPClassifier or MLPRegressor
            The fitted estimator.

        Raises
        ------
        ModelError
            If a layer or the loss is one that Backlit cannot express, or the loss is not this class's.
        """
        from backlit.formats.keras_models import from_keras

        return cls.from_model(from_keras(model, loss=loss), classes)

    @classmethod
    def from_onnx(cls: Any, path: str | Path, *, loss: Any = None, classes: Any = None) -> Any:
        """The estimator that predicts what an ONNX file of dense layers does.

        Parameters
        ----------
        path : str or Path
            As `backlit.from_onnx` takes it.
        loss : str or mapping, optional
            A loss of Backlit's.
        classes : array, optional
            Labels of the outputs; 0, 1, … if not given.

        Returns
        -------
        MLPClassifier or MLPRegressor
            The fitted estimator.

        Raises
        ------
        ModelError
            If a node is none of a chain of dense layers, or the loss is not this class's.
        """
        from backlit.formats.onnx_graphs import from_onnx

        return cls.from_model(from_onnx(path, loss=loss), classes)

    @classmethod
    def from_model(cls: Any, model: Model, classes: Any = None) -> Any:
        """The estimator of a `backlit.Model`; X then holds the model's features.

        Parameters
        ----------
        model : Model
            As `load_model` gives it.
        classes : array, optional
            Labels, if the model names none.

        Returns
        -------
        MLPClassifier or MLPRegressor
            The fitted estimator.

        Raises
        ------
        ModelError
            If the model's loss is not this class's.
        """
        estimator: Any = cls(**described_as(cls.__name__, model.net))
        install(estimator, model)
        output = model.net.layers[-1].activation.name
        estimator.out_activation_ = SKLEARN_WORDS.get(output, output)
        if cls.__name__ == "MLPClassifier":
            found = np.arange(max(model.net.outputs, 2)) if classes is None else np.asarray(classes)
            found = np.array(model.target.classes) if model.target is not None else found
            several = model.target is None and output == "sigmoid" and model.net.outputs > 1
            kind = "multilabel-indicator" if several else "binary" if len(found) == 2 else "multiclass"
            set_classes(estimator, kind, found)
        return estimator
