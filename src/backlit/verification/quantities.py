"""The named quantities of one problem: what may be claimed, its shape, and the order in which it is computed.

A claim is keyed as `explain`'s JSON is: `{"loss": 0.83, "grad_W": {"1": rows, "2": rows}, "update": {"W": {...}}}`.
It is read from a file or given as arrays, and checked by name and shape.

>>> from backlit.core.network import Dense, Network
>>> list(shapes(Network(2, [Dense(1)]), m=3))[:4]
['a[0]', 'z[1]', 'u[1]', 'a[1]']
"""

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from backlit.bounded_reading import from_json, read_bytes
from backlit.core.network import Network
from backlit.core.parameters import Parameters, trainable
from backlit.core.passes import Gradients, Trace, total_loss
from backlit.core.passes import forward as forward_pass
from backlit.core.problem import Problem
from backlit.errors import DomainError, ProblemError, ShapeError
from backlit.optim import clip_by_norm, clip_by_value
from backlit.registry import near

Array = np.ndarray
Named = Iterator[tuple[str, Array]]
Values = dict[str, Array]  # by name, in the order of computation

FORWARD = ("z", "u", "a")
PARAMETER_GRADIENTS = ("grad_gamma", "grad_beta", "grad_b", "grad_W")
BACKWARD = ("grad_a", "delta", *PARAMETER_GRADIENTS)
LAYERED = (*FORWARD, *BACKWARD)  # these hold one array a layer
KEYS = (*LAYERED, "loss", "update")


def shapes(net: Network, m: int) -> dict[str, tuple[int, ...]]:
    """The shape of every quantity of m examples, in the order of computation; update's are theta's and the loss's."""
    n = net.n
    found: dict[str, tuple[int, ...]] = {"a[0]": (m, net.n[0])}
    for l, _ in net.numbered():
        found |= {f"{key}[{l}]": (m, n[l]) for key in FORWARD}
    found["loss"] = ()
    for l in range(net.L, 0, -1):
        found |= {f"grad_a[{l}]": (m, n[l]), f"delta[{l}]": (m, n[l])}
        if net.layer(l).norm:
            found |= {f"grad_gamma[{l}]": (n[l],), f"grad_beta[{l}]": (n[l],)}
        found |= {f"grad_b[{l}]": (n[l],), f"grad_W[{l}]": (n[l], n[l - 1])}
    found["grad_a[0]"] = (m, n[0])
    for l, layer in net.numbered():
        found |= {f"update.W[{l}]": (n[l], n[l - 1]), f"update.b[{l}]": (n[l],)}
        if layer.norm:
            found |= {f"update.gamma[{l}]": (n[l],), f"update.beta[{l}]": (n[l],)}
    return found | {"update.loss": ()}


def layer_of(name: str) -> int | None:
    """The layer in a quantity's name: 2 for "grad_W[2]", None for "loss"."""
    return int(name[name.index("[") + 1 : -1]) if "[" in name else None


def key_of(name: str) -> str:
    """The key in a quantity's name: "grad_W" for "grad_W[2]"."""
    return name.partition("[")[0]


def right_values(problem: Problem, *, steps: int | None = None) -> Values:
    """Every quantity of a problem by the textbook's closed form, float64, in the order of computation.

    steps : how many optimizer steps `update` is after; None leaves update out.  Raises ProblemError if the problem
    lacks what is asked for.
    """
    trace, grad = problem.passes()
    values = dict(forward_values(problem.net, trace)) | {"loss": np.array(grad.loss)}
    values |= dict(backward_values(problem.net, grad))
    return values if steps is None else values | dict(update_values(problem, steps))


def refuse_non_finite(problem: Problem) -> None:
    """Raise DomainError if the problem's own quantities overflow: nothing can be compared with them."""
    trace, grad = problem.passes()
    name = trace.first_non_finite()
    if name is None and not (abs(grad.loss) < float("inf")):
        name = "the loss"
    if name is not None:
        raise DomainError(f"{problem.name}: {name} is not finite: use smaller weights or inputs")


def forward_values(net: Network, trace: Trace) -> Named:
    """a[0], then z, u and a of each layer."""
    yield "a[0]", trace.a[0]
    for l, _ in net.numbered():
        for key in FORWARD:
            yield f"{key}[{l}]", getattr(trace, key)[l]


def backward_values(net: Network, grad: Gradients) -> Named:
    """From the output down: grad_a, delta, and the gradients of the layer's parameters."""
    for l in range(net.L, 0, -1):
        yield f"grad_a[{l}]", grad.a[l]
        yield f"delta[{l}]", grad.delta[l]
        if net.layer(l).norm:
            yield f"grad_gamma[{l}]", grad.gamma[l]
            yield f"grad_beta[{l}]", grad.beta[l]
        yield f"grad_b[{l}]", grad.b[l]
        yield f"grad_W[{l}]", grad.W[l]
    yield "grad_a[0]", grad.a[0]


def update_values(problem: Problem, steps: int) -> Named:
    """Parameters and cost after `steps` optimizer steps on the whole of x."""
    if problem.optimizer is None:
        raise ProblemError(
            f'{problem.name}: "update" is claimed, but no optimizer says how a step is made: '
            'give "optimizer": {"name": "sgd", "learning_rate": 0.5}'
        )
    params, slots = problem.params.copy(), problem.optimizer.init(problem.params.theta)
    for t in range(steps):
        _, grad = problem.passes(params, step=t)
        change, slots = optimizer_step(problem, params, grad.theta, slots, t + 1)
        params.theta += change
    yield from updated(problem, params, steps)


def clipped(problem: Problem, g: Array) -> Array:
    """g within the problem's own bounds."""
    return clip_by_value(clip_by_norm(g, problem.clip_norm), problem.clip_value)


def optimizer_step(problem: Problem, params: Parameters, g: Array, slots: tuple[Array, ...], t: int) -> tuple:
    """Clip g, and let the problem's optimizer turn it into (the change of theta, its new state)."""
    optimizer, frozen = problem.optimizer, ~trainable(problem.net)
    assert optimizer is not None
    g = np.where(frozen, 0, clipped(problem, g))
    change, slots = optimizer.update(g, slots, t, lr=optimizer.learning_rate, theta=params.theta)
    return np.where(frozen, 0, change), slots


def updated(problem: Problem, params: Parameters, steps: int) -> Named:
    """The quantities of `update` for the new parameters that the last of some steps left."""
    X, y = problem.data()
    for slot, value in params.items():
        yield f"update.{slot}", value
    masks = problem.dropout_key(steps - 1)  # of the last step, so that the costs before and after it compare
    trace = forward_pass(problem.net, params, X, dropout=masks, statistics=problem.statistics)
    yield "update.loss", np.array(float(total_loss(problem.net, params, trace, y, problem.sample_weight)))


# --- claims -----------------------------------------------------------------------------------------------------------

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
    form = ""
    if isinstance(value, Sequence) and not isinstance(value, str):
        value, form = dict(enumerate(value)), '; a list begins with layer 0: give [null, rows, …], or {"1": rows, …}'
    if not isinstance(value, Mapping):
        raise ProblemError(f'{where}: {key}: give a table by layer, such as {{"1": rows}}, not {value!r}')
    for l, array in value.items():
        name = f"{key}[{l}]"
        if array is None:
            continue
        if name not in expected:
            layers = [n.partition("[")[2][:-1] for n in expected if n.startswith(f"{key}[")]
            known = ", ".join(sorted(layers, key=int)) or "none"
            raise ProblemError(f"{where}: {key}: no layer {l}: it has {known}{form}")
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
