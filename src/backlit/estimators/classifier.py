"""The classifier: softmax for several classes, one sigmoid for two, and a sigmoid or a softmax a label for several."""

from typing import Any, ClassVar, Self

import numpy as np
from scipy.sparse import issparse
from sklearn.base import ClassifierMixin
from sklearn.metrics import accuracy_score
from sklearn.utils.class_weight import compute_sample_weight
from sklearn.utils.metaestimators import available_if
from sklearn.utils.multiclass import check_classification_targets, type_of_target
from sklearn.utils.validation import check_consistent_length

from backlit.core.activations import Activation
from backlit.core.losses import Loss
from backlit.estimators.base import Array, BaseMLP
from backlit.estimators.labels import Labels, ManyLabels, check_class_weight, labels_of, refuse_mixed_labels, smoothed
from backlit.estimators.network import class_output
from backlit.estimators.parameters import ATTRIBUTES, CLASSIFIER, CLASSIFIER_CONSTRAINTS, keep
from backlit.estimators.validation import LABELS, unchanged_on_error
from backlit.signatures import documented


def stochastic(estimator: Any) -> bool:
    """Whether the solver takes one batch at a time."""
    if estimator.solver not in ("sgd", "adam"):
        raise AttributeError(f"partial_fit is only available for stochastic optimizers: solver is {estimator.solver}")
    return True


@documented(CLASSIFIER, attributes=ATTRIBUTES)
class MLPClassifier(ClassifierMixin, BaseMLP):
    """A multilayer perceptron for classes: scikit-learn's `MLPClassifier` with every parameter, and more.

    The output is softmax with cross-entropy for several classes, one sigmoid for two, and a sigmoid or a softmax for
    each label if an example has several.

    Parameters
    ----------
    {parameters}

    Attributes
    ----------
    classes_ : (n_classes,) array, or list of one for each label
        The distinct classes, sorted.
    {attributes}

    Examples
    --------
    >>> from sklearn.datasets import load_iris
    >>> X, y = load_iris(return_X_y=True)
    >>> MLPClassifier((16,), solver="lbfgs", max_iter=300, random_state=0).fit(X, y).score(X, y) > 0.95
    True
    """

    _parameter_constraints: ClassVar = CLASSIFIER_CONSTRAINTS
    _has_classes = True
    _told: Labels | ManyLabels | None = None  # labels that `fit` takes in place of those that y shows

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
        skip=None,
        loss="auto",
        class_weight=None,
        label_smoothing=0.0,
        optimizer=None,
        schedule=None,
        callbacks=None,
        monitor="auto",
        scoring=None,
        restore_best=None,
    ):
        keep(self, locals())

    def _read_targets(self, y: Any, first: bool) -> Array:
        if not (isinstance(y, np.ndarray) and y.ndim == 1 and y.dtype.kind in LABELS):
            refuse_mixed_labels(y)
            check_classification_targets(y)
        if first:
            self._set_classes(y)
        unknown = self._labels.unknown(y) if not first or self._told is not None else ()
        if len(unknown):
            raise ValueError(f"`y` has classes not in `self.classes_`: {unknown} not in {self.classes_}")
        return self._labels.encode(y)

    def _set_classes(self, y: Any) -> None:
        self._labels = labels_of(y, self.loss) if self._told is None else self._told
        self.classes_ = self._labels.classes

    def _check_same_classes(self, y: Any) -> None:
        if len(self._labels.unknown(y)) or len(self._labels.missing(y)):
            raise ValueError(
                f"warm_start can only be used where `y` has the same classes as in the previous call to fit. "
                f"Previously got {self.classes_}, `y` has {np.unique(y)}"
            )

    def _output(self) -> tuple[str, Activation, Loss]:
        return class_output(self.loss, self._labels.kind, self._labels.groups)

    def _strata(self, Y: Array) -> Array | None:
        return self._labels.strata(Y)

    def _class_weights(self, y: Any) -> Array | None:
        if self.class_weight is None:
            return None
        check_class_weight(self.class_weight, y)
        return compute_sample_weight(self.class_weight, y)

    def _to_learn(self, Y: Array) -> Array:
        if not self.label_smoothing:
            return Y
        return smoothed(Y, self.label_smoothing, self._labels.groups, self.out_activation_ == "softmax")

    def _decode(self, outputs: Array) -> Any:
        return self._labels.decode(outputs)

    def _score_of(self, y: Any, predicted: Any, sample_weight: Array | None) -> float:
        return accuracy(y, predicted, sample_weight)

    def predict(self, X: Any) -> Array:
        """The likeliest class of each row.

        Parameters
        ----------
        X : (n, n_features) array, sparse matrix or data frame
            Rows.

        Returns
        -------
        (n,) array, or (n, k) for several labels
            Classes, in the type of y.

        Raises
        ------
        ValueError
            If X has other columns than in training, or holds NaN or infinity.
        """
        outputs = self._outputs(X)
        return self._decode(outputs)

    def predict_proba(self, X: Any) -> Any:
        """The probability of each class.

        Parameters
        ----------
        X : (n, n_features) array, sparse matrix or data frame
            Rows.

        Returns
        -------
        (n, n_classes) array, or a list of one for each label with classes of its own
            Probabilities in the order of `classes_`; for labels of yes or no, (n, k) of yes.

        Raises
        ------
        ValueError
            If X has other columns than in training, or holds NaN or infinity.
        """
        outputs = self._outputs(X)
        return self._labels.probabilities(outputs)

    def predict_log_proba(self, X: Any) -> Any:
        """The logarithm of `predict_proba`.

        Parameters
        ----------
        X : (n, n_features) array, sparse matrix or data frame
            Rows.

        Returns
        -------
        (n, n_classes) array, or a list of one for each label with classes of its own
            Logarithms; −inf for a probability of 0.
        """
        p = self.predict_proba(X)
        with np.errstate(divide="ignore"):
            return [np.log(own) for own in p] if isinstance(p, list) else np.log(p)

    def score(self, X: Any, y: Any, sample_weight: Any = None) -> float:
        """The share of rows whose labels are all predicted right.

        Parameters
        ----------
        X : (n, n_features) array, sparse matrix or data frame
            Rows.
        y : (n,) or (n, k) array
            Their classes.
        sample_weight : (n,) array, optional
            Weights of the rows.

        Returns
        -------
        float
            Accuracy, in [0, 1].
        """
        return accuracy(y, self.predict(X), sample_weight)

    @available_if(stochastic)
    @unchanged_on_error
    def partial_fit(
        self, X: Any, y: Any, sample_weight: Any = None, classes: Any = None, *, validation_data: Any = None
    ) -> Self:
        """Make one pass over these examples.

        With early_stopping a share of each call's examples is held out.  Calls without an improvement are counted, and
        after `n_iter_no_change` of them `stopped_` is "patience", and further calls change nothing.

        Parameters
        ----------
        X : (n, n_features) array, sparse matrix or data frame
            Rows.
        y : (n,) or (n, k) array
            Their classes.
        sample_weight : (n,) array, optional
            Weights of the rows.
        classes : array, or list of one for each label, optional
            All classes that will come; the first call needs them.
        validation_data : tuple (X, y) or (X, y, sample_weight), optional
            Rows to measure on, in place of held-out ones.

        Returns
        -------
        MLPClassifier
            The estimator itself.

        Raises
        ------
        ValueError
            If the first call has no classes, y has a class that they do not name, or a value cannot be used.
        Divergence
            If training leaves the finite numbers.
        """
        first = not hasattr(self, "network_")
        self._refuse_balanced()
        if first:
            if classes is None:
                raise ValueError("classes must be passed on the first call to partial_fit.")
            self._name_classes(classes, y)
        elif classes is not None and not same_classes(classes, self.classes_):
            raise ValueError(f"`classes={classes!r}` is not the same as on the last call: {self.classes_!r}")
        return self._partial_fit(X, y, sample_weight, validation_data, first)

    def _refuse_balanced(self) -> None:
        if self.class_weight == "balanced":
            raise ValueError(
                "class_weight='balanced' needs all examples at once, and here some are seen at a time: give weights by "
                "class, sklearn.utils.class_weight.compute_class_weight('balanced', ...)"
            )

    def _name_classes(self, classes: Any, y: Any) -> None:
        if names_labels(classes, y):
            self._labels = ManyLabels([Labels.of(np.asarray(own), two_columns=True) for own in classes])
            self.classes_ = self._labels.classes
            return
        several = type_of_target(y) == "multilabel-indicator"  # whose columns name themselves
        self._set_classes(y if several else np.asarray(classes))

    def __sklearn_tags__(self):
        tags = super().__sklearn_tags__()
        tags.classifier_tags.multi_label = True
        return tags


