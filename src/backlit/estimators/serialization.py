"""Fitted estimators as model files and back, as ONNX, and from other programs' networks."""

from pathlib import Path
from typing import Any

import numpy as np
from sklearn.utils.validation import check_is_fitted

from backlit.core.parameters import Parameters
from backlit.errors import BacklitError, ModelError
from backlit.estimators.network import SKLEARN_WORDS, described_as
from backlit.estimators.record import ESTIMATORS, codec_of, heads_of, install, record_of, restored, set_classes
from backlit.formats.models import Model, load_model, save_model


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
