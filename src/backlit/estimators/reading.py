"""Reading examples: X, y and weights as the caller gave them, checked, as `engine.Data`."""

from typing import Any

import numpy as np
from sklearn.utils.validation import _check_sample_weight, column_or_1d, validate_data

from backlit.core.network import Network
from backlit.core.parameters import Parameters
from backlit.engine import Data
from backlit.errors import ProblemError
from backlit.estimators.guard import refuse_no_numbers

Array = np.ndarray


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

    def _as_data(self, X: Any, y: Any, sample_weight: Any, new_targets: bool, balanced: bool = True) -> Data:
        y = column_or_1d(y, warn=True) if y.ndim == 2 and y.shape[1] == 1 else y
        weight = None if sample_weight is None else _check_sample_weight(sample_weight, X, ensure_non_negative=True)
        if weight is not None and not weight.any():
            raise ValueError("sample_weight is zero everywhere: give at least one example a weight above 0")
        Y = np.ascontiguousarray(self._read_targets(y, new_targets), dtype=X.dtype)
        by_class = self._class_weights(y) if balanced else None
        if by_class is not None:
            weight = by_class if weight is None else weight * by_class
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
        data = self._as_data(X, y, given[2] if len(given) == 3 else None, False, balanced=False)
        self._check_shapes(data)
        return data

    def _check_shapes(self, data: Data) -> None:
        if data.Y.shape[1] != self.network_.outputs:
            raise ValueError(f"y has {data.Y.shape[1]} outputs, but the network was built for {self.network_.outputs}")
