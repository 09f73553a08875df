"""Claims: numbers that someone says are a problem's, read from a file or given as arrays, checked by name and shape.

A claim is keyed as `explain`'s JSON is: `{"loss": 0.83, "grad_W": {"1": rows, "2": rows}, "update": {"W": {...}}}`.
"""

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from backlit.bounded_reading import from_json, read_bytes
from backlit.core.problem import Problem
from backlit.core.specs import near
from backlit.errors import DomainError, ProblemError, ShapeError
from backlit.verification.quantities import KEYS, LAYERED, Array, Values, shapes

IGNORED = ("steps", "claims", "stopped")  # explain's own output is a claim too: these hold no claimed numbers
LAYOUT = 'give {"loss": number, "grad_W": {"1": rows}}'
UPDATED = ("W", "b", "gamma", "beta")


def read_claims(source: str | Path | Mapping[str, Any]) -> tuple[str, Mapping[str, Any]]:
    """(a name for messages, the keys) of a JSON file or a mapping.  Raises ProblemError in one line."""
    if isinstance(source, Mapping):
        return "claims", source
    path = Path(source)
    try:
        content = from_json(read_bytes(path).decode("utf-8-sig"))
    except FileNotFoundError:
        raise ProblemError(f"{path}: no such file: check the name and the folder") from None
    except OSError as error:
        raise ProblemError(f"{path}: cannot be read: {error.strerror}") from None
    except ValueError as error:  # bad JSON, bad UTF-8
        raise ProblemError(f"{path}: not valid JSON: {' '.join(str(error).split())}") from None
    if not isinstance(content, Mapping):
        raise ProblemError(f"{path}: claims are a table of quantities: {LAYOUT}")
    return str(path), content


def named_claims(problem: Problem, source: str | Path | Mapping[str, Any]) -> Values:
    """Every claimed array by its quantity's name, in the order of computation.

    Raises ProblemError for an unknown key or layer, ShapeError for a wrong shape (and says if the transpose would fit),
    DomainError for NaN or infinity, each naming the file and the quantity.
    """
    where, keys = read_claims(source)
    X, _ = problem.data()
    expected = shapes(problem.net, len(X))
    given = {}
    for name, value in flattened(where, keys, expected):
        if left_blank(f"{where}: {name}", value):
            continue
        given[name] = as_claim(f"{where}: {name}", value, expected[name], name)
    if not given:
        raise ProblemError(f"{where}: nothing is claimed: give at least one of {', '.join(KEYS)}")
    return {name: given[name] for name in expected if name in given}


def left_blank(where: str, value: Any) -> bool:
    """Whether every number is null, as in a worksheet's file.  Raises ProblemError if some are."""
    cells = np.asarray(value, object).ravel() if isinstance(value, Sequence) else np.array([value])
    blanks = sum(cell is None for cell in cells)
    if 0 < blanks < len(cells):
        raise ProblemError(f"{where} has {blanks} of {len(cells)} numbers left null: fill them in, or leave all null")
    return blanks > 0


def flattened(where: str, keys: Mapping[str, Any], expected: Mapping[str, Any]) -> Iterator[tuple[str, Any]]:
    """Pairs (quantity, value) of a nested claim."""
    for key, value in keys.items():
        if key in IGNORED or value is None:
            continue
        if key not in KEYS:
            raise ProblemError(f"{where}: {key}: unknown key: {near(str(key), KEYS)}")
        if key == "loss":
            yield key, value
        elif key in LAYERED:
            yield from by_layer(where, key, value, expected)
        else:
            yield from of_update(where, value, expected)


def by_layer(where: str, key: str, value: Any, expected: Mapping[str, Any]) -> Iterator[tuple[str, Any]]:
    """Pairs (quantity, value) of a table by layer, or of a list by the book's index (the first is None for W and b)."""
    if isinstance(value, Sequence) and not isinstance(value, str):
        value = dict(enumerate(value))
    if not isinstance(value, Mapping):
        raise ProblemError(f'{where}: {key}: give a table by layer, such as {{"1": rows}}, not {value!r}')
    for l, array in value.items():
        name = f"{key}[{l}]"
        if array is None:
            continue
        if name not in expected:
            layers = [n.partition("[")[2][:-1] for n in expected if n.startswith(f"{key}[")]
            raise ProblemError(f"{where}: {key}: no layer {l}: it has {', '.join(sorted(layers, key=int)) or 'none'}")
        yield name, array


def of_update(where: str, value: Any, expected: Mapping[str, Any]) -> Iterator[tuple[str, Any]]:
    """Pairs (quantity, value) of `update`."""
    if not isinstance(value, Mapping):
        raise ProblemError(f'{where}: update: give {{"W": {{"1": rows}}, "b": {{...}}, "loss": number}}, not {value!r}')
    for key, item in value.items():
        if key == "loss":
            yield "update.loss", item
        elif key in UPDATED:
            yield from by_layer(where, f"update.{key}", item, expected)
        elif key not in IGNORED:
            raise ProblemError(f"{where}: update.{key}: unknown key: {near(str(key), (*UPDATED, 'loss'))}")


def as_claim(where: str, value: Any, shape: tuple[int, ...], name: str) -> Array:
    """The claimed array in float64 and in the quantity's shape; an axis of length 1 may be missing or too many."""
    try:
        raw = np.asarray(value)
        if raw.dtype.kind not in "iuf":
            raise TypeError
        array = raw.astype(np.float64)
    except (TypeError, ValueError, OverflowError):
        what = f"numbers in shape {shape}: rows differ in length or hold no numbers" if shape else "one number"
        raise ShapeError(f"{where} must be {what}") from None
    if array.shape != shape:
        if array.ndim == len(shape) or squeezed(array.shape) != squeezed(shape):
            raise ShapeError(f"{where} must have shape {shape}, not {array.shape}: {shape_hint(name, array, shape)}")
        array = array.reshape(shape)
    if not np.isfinite(array).all():
        at = [int(i) for i in np.argwhere(~np.isfinite(array))[0]]
        raise DomainError(f"{where} holds {array[tuple(at)]}{f' at {at}' if at else ''}: give finite numbers")
    return array


def squeezed(shape: tuple[int, ...]) -> tuple[int, ...]:
    """A shape without its axes of length 1."""
    return tuple(n for n in shape if n != 1)


def shape_hint(name: str, array: Array, shape: tuple[int, ...]) -> str:
    """What a wrong shape suggests."""
    if array.ndim == 2 and array.T.shape == shape:
        return f"the transpose fits, give {name}.T (here rows are {'units' if '_W' in name else 'examples'})"
    if name.startswith(("grad_b", "grad_gamma", "grad_beta")) and array.ndim == 2 and array.shape[1] == shape[0]:
        return "it holds one row an example: sum over the examples"
    if name.startswith("grad_b") and array.size == 1:
        return "it is one number: sum over the examples only, each unit has a bias of its own"
    if "W" in name:
        return "rows are the layer's units, columns its inputs"
    return "rows are the examples, columns the layer's units" if len(shape) == 2 else "give one number a unit"
