"""Examples as the caller gave them, checked; a call that cannot be done leaves a fitted estimator as it was."""

import sys
import threading
import warnings
import weakref
from collections.abc import Callable
from functools import wraps
from pathlib import Path
from typing import Any, TypeVar

import numpy as np
from sklearn.metrics import check_scoring
from sklearn.utils.validation import _check_sample_weight, column_or_1d, validate_data

from backlit.core.network import Network
from backlit.core.parameters import Parameters
from backlit.engine import Data
from backlit.errors import Divergence, ProblemError

Array = np.ndarray
HERE = str(Path(__file__).parents[1])


def warn(message: str, category: type[Warning] = UserWarning) -> None:
    """Warn, as of the innermost line that is not Backlit's."""
    frame, level = sys._getframe(1), 2
    while frame.f_back is not None and frame.f_code.co_filename.startswith(HERE):
        frame, level = frame.f_back, level + 1
    warnings.warn(message, category, stacklevel=level)


Method = TypeVar("Method", bound=Callable[..., Any])
LABELS = "biuU"  # kinds of dtype whose values are classes, whatever they are
NO_NUMBERS = {"m": "spans of time", "M": "dates", "V": "records"}  # which NumPy would turn into numbers of some unit


TURNS: "weakref.WeakKeyDictionary[Any, Any]" = weakref.WeakKeyDictionary()  # a lock an estimator, no part of it
TURNS_LOCK = threading.Lock()


def turn_of(estimator: Any) -> Any:
    """The lock by which calls that change one estimator take turns."""
    with TURNS_LOCK:
        return TURNS.setdefault(estimator, threading.RLock())


def unchanged_on_error(method: Method) -> Method:
    """Make `fit` or `partial_fit` put every attribute, and the generator, back if it raises, whatever it raises.

    Calls on one estimator from several threads take turns, so that no update is lost.
    The method writes into no array or list that was there before (`BaseMLP._go_on_with_copies`).  Divergence is an
    exception to that: training has then done what it could, and its last finite parameters are kept.
    """

    @wraps(method)
    def guarded(self: Any, *arguments: Any, **options: Any) -> Any:
        with turn_of(self):
            before = dict(vars(self))
            random = before.get("_random")
            state = None if random is None else random.get_state()
            try:
                return method(self, *arguments, **options)
            except Divergence:
                raise
            except BaseException:  # Ctrl-C in a callback too
                vars(self).clear()
                vars(self).update(before)
                if random is not None:
                    random.set_state(state)
                raise

    return guarded  # type: ignore[return-value]  # wraps keeps the signature, which the checker cannot see


def refuse_no_numbers(array: Any, name: str) -> None:
    """Raise TypeError if an array holds dates, spans or records, ValueError if there is none.

    >>> refuse_no_numbers(np.array(["2020-01-01"], dtype="M8[D]"), "X")
    Traceback (most recent call last):
    TypeError: X holds dates: give numbers, such as days from a date
    """
    if array is None:
        raise ValueError(f"{name} is None: give rows of numbers")
    kind = getattr(getattr(array, "dtype", None), "kind", "")
    if kind in NO_NUMBERS:
        raise TypeError(f"{name} holds {NO_NUMBERS[kind]}: give numbers, such as days from a date")


def plain_rows(X: Any, estimator: Any, first: bool = False) -> bool:
    """Whether X is finite rows in an array that an estimator takes as it is, so that nothing need be checked.

    first : whether they say how many features there are; else the estimator is fitted to as many, which have no names.
    scikit-learn's own check of one row takes longer than its prediction.
    """
    return (
        type(X) is np.ndarray
        and X.ndim == 2
        and X.dtype in (np.float64, np.float32)
        and X.flags.c_contiguous
        and X.size > 0
        and (first or X.shape[1] == estimator.n_features_in_)
        and not hasattr(estimator, "feature_names_in_")
        and bool(np.isfinite(X).all())
    )


