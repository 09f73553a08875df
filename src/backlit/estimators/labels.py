"""Classes as the network's outputs, and back: one-hot columns, one column for two classes, a column a label, or heads.

Four kinds, by scikit-learn's `type_of_target`: "binary", "multiclass", "multilabel-indicator" and
"multiclass-multioutput", in which each column of y has classes of its own, and a group of outputs of its own.
"""

from dataclasses import dataclass
from numbers import Real
from typing import Any

import numpy as np
from sklearn.preprocessing import LabelBinarizer
from sklearn.utils.multiclass import type_of_target, unique_labels

Array = np.ndarray


def distinct(y: Any) -> Array:
    """The distinct labels of y, of a column of them without scikit-learn's look at what kind of target it is."""
    plain = isinstance(y, np.ndarray) and y.ndim == 1 and y.dtype.kind in "biufU"
    return np.unique(y) if plain else unique_labels(y)


FEW_CLASSES = 20  # up to which scikit-learn does not warn that there may be too many


def fitted_to_column(y: Any) -> LabelBinarizer | None:
    """What `LabelBinarizer().fit` gives for few classes in a column of whole numbers or words, in a tenth of its time.

    None for other labels, at which scikit-learn has to look.
    """
    if type(y) is not np.ndarray or y.ndim != 1 or y.dtype.kind not in "iuU":
        return None
    classes = np.unique(y)
    if not 0 < len(classes) <= FEW_CLASSES:
        return None
    binarizer = LabelBinarizer()
    binarizer.classes_, binarizer.sparse_input_ = classes, False
    binarizer.y_type_ = "binary" if len(classes) <= 2 else "multiclass"
    return binarizer


@dataclass
class Labels:
    """One label an example, or one yes or no for each of several.

    two_columns : whether two classes have a column each, as softmax needs, and not one column for both.
    one_against_rest : whether each class has a sigmoid of its own.
    """

    binarizer: LabelBinarizer
    two_columns: bool = False
    one_against_rest: bool = False

    @classmethod
    def of(cls, y: Any, two_columns: bool = False, one_against_rest: bool = False) -> "Labels":
        """The labels that y (n,), or (n, k) of 0 and 1, holds.  Raises ValueError for fewer than two classes."""
        binarizer = fitted_to_column(y) or LabelBinarizer().fit(y)
        kind = binarizer.y_type_
        labels = cls(binarizer, two_columns and kind == "binary", one_against_rest and kind == "multiclass")
        if len(labels.classes) < 2 and labels.kind != "multilabel-indicator":
            raise ValueError(
                f"y holds the one class {labels.classes.tolist()[0]!r}: a classifier needs two classes or more"
            )
        return labels

    @property
    def classes(self) -> Array:
        """The distinct classes, sorted."""
        return self.binarizer.classes_

    @property
    def kind(self) -> str:
        """What scikit-learn's `type_of_target` calls it."""
        return self.binarizer.y_type_

    @property
    def groups(self) -> tuple[int, ...]:
        """How many outputs each softmax has."""
        return (2 if self.two_columns else len(self.classes),)

    def unknown(self, y: Any) -> Array:
        """The classes in y that were not there before."""
        return np.setdiff1d(distinct(y), self.classes)

    def missing(self, y: Any) -> Array:
        """The classes that were there before and are not in y."""
        return np.setdiff1d(self.classes, distinct(y))

    def encode(self, y: Any) -> Array:
        """Y (n, n_L) of zeros and ones, for y that holds no unknown class."""
        if self.kind == "multilabel-indicator" or np.ndim(y) != 1:  # of which it says what is wrong
            return self.binarizer.transform(y)
        one_hot = np.eye(len(self.classes))[np.searchsorted(self.classes, y)]
        return one_hot[:, 1:] if self.kind == "binary" and not self.two_columns else one_hot

    def decode(self, outputs: Array) -> Array:
        """The likeliest class of each row of outputs (n, n_L)."""
        if self.kind == "multilabel-indicator":
            return self.binarizer.inverse_transform(outputs)
        if outputs.shape[1] == 1:
            return self.classes[(outputs[:, 0] > 0.5).astype(np.intp)]
        return self.classes[outputs.argmax(axis=1)]  # the first of equals

    def probabilities(self, outputs: Array) -> Array:
        """Probabilities (n, n_classes) of outputs in [0, 1]; a row that is a sigmoid a class is made to sum to 1."""
        if outputs.shape[1] == 1:
            return np.hstack([1 - outputs, outputs])
        if self.one_against_rest:
            return outputs / np.maximum(outputs.sum(axis=1, keepdims=True), np.finfo(outputs.dtype).tiny)
        return outputs

    def strata(self, Y: Array) -> Array | None:
        """A number for each class (n,), None if examples have several labels."""
        if self.kind == "multilabel-indicator":
            return None
        return Y.argmax(axis=1) if Y.shape[1] > 1 else Y.ravel()


