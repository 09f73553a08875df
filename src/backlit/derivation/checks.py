"""What a derivation says of its numbers, tried: each gradient in other ways, what depends on what, and formulas.

A gradient is checked by a complex step and by differences: where the parameters are few each entry, else the slope
along random signed directions of each tensor, in a deep network of a block of them at a time, so that the work does
not grow with the square of depth.  What a method can't resolve, such as a difference that rounding drowns, is left out.

Sentences such as "a unit depends on no sum but its own" and "this is kept for the way back" are said if the passes of
`core` bear them out: one number is changed and what moves is looked at, reads are watched.

Formulas of a user's own records are held against what they compute, so that none is printed that gives other numbers.
"""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import fields, replace
from typing import Any

import numpy as np

from backlit.core import norms
from backlit.core.activations import ACTIVATIONS, Activation
from backlit.core.formulas import NUMPY, Formula
from backlit.core.losses import LOSSES, Loss
from backlit.core.parameters import Parameters, Slot, layout
from backlit.core.passes import Gradients, Trace, backward, example_weights
from backlit.core.problem import Problem
from backlit.core.targets import as_targets
from backlit.derivation.document import Check
from backlit.derivation.update import clip
from backlit.gradcheck import Comparison, GradientChecker
from backlit.gradcheck.methods import signed
from backlit.optim import OPTIMIZERS
from backlit.optim.optimizers.base import Optimizer

Array = np.ndarray
FEW = 1200  # numbers that are checked one by one
DIRECTIONS = 3
MOST_LAYERS = 20_000  # that the forward passes of one step of the differences go through, over all directions
BUMPS = (1.0, -1.0, 4.0, -4.0)  # some of them move a unit that is flat on one side
Checks = tuple[Check, ...]


