"""Constructor parameters and fitted attributes as plain JSON, and back: no import paths, no code, no fallback.

What JSON has no word for is a mapping with one key that says what it is: {"tuple": [...]}, {"float": "inf"},
{"pairs": [[key, value], ...]} for a dict, {"array": [...], "dtype": "int64"}, and Backlit's own objects by their
enumerated names, {"optimizer": {"name": "adam", ...}}.

>>> decode(encode((3, {"a": float("inf")})))
(3, {'a': inf})
"""

from math import isfinite
from numbers import Integral, Real
from typing import Any

import numpy as np

from backlit.core.activations import Activation, get_activation
from backlit.core.losses import Loss, get_loss
from backlit.errors import BacklitError, ModelError
from backlit.optim import Optimizer, Schedule, get_optimizer, get_schedule

ARRAY_KINDS = "biufU"  # and "O" where all are strings
NAMED = {
    "activation": (Activation, lambda value: value.spec, get_activation),
    "loss": (Loss, lambda value: value.spec, get_loss),
    "optimizer": (Optimizer, lambda value: value.to_dict(), get_optimizer),
    "schedule": (Schedule, lambda value: value.to_dict(), get_schedule),
}


def encode(value: Any) -> Any:
    """`value` in JSON's types.  Raises ModelError for what has no plain name, such as a function."""
    if value is None or isinstance(value, bool | str):
        return value
    if isinstance(value, np.bool_):
        return bool(value)
    if isinstance(value, Integral):
        return int(value)
    if isinstance(value, Real):
        return float(value) if isfinite(value) else {"float": str(float(value))}
    if isinstance(value, list):
        return [encode(item) for item in value]
    if isinstance(value, tuple):
        return {"tuple": [encode(item) for item in value]}
    if isinstance(value, dict):
        return {"pairs": [[encode(key), encode(item)] for key, item in value.items()]}
    if isinstance(value, np.ndarray):
        return encode_array(value)
    for kind, (cls, write, read) in NAMED.items():
        if isinstance(value, cls):
            spec = write(value)
            try:
                known = read(spec) == value
            except BacklitError:
                known = False
            if known:
                return {kind: spec}
    raise ModelError(f"{type(value).__name__} {str(value)[:60]!r} has no plain name, which a model file needs")


def encode_array(array: np.ndarray) -> dict[str, Any]:
    """An array of numbers, booleans or strings."""
    texts = array.dtype.kind == "O" and all(isinstance(item, str) for item in array.ravel())
    if not (texts or array.dtype.kind in ARRAY_KINDS) or array.ndim > 2:
        raise ModelError(f"an array of {array.dtype} cannot be stored in a model file, only numbers, booleans or texts")
    dtype = "object" if texts else "str" if array.dtype.kind == "U" else array.dtype.name
    return {"array": encode(array.tolist()), "dtype": dtype}


def decode(stored: Any) -> Any:
    """The value that `encode` was called on.  Raises ModelError for anything else."""
    if stored is None or isinstance(stored, bool | str | int | float):
        return stored
    if isinstance(stored, list):
        return [decode(item) for item in stored]
    if isinstance(stored, dict) and set(stored) == {"array", "dtype"}:
        return decode_array(stored)
    if not isinstance(stored, dict) or len(stored) != 1:
        raise ModelError(f"{str(stored)[:60]!r} is no stored value")
    ((kind, content),) = stored.items()
    if kind == "tuple" and isinstance(content, list):
        return tuple(decode(item) for item in content)
    if kind == "float" and content in ("nan", "inf", "-inf"):
        return float(content)
    if kind == "pairs" and isinstance(content, list) and all(isinstance(p, list) and len(p) == 2 for p in content):
        return dict(decode_pair(*pair) for pair in content)
    if kind in NAMED:
        return NAMED[kind][2](content)
    raise ModelError(f"{str(stored)[:60]!r} is no stored value")


def decode_pair(key: Any, item: Any) -> tuple[Any, Any]:
    """One key of a dict with its value."""
    key = decode(key)
    try:
        hash(key)  # a list has none, nor has a tuple that holds one
    except TypeError:
        raise ModelError(f"{str(key)[:60]!r} is no key") from None
    return key, decode(item)


def decode_array(stored: dict[str, Any]) -> np.ndarray:
    """An array whose items are of the kind that its dtype says."""
    content, name = decode(stored["array"]), stored["dtype"]
    kinds: dict[str, type | tuple[type, ...]] = {"O": str, "U": str, "b": bool, "i": int, "u": int, "f": (int, float)}
    try:
        dtype = np.dtype(name)
        flat = [item for row in content for item in (row if isinstance(row, list) else [row])]
        wanted = kinds[dtype.kind]
        whole = all(isinstance(item, wanted) and (dtype.kind == "b" or not isinstance(item, bool)) for item in flat)
        if not isinstance(name, str) or not whole or dtype.itemsize > 16:
            raise ValueError("its items are of another kind")
        return np.array(content, dtype=dtype)
    except (TypeError, ValueError, KeyError, OverflowError) as error:
        raise ModelError(f"no array of dtype {str(name)[:40]!r}: {error}") from None
