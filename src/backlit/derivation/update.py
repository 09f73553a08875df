"""Optimizer steps on the whole of x as the numbers that a derivation shows, the formulas of each step, and the numbers
of both passes and of the steps by plain names, as `--format json` prints them and `check` reads them."""

from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from math import inf
from typing import Any

import numpy as np

from backlit.core.exact import kept, written
from backlit.core.formulas import Unsupported
from backlit.core.parameters import NAMES, Parameters, trainable
from backlit.core.passes import Gradients, Trace
from backlit.core.problem import Problem
from backlit.derivation.exact import FRACTIONS, exact_passes
from backlit.derivation.expressions import Expr, Sym
from backlit.derivation.functions import TREE
from backlit.optim import get_optimizer
from backlit.optim.optimizers.base import Optimizer, clip_by_norm, clip_by_value, norm


@dataclass(frozen=True)
class Rule:
    """One line of an update: `name` ← `made`.

    equation : its number.  name : a vector of the state, what is on the way to the step, or "step", added to θ.
    """

    equation: str
    name: str
    made: Expr


class Symbols(dict[str, Expr]):
    """The operands as symbols; a vector before the step looks as it does after it."""

    def __init__(self, optimizer: Optimizer):
        super().__init__({key: Sym(symbol) for key, symbol in optimizer.symbols.items()})

    def __missing__(self, key: str) -> Expr:
        return vector_symbol(key.removeprefix("old "))


def vector_symbol(name: str, layer: str = "") -> Sym:
    """A vector of the state, the step, or what is on the way to it; m is the number of examples, so Adam's is ḡ."""
    return Sym({"m": "g_mean"}.get(name, name), layer)


def rules(optimizer: Optimizer, operands: dict[str, Expr]) -> Iterator[Rule]:
    """The lines of an update, in the order in which they are computed; the last one gives the step.

    Each is made when it is asked for, of the operands that there are by then.
    """
    return (Rule(*made) for made in optimizer.formulas(operands, TREE))


Array = np.ndarray
Slots = tuple[Array, ...]
DEFAULT = {"name": "sgd", "learning_rate": 0.1}


@dataclass(frozen=True)
class Updated:
    """One optimizer step.

    before, after : parameters.  gradient : as backpropagation gave it; clipped : as the optimizer got it (0 where
    nothing may move).  state : its vectors after the step.  loss_before, loss_after : C on the same examples.
    """

    t: int
    before: Parameters
    after: Parameters
    gradient: Parameters
    clipped: Parameters
    norm: float
    state_before: Slots
    state: Slots
    loss_before: Any
    loss_after: Any

    def finite(self) -> bool:
        """Whether every number of the step is finite."""
        vectors = (self.gradient.theta, self.after.theta, *self.state, np.array([self.loss_after]))
        return all(np.isfinite(np.asarray(v, float)).all() for v in vectors)


def optimizer_of(problem: Problem) -> Optimizer:
    """The problem's optimizer, or plain gradient descent where it names none."""
    return problem.optimizer or get_optimizer(DEFAULT)


def run(problem: Problem, steps: int, theta: Parameters | None = None) -> list[Updated]:
    """Take `steps` steps, or fewer where one is not finite (which is then the last).

    theta : the parameters in fractions, where the steps are to be exact.
    """
    optimizer, params = optimizer_of(problem), theta or problem.params.copy()
    state = optimizer.init(as_float(params.theta))
    may_move = trainable(problem.net)
    done: list[Updated] = []
    for t in range(1, steps + 1):
        grad = gradients(problem, params, t - 1)
        clipped = np.where(may_move, clip(problem, grad.theta), 0)
        with np.errstate(over="ignore"):  # a state that leaves float64 is shown, and is the last
            step, after_state = moved(optimizer, clipped, state, t, params.theta)
        after = Parameters(problem.net, shortened(params.theta + np.where(may_move, step, 0)))
        later = gradients(problem, after, t - 1).loss
        vectors = Parameters(problem.net, grad.theta), Parameters(problem.net, clipped)
        length = norm(as_float(grad.theta))
        done.append(Updated(t, params, after, *vectors, length, state, after_state, grad.loss, later))
        if not done[-1].finite():
            break
        params, state = after, after_state
    return done