def check(problem: Problem, trace: Trace, grad: Gradients) -> dict[str, Checks]:
    """Checks by step id: each tensor of theta, the input gradient, and δ where no example depends on another."""
    checker, rng = GradientChecker(problem, grad.theta.dtype), np.random.default_rng(0)
    n = len(grad.theta)
    found: dict[str, Checks] = {}
    slots = layout(problem.net)
    blocks = blocks_of(slots, MOST_LAYERS // (DIRECTIONS * problem.net.L))
    few = n <= FEW and len(blocks) == len(slots)
    for block in blocks:
        if few:
            checks = checker.parameters(slice(block[0].start, block[0].stop), grad.theta)
        else:
            where = np.concatenate([np.arange(slot.start, slot.stop) for slot in block])
            checks = checker.parameters(slice(0), grad.theta, signed(where, n, DIRECTIONS, rng))
        found |= {f"grad_{slot}": shown(checks) for slot in block}
    slope = grad.a[0] * example_weights(problem.net, trace, problem.sample_weight)[1][:, None]
    along = None if slope.size <= FEW else signed(slice(None), slope.size, DIRECTIONS, rng)
    found["grad_a[0]"] = shown(checker.inputs(slope, along))
    if not problem.net.couples_examples and few:
        found |= {f"delta[{l}]": shown(checker.delta(l, grad.delta[l])) for l, _ in problem.net.numbered()}
    return found


def blocks_of(slots: Sequence[Slot], most: int) -> list[list[Slot]]:
    """About `most` blocks of tensors of one name, each of consecutive layers; a tensor each where they are no more."""
    if len(slots) <= most:
        return [[slot] for slot in slots]
    blocks = []
    for name in dict.fromkeys(slot.name for slot in slots):  # a bias has far larger slopes than a deep layer's weights
        own = [slot for slot in slots if slot.name == name]
        parts = np.array_split(np.arange(len(own)), max(most * len(own) // len(slots), 1))
        blocks += [[own[k] for k in part] for part in parts]
    return blocks


def one(problem: Problem, grad: Gradients, at: int) -> Checks:
    """Both methods for one parameter, by its place in theta."""
    return shown(GradientChecker(problem, grad.theta.dtype).parameters(slice(at, at + 1), grad.theta))


def of_delta(problem: Problem, grad: Gradients, l: int, j: int, row: int) -> Checks:
    """The complex step for one entry of δ."""
    checker = GradientChecker(problem, grad.theta.dtype)
    return shown(checker.delta(l, grad.delta[l], slice(row, row + 1), slice(j, j + 1)))


def shown(comparisons: Iterable[Comparison]) -> Checks:
    """As the document shows them: those that tell.  One that agrees by what rounding may do alone tells nothing."""
    telling = [one for one in comparisons if one.verdict == "disagree" or (one.verdict == "agree" and one.tells)]
    return tuple(Check(one.method, one.error, one.verdict == "agree") for one in telling)


# --- what depends on what ---------------------------------------------------------------------------------------------


def reach(problem: Problem, l: int, m: int, *, activated: bool) -> frozenset[str]:
    """Which entries of u, or of φ(u) if `activated`, move with one z of m examples: own, units, batch, all.

    "own" is the same unit of the same example, "units" the others of that example, "batch" the same unit of other
    examples, "all" others of others.  Tried at random z: what moves hangs on the formulas, not on these numbers.
    """
    z = np.random.default_rng(0).standard_normal((m, problem.net.n[l]))
    before = after_sums(problem, l, z, activated)
    moved = np.zeros(z.shape, bool)
    for bump in BUMPS:
        tried = z.copy()
        tried[0, 0] += bump
        moved |= after_sums(problem, l, tried, activated) != before
    places = {"own": moved[0, 0], "units": moved[0, 1:], "batch": moved[1:, 0], "all": moved[1:, 1:]}
    return frozenset(name for name, part in places.items() if np.any(part))


def after_sums(problem: Problem, l: int, z: Array, activated: bool) -> Array:
    """What a layer makes of z: x̂ where it has a norm, with φ of it if `activated`."""
    layer = problem.net.layer(l)
    if layer.norm:
        z = norms.normalize(layer, z, problem.statistics.of(l) if problem.statistics else None).x_hat
    return layer.activation.function(z) if activated else z


class Watched(np.ndarray):
    """An array that notes in `log` that its numbers were read."""

    log: set[Any]
    name: Any

    def __array_finalize__(self, base: Any) -> None:
        self.log, self.name = getattr(base, "log", set()), getattr(base, "name", None)

    def __array_ufunc__(self, ufunc: Any, method: str, *inputs: Any, **options: Any) -> Any:
        for array in inputs:
            if isinstance(array, Watched):
                array.log.add(array.name)
        return getattr(ufunc, method)(*map(plain, inputs), **options)

    def __array_function__(self, function: Any, types: Any, args: Any, options: Any) -> Any:
        if not function.__name__.endswith("_like"):  # which reads the shape alone
            self.log.add(self.name)
        return function(*map(plain, args), **options)


def plain(value: Any) -> Any:
    """An array that is not watched; arrays in a list or a tuple too."""
    if isinstance(value, list | tuple):
        return type(value)(map(plain, value))
    return value.view(np.ndarray) if isinstance(value, Watched) else value


def watched(array: Array, log: set[Any], name: Any) -> Watched:
    """The array, with its reads noted under a name."""
    made = array.view(Watched)
    made.log, made.name = log, name
    return made


def read_on_the_way_back(problem: Problem) -> set[tuple[str, int]]:
    """The quantities of the forward pass that the backward pass reads, such as ("a", 0) or ("x_hat", 2)."""
    trace, log = problem.passes()[0], set[Any]()
    lists = {
        name: [None if v is None else watched(v, log, (name, l)) for l, v in enumerate(getattr(trace, name))]
        for name in ("u", "a", "mask")
    }
    found = [
        None if v is None else replace(v, x_hat=watched(v.x_hat, log, ("x_hat", l))) for l, v in enumerate(trace.norm)
    ]
    backward(problem.net, problem.params, replace(trace, norm=found, **lists), problem.data()[1], problem.sample_weight)
    return log


# --- a user's own records ---------------------------------------------------------------------------------------------

FORMULAS = ("formula", "meaning", "derivative_formula", "derivative_of_output", "total", "gradient_formula")


def without_false_formulas(problem: Problem, trace: Trace, grad: Gradients) -> tuple[Problem, frozenset[Any]]:
    """The problem without the formulas that give other numbers than their functions, and the records that had them."""
    net, optimizer = problem.net, problem.optimizer
    y = as_targets(net, problem.data()[1], trace.m)
    with np.errstate(all="ignore"):
        false: set[Any] = {
            layer.activation for l, layer in net.numbered() if not activation_holds(layer.activation, trace.u[l])
        }
        false |= set() if loss_holds(net.loss, trace.a[-1], y) else {net.loss}
        if optimizer and not optimizer_holds(optimizer, clip(problem, grad.theta), problem.params.theta):
            optimizer = without_lines(optimizer)
            false.add(optimizer)
    if not false:
        return problem, frozenset()
    layers = [replace(layer, activation=unwritten(layer.activation, false)) for layer in net.layers]
    told = replace(net, layers=tuple(layers), loss=unwritten(net.loss, false))
    params = Parameters(told, problem.params.theta)
    return replace(problem, net=told, params=params, optimizer=optimizer), frozenset(false)


def unwritten(record: Any, false: set[Any]) -> Any:
    """The record, without formulas where they are false."""
    names = [one.name for one in fields(record) if one.name in FORMULAS and record in false]
    return replace(record, **dict.fromkeys(names))


def without_lines(optimizer: Optimizer) -> Optimizer:
    """The optimizer, which writes nothing out."""
    kind = type(optimizer)
    silent = type(kind.__name__, (kind,), {"formulas": Optimizer.formulas})
    made: Optimizer = silent(**{one.name: getattr(optimizer, one.name) for one in fields(optimizer)})
    return made


def activation_holds(phi: Activation, u: np.ndarray) -> bool:
    """Whether φ's formulas give its values and slopes at these u; Backlit's own do, which tests prove."""
    if ACTIVATIONS.has(phi) and phi.name in ACTIVATIONS.built_in:
        return True
    h, slope = phi.function(u), phi.derivative(u)
    return (
        gives(phi.formula, (u,), h)
        and gives(phi.meaning, (u,), h)
        and gives(phi.derivative_formula, (u,), slope)
        and gives(phi.derivative_of_output, (h,), slope)
    )


def loss_holds(loss: Loss, a: np.ndarray, y: np.ndarray) -> bool:
    """Whether ℓ's formulas give its values and slopes at these outputs and targets; Backlit's own do."""
    if LOSSES.has(loss) and loss.name in LOSSES.built_in:
        return True
    n = a.shape[1]
    return gives(summed(loss, n), (a, y), loss.value(a, y)) and gives(
        loss.gradient_formula, (a, y, n), loss.gradient(a, y)
    )


def summed(loss: Loss, n: int) -> Formula | None:
    """ℓ of all n outputs, from the formula of one."""
    one, total = loss.formula, loss.total
    if one is None:
        return None
    return lambda a, y, f: (total or (lambda s, n, f: s))(np.sum(one(a, y, f), axis=1), n, f)


def optimizer_holds(optimizer: Optimizer, g: np.ndarray, theta: np.ndarray) -> bool:
    """Whether an optimizer's lines give its state and its step, at the first step and at one from a state; ours do."""
    if type(optimizer) is OPTIMIZERS.built_in.get(optimizer.name):
        return True
    state = optimizer.init(theta)
    for t in (1, 2):
        step, after = optimizer.update(g, state, t, lr=optimizer.learning_rate, theta=theta)
        operands: dict[str, Any] = {key: getattr(optimizer, key) for key in optimizer.symbols}
        operands |= {"g": g, "theta": theta, "t": t}
        operands |= {f"old {name}": old for name, old in zip(optimizer.slots, state, strict=True)}
        found = dict(zip(optimizer.slots, after, strict=True)) | {"step": step}
        try:
            for _, name, made in optimizer.formulas(operands, NUMPY):
                operands[name] = made
                if name in found and not same(made, found[name]):
                    return False
        except KeyError:
            return True
        state = after
    return True


def gives(formula: Callable[..., Any] | None, at: tuple[Any, ...], found: np.ndarray) -> bool:
    """Whether a formula gives these numbers; one with a function that NumPy has not by that name tells nothing."""
    if formula is None:
        return True
    try:
        return same(formula(*at, NUMPY), found)
    except KeyError:
        return True


def same(made: Any, found: np.ndarray) -> bool:
    """Whether numbers agree but for rounding."""
    return bool(np.allclose(made, found, rtol=1e-6, atol=1e-9, equal_nan=True))