def accuracy(y: Any, predicted: Any, sample_weight: Any) -> float:
    """The share of rows in which every label is right, weighted, as scikit-learn's multi-output estimators score."""
    if isinstance(y, np.ndarray) and y.ndim == 1 and (y.shape, y.dtype) == (predicted.shape, predicted.dtype):
        return float(np.average(y == predicted, weights=sample_weight))
    if np.ndim(predicted) == 2 and not issparse(y):  # whatever classes these few rows happen to show
        check_consistent_length(y, predicted, sample_weight)
        if np.shape(y) != np.shape(predicted):
            raise ValueError(f"y has shape {np.shape(y)}, but {predicted.shape[1]} labels a row are predicted")
        right = (np.asarray(y) == predicted).all(axis=1)
        return float(np.average(right, weights=sample_weight))
    return float(accuracy_score(y, predicted, sample_weight=sample_weight))


def same_classes(given: Any, classes: Any) -> bool:
    """Whether the classes named again are those named first."""
    if isinstance(classes, list):
        return len(given) == len(classes) and all(map(same_classes, given, classes))
    return np.array_equal(np.unique(given), classes)


def names_labels(classes: Any, y: Any) -> bool:
    """Whether `classes` is a list of the classes of each column of y (n, k); an indicator matrix is not."""
    if not isinstance(classes, list | tuple) or np.ndim(y) != 2 or len(classes) != np.shape(y)[1]:
        return False
    if any(np.ndim(own) != 1 for own in classes):
        return False
    same_length = len({len(own) for own in classes}) == 1
    return not (same_length and len(classes[0]) != 2 and type_of_target(np.asarray(classes)) == "multilabel-indicator")
