"""What a model file says of an estimator: parameters and fitted attributes as plain JSON, and back.

There are no import paths, no code and no fallback.

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
from sklearn.utils import check_random_state
from sklearn.utils.validation import check_is_fitted

from backlit.core.activations import Activation, get_activation
from backlit.core.losses import Loss, get_loss
from backlit.core.network import Network
from backlit.errors import BacklitError, ModelError
from backlit.estimators.train import current
from backlit.formats.models import Model
from backlit.optim import Optimizer, Schedule, get_optimizer, get_schedule
from backlit.tables import TargetCodec
from backlit.training import History

VERSION = 1
ESTIMATORS: dict[str, Any] = {}  # classes by name; each enters itself when it is made
DERIVED = {"network_", "history_", "classes_"}  # stored in their own way


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


# --- an estimator --------------------------------------------------------------------------------------------------


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
    """The history that `History.to_dict` gave; raises ModelError for anything else."""
    try:
        return History.from_dict(stored)
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