def as_float(vector: Array) -> Array:
    """A vector that may hold fractions, as float64."""
    return np.asarray(vector, np.float64)


def shortened(theta: Array) -> Array:
    """The same vector with floats in place of fractions that are too long."""
    if theta.dtype != object:
        return theta
    return np.array([v if kept(v) else rounded(v) for v in theta], object)


def rounded(value: Any) -> float:
    """A float, infinite if the value is too large for one."""
    try:
        return float(value)
    except OverflowError:
        return inf if value > 0 else -inf


def gradients(problem: Problem, params: Parameters, step: int) -> Gradients:
    """Both passes, in fractions where the parameters hold some."""
    trace, grad = problem.passes(Parameters(problem.net, as_float(params.theta)), step=step)
    if params.theta.dtype != object:
        return grad
    return exact_passes(problem, trace, grad, params, step)[2]


def clip(problem: Problem, g: Array) -> Array:
    """The gradient as the optimizer gets it; as it is, where no bound is touched."""
    plain = as_float(g)
    bounded = clip_by_value(clip_by_norm(plain, problem.clip_norm), problem.clip_value)
    return g if bounded is plain else bounded


def moved(optimizer: Optimizer, g: Array, state: Slots, t: int, theta: Array) -> tuple[Array, Slots]:
    """The step and the new state; exact where theta is and there is no state, unless the formulas have a root."""
    if theta.dtype == object and not state:
        with suppress(Unsupported, ZeroDivisionError):
            return np.array([exact_step(optimizer, *one, t) for one in zip(g, theta, strict=True)], object), ()
    return optimizer.update(as_float(g), state, t, lr=optimizer.learning_rate, theta=as_float(theta))


def exact_step(optimizer: Optimizer, g: Any, theta: Any, t: int) -> Any:
    """One parameter's step by the formulas.  Raises Unsupported where they have a root, or give no step."""
    operands: dict[str, Any] = {key: written(getattr(optimizer, key)) for key in optimizer.symbols}
    operands |= {"g": g, "theta": theta, "t": t}
    for _, name, made in optimizer.formulas(operands, FRACTIONS):
        operands[name] = made
    if "step" not in operands:
        raise Unsupported
    return operands["step"]


def by_entry(u: Updated, names: tuple[str, ...], e: int) -> Iterator[tuple[str, float, float]]:
    """The name, the old and the new value of parameter e's place in each vector of the state."""
    for name, old, new in zip(names, u.state_before, u.state, strict=True):
        yield name, old[e], new[e]


# --- plain numbers ----------------------------------------------------------------------------------------------------

Plain = dict[str, Any]


def by_layer(arrays: list[Any]) -> Plain:
    """{"1": rows, …}; layers that have none are left out."""
    return {str(l): np.asarray(array, float).tolist() for l, array in enumerate(arrays) if array is not None}


def quantities(trace: Trace, grad: Gradients | None, updates: list[Updated]) -> Plain:
    """The plain numbers by name, as `--format json` prints them: loss, z, u, a, delta, grad_*, update."""
    found: Plain = {"loss": grad.loss if grad else None}
    found |= {name: by_layer(getattr(trace, name)) for name in ("z", "u", "a")}
    if grad is not None:
        found["delta"] = by_layer(grad.delta)
        found |= {f"grad_{name}": by_layer(getattr(grad, name)) for name in (*NAMES, "a")}
    if updates:
        last = updates[-1]
        moved = {name: by_layer(getattr(last.after, name)) for name in NAMES}
        found["update"] = {name: layers for name, layers in moved.items() if layers or name in ("W", "b")}
        found["update"]["loss"] = float(last.loss_after)
    return found
