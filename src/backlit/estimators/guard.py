"""A call that cannot be done leaves a fitted estimator as it was; what scikit-learn's checks let through is named."""

from collections.abc import Callable
from functools import wraps
from typing import Any, TypeVar

import numpy as np

from backlit.errors import Divergence

Method = TypeVar("Method", bound=Callable[..., Any])
NO_NUMBERS = {"m": "spans of time", "M": "dates", "V": "records"}  # which NumPy would turn into numbers of some unit


def unchanged_on_error(method: Method) -> Method:
    """Make `fit` or `partial_fit` put every attribute back, and the generator, where it raises.

    Divergence is no such error: training has then done what it could, and its last finite parameters are kept.  A
    warning of the method needs a `stacklevel` of one more.
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
    """Raise TypeError where an array holds dates, spans or records, ValueError where there is none.

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
    """Raise TypeError where labels are of types that cannot be sorted together.

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