def plain_targets(y: Any, n: int) -> bool:
    """Whether y is a column of n labels or finite numbers in an array, of which nothing need be checked."""
    if type(y) is not np.ndarray or y.shape != (n,):
        return False
    return y.dtype.kind in LABELS or (y.dtype.kind == "f" and bool(np.isfinite(y).all()))


class Reading:
    """`_read` and `_read_validation`; mixed into the estimators, which say what their targets are."""

    _numeric = False  # whether y must hold numbers
    _params: Parameters
    network_: Network

    # --- what a subclass gives ---

    def _read_targets(self, y: Any, first: bool) -> Array:
        """Y (n, n_L), from y as the caller gave it."""
        raise TypeError(f"{type(self).__name__} reads no targets")

    def _class_weights(self, y: Any) -> Array | None:
        """What class_weight multiplies each example's weight by, (n,)."""
        return None

    def _check_same_classes(self, y: Any) -> None:
        """Raise ValueError where y has other classes than before, which warm_start cannot go on with."""

    # --- reading ---

    def _read(
        self, X: Any, y: Any, sample_weight: Any, *, first: bool, new_targets: bool, same_classes: bool = False
    ) -> Data:
        X, y = self._check_arrays(X, y, first)
        if same_classes:
            self._check_same_classes(y)
        return self._as_data(X, y, sample_weight, new_targets)

    def _check_arrays(self, X: Any, y: Any, first: bool, dtype: Any = (np.float64, np.float32)) -> tuple[Any, Any]:
        """X and y by scikit-learn's checks; first : whether they say how many features there are."""
        if plain_rows(X, self, first) and plain_targets(y, len(X)):
            self.n_features_in_ = X.shape[1]
            return X, y
        refuse_no_numbers(X, "X")
        if y is not None:  # which scikit-learn names
            refuse_no_numbers(y, "y")
        return validate_data(
            self,
            X,
            y,
            multi_output=True,
            y_numeric=self._numeric,
            accept_sparse="csr",
            dtype=dtype,
            order="C",
            reset=first,
        )

    def _as_data(self, X: Any, y: Any, sample_weight: Any, new_targets: bool, by_class: bool = True) -> Data:
        y = column_or_1d(y, warn=True) if y.ndim == 2 and y.shape[1] == 1 else y
        weight = None if sample_weight is None else _check_sample_weight(sample_weight, X, ensure_non_negative=True)
        if weight is not None and not weight.any():
            raise ValueError("sample_weight is zero everywhere: give at least one example a weight above 0")
        Y = np.ascontiguousarray(self._read_targets(y, new_targets), dtype=X.dtype)
        class_weight = self._class_weights(y) if by_class else None
        if class_weight is not None:
            weight = class_weight if weight is None else weight * class_weight
        return Data(X, Y, None if weight is None else weight.astype(X.dtype))

    def _read_validation(self, given: Any) -> Data:
        """Data from (X, y) or (X, y, sample_weight), in the dtype of the parameters."""
        if not isinstance(given, tuple | list) or len(given) not in (2, 3):
            raise ProblemError(
                f"validation_data must be (X, y) or (X, y, sample_weight), not {type(given).__name__} of "
                f"{len(given) if hasattr(given, '__len__') else 'no'} parts"
            )
        refuse_no_numbers(given[0], "validation_data: X")
        refuse_no_numbers(given[1], "validation_data: y")
        X, y = validate_data(
            self,
            *given[:2],
            multi_output=True,
            y_numeric=self._numeric,
            accept_sparse="csr",
            dtype=self._params.theta.dtype,
            order="C",
            reset=False,
        )
        data = self._as_data(X, y, given[2] if len(given) == 3 else None, False, by_class=False)
        self._check_shapes(data)
        return data

    def _check_shapes(self, data: Data) -> None:
        if data.Y.shape[1] != self.network_.outputs:
            raise ValueError(f"y has {data.Y.shape[1]} outputs, but the network was built for {self.network_.outputs}")


def check_scorer(estimator: Any) -> None:
    """Raise ValueError before the first step if there is no such scorer."""
    if estimator.scoring is not None:
        check_scoring(estimator, scoring=estimator.scoring)
