"""A call that cannot be done leaves a fitted estimator as it was; what scikit-learn's checks let through is named."""

from collections.abc import Callable
from functools import wraps
from numbers import Real
from typing import Any, TypeVar

import numpy as np

from backlit.errors import Divergence

Method = TypeVar("Method", bound=Callable[..., Any])
NO_NUMBERS = {"m": "spans of time", "M": "dates", "V": "records"}  # which NumPy would turn into numbers of some unit


def unchanged_on_error(method: Method) -> Method:
    """Make `fit` or `partial_fit` put every attribute, and the generator, back if it raises.

    The method writes into no array or list that was there before (`BaseMLP._go_on_with_copies`).  Divergence is an
    exception to that: training has then done what it could, and its last finite parameters are kept.
    """

    @wraps(method)
    def guarded(self: Any, *arguments: Any, **options: Any) -> Any:
        before = dict(vars(self))
        random = before.get("_random")
        state = None if random is None else random.get_state()
        try:
            return method(self, *arguments, **options)
        except Divergence:
            raise
        except Exception:
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
