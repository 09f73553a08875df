"""The classifier: softmax for several classes, one sigmoid for two, a sigmoid a label for multilabel targets."""

from typing import Any, ClassVar, Self

import numpy as np
from sklearn.base import ClassifierMixin
from sklearn.metrics import accuracy_score
from sklearn.preprocessing import LabelBinarizer
from sklearn.utils.metaestimators import available_if
from sklearn.utils.multiclass import check_classification_targets, unique_labels

from backlit.core.norms import Statistics
from backlit.core.parameters import Parameters
from backlit.engine import Data, Engine
from backlit.estimators.base import Array, BaseMLP
from backlit.estimators.guard import refuse_mixed_labels, unchanged_on_error


def stochastic(estimator: Any) -> bool:
    """Whether the solver takes one batch at a time."""
    if estimator.solver not in ("sgd", "adam"):
        raise AttributeError(f"partial_fit is only available for stochastic optimizers: solver is {estimator.solver}")
    return True


class MLPClassifier(ClassifierMixin, BaseMLP):
    """A multilayer perceptron that minimizes cross-entropy; see `backlit.estimators.base` for the parameters.

    >>> from sklearn.datasets import load_iris
    >>> X, y = load_iris(return_X_y=True)
    >>> MLPClassifier((16,), solver="lbfgs", max_iter=300, random_state=0).fit(X, y).score(X, y) > 0.95
    True
    """

    _parameter_constraints: ClassVar = BaseMLP._parameter_constraints

    def __init__(
        self,
        hidden_layer_sizes=(100,),
        activation="relu",
        *,
        solver="adam",
        alpha=0.0001,
        batch_size="auto",
        learning_rate="constant",
        learning_rate_init=0.001,
        power_t=0.5,
        max_iter=200,
        shuffle=True,
        random_state=None,
        tol=1e-4,
        verbose=False,
        warm_start=False,
        momentum=0.9,
        nesterovs_momentum=True,
        early_stopping=False,
        validation_fraction=0.1,
        beta_1=0.9,
        beta_2=0.999,
        epsilon=1e-8,
        n_iter_no_change=10,
        max_fun=15000,
        norm=None,
        dropout=0.0,
        init="xavier_uniform",
        clip_norm=None,
        engine="auto",
        n_threads=None,
    ):
        self.hidden_layer_sizes = hidden_layer_sizes
        self.activation = activation
        self.solver = solver
        self.alpha = alpha
        self.batch_size = batch_size
        self.learning_rate = learning_rate
        self.learning_rate_init = learning_rate_init
        self.power_t = power_t
        self.max_iter = max_iter
        self.shuffle = shuffle
        self.random_state = random_state
        self.tol = tol
        self.verbose = verbose
        self.warm_start = warm_start
        self.momentum = momentum
        self.nesterovs_momentum = nesterovs_momentum
        self.early_stopping = early_stopping
        self.validation_fraction = validation_fraction
        self.beta_1 = beta_1
        self.beta_2 = beta_2
        self.epsilon = epsilon
        self.n_iter_no_change = n_iter_no_change
        self.max_fun = max_fun
        self.norm = norm
        self.dropout = dropout
        self.init = init
        self.clip_norm = clip_norm
        self.engine = engine
        self.n_threads = n_threads

    def _read_targets(self, y: Any, first: bool) -> Array:
        refuse_mixed_labels(y)
        check_classification_targets(y)
        if first:
            self._set_classes(y)
        unknown = np.setdiff1d(unique_labels(y), self.classes_)
        if len(unknown):
            raise ValueError(f"`y` has classes not in `self.classes_`: {unknown} not in {self.classes_}")
        return self._labels.transform(y)

    def _set_classes(self, y: Any) -> None:
        self._labels = LabelBinarizer().fit(y)
        self.classes_ = self._labels.classes_
        if len(self.classes_) < 2 and self._labels.y_type_ != "multilabel-indicator":
            raise ValueError(f"y holds the one class {self.classes_[0]!r}: a classifier needs two classes or more")

    def _output(self) -> tuple[str, Any]:
        if self._labels.y_type_ == "multiclass":
            return "softmax", "cross_entropy"
        return "logistic", "binary_cross_entropy"

    def _stratify(self, y: Any) -> Any:
        if self._labels.y_type_ == "multilabel-indicator":
            return None
        return y.argmax(axis=1) if y.shape[1] > 1 else y.ravel()

    def _validation_score(self, held_out: Data, engine: Engine, params: Parameters, statistics: Statistics) -> float:
        predicted = self._labels.inverse_transform(engine.predict(params, statistics, held_out.X))
        actual = self._labels.inverse_transform(held_out.Y)
        return float(accuracy_score(actual, predicted, sample_weight=held_out.sample_weight))

    def predict(self, X: Any) -> Array:
        """The likeliest class of each row of X (n, n_features)."""
        outputs = self._outputs(X)
        return self._labels.inverse_transform(outputs.ravel() if outputs.shape[1] == 1 else outputs)

    def predict_proba(self, X: Any) -> Array:
        """Probabilities (n, n_classes) in the order of `classes_`; of each label for multilabel targets."""
        p = self._outputs(X)
        return np.hstack([1 - p, p]) if p.shape[1] == 1 else p

    def predict_log_proba(self, X: Any) -> Array:
        """The logarithm of `predict_proba`."""
        with np.errstate(divide="ignore"):
            return np.log(self.predict_proba(X))

    @available_if(stochastic)
    @unchanged_on_error
    def partial_fit(self, X: Any, y: Any, sample_weight: Any = None, classes: Any = None) -> Self:
        """One pass over these examples; the first call names all `classes` that will come."""
        first = not hasattr(self, "network_")
        if first:
            if classes is None:
                raise ValueError("classes must be passed on the first call to partial_fit.")
            self._set_classes(np.asarray(classes) if np.ndim(classes) < 2 else classes)
            if self._labels.y_type_ == "binary" and len(self.classes_) > 2:
                raise ValueError(f"classes must be distinct, got {classes}")
        elif classes is not None and not np.array_equal(np.unique(classes), self.classes_):
            raise ValueError(f"`classes={classes!r}` is not the same as on the last call: {self.classes_!r}")
        return self._partial_fit(X, y, sample_weight, first)

    def __sklearn_tags__(self):
        tags = super().__sklearn_tags__()
        tags.classifier_tags.multi_label = True
        return tags