@dataclass
class ManyLabels:
    """Several labels an example, each with classes of its own: y (n, k), a group of outputs a label."""

    parts: list[Labels]
    kind = "multiclass-multioutput"

    @classmethod
    def of(cls, y: Any) -> "ManyLabels":
        """The labels that the columns of y (n, k) hold.  Raises ValueError for a column with one class."""
        return cls([Labels.of(np.asarray(column), two_columns=True) for column in columns(y)])

    @property
    def classes(self) -> list[Array]:
        """The distinct classes of each label."""
        return [part.classes for part in self.parts]

    @property
    def groups(self) -> tuple[int, ...]:
        """How many outputs each label's softmax has."""
        return tuple(len(part.classes) for part in self.parts)

    def unknown(self, y: Any) -> Array:
        """The classes in y that were not there before, of the first label that has any."""
        return first(part.unknown(column) for part, column in zip(self.parts, columns(y), strict=True))

    def missing(self, y: Any) -> Array:
        """The classes that are not in y, of the first label that misses any."""
        return first(part.missing(column) for part, column in zip(self.parts, columns(y), strict=True))

    def encode(self, y: Any) -> Array:
        """Y (n, n_L): the one-hot columns of all labels, side by side."""
        if np.ndim(y) != 2 or np.shape(y)[1] != len(self.parts):
            raise ValueError(f"y must have {len(self.parts)} columns of labels, but has shape {np.shape(y)}")
        return np.hstack([part.encode(column) for part, column in zip(self.parts, columns(y), strict=True)])

    def split(self, outputs: Array) -> list[Array]:
        """The outputs (n, n_classes) of each label."""
        return np.split(outputs, np.cumsum(self.groups)[:-1], axis=1)

    def decode(self, outputs: Array) -> Array:
        """The likeliest classes, (n, k)."""
        found = [part.decode(own) for part, own in zip(self.parts, self.split(outputs), strict=True)]
        return np.column_stack(found)

    def probabilities(self, outputs: Array) -> list[Array]:
        """Probabilities (n, n_classes) for each label."""
        return self.split(outputs)

    def strata(self, Y: Array) -> None:
        """None: examples have several labels."""


def labels_of(y: Any, loss: Any = "auto") -> Labels | ManyLabels:
    """The labels that y holds, of whichever kind, in the columns that a loss needs."""
    if np.ndim(y) != 1 and type_of_target(y, input_name="y") == ManyLabels.kind:
        return ManyLabels.of(y)
    return Labels.of(y, two_columns=loss == "cross_entropy", one_against_rest=loss == "binary_cross_entropy")


def smoothed(Y: Array, share: float, groups: tuple[int, ...], softmax: bool) -> Array:
    """Targets (1 − ε) y + ε/K with ε = `share`, for the K classes of each softmax, or K = 2 of each sigmoid.

    Source: Szegedy et al. 2016.

    >>> smoothed(np.array([[0.0, 1.0]]), 0.1, (2,), softmax=True)
    array([[0.05, 0.95]])
    """
    K = np.repeat(groups, groups) if softmax else 2
    return ((1 - share) * Y + share / K).astype(Y.dtype)


def columns(y: Any) -> list[Array]:
    """The columns of y (n, k)."""
    return list(np.asarray(y).T)


def first(found: Any) -> Array:
    """The first array that is not empty, else an empty one."""
    return next((each for each in found if len(each)), np.array([]))


# --- checks -----------------------------------------------------------------------------------------------------------


def refuse_mixed_labels(y: Any) -> None:
    """Raise TypeError if labels are of types that cannot be sorted together.

    >>> refuse_mixed_labels(np.array(["a", 1], dtype=object))
    Traceback (most recent call last):
    TypeError: y mixes labels of types int and str: give labels of one type
    """
    if getattr(getattr(y, "dtype", None), "kind", "") != "O" or np.ndim(y) != 1:
        return
    types = {type(label) for label in y}
    if str in types and len(types) > 1:
        names = " and ".join(sorted(kind.__name__ for kind in types))
        raise TypeError(f"y mixes labels of types {names}: give labels of one type")


def check_class_weight(given: Any, y: Any) -> None:
    """Raise ValueError for a list if an example has one label, and for a weight below 0 or not finite.

    >>> check_class_weight({0: -1.0}, np.array([0, 1]))
    Traceback (most recent call last):
    ValueError: class_weight holds -1.0 for class 0: weights must be finite and not negative
    """
    if isinstance(given, list) and np.ndim(y) == 1:
        raise ValueError("class_weight is a list, which is for several labels an example: give {class: weight}")
    for weights in given if isinstance(given, list) else [given]:
        for label, weight in weights.items() if isinstance(weights, dict) else ():
            if not (isinstance(weight, Real) and 0 <= float(weight) < np.inf):
                raise ValueError(
                    f"class_weight holds {weight!r} for class {label!r}: weights must be finite and not negative"
                )
