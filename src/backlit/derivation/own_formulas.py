"""A user's own records held against what they compute, so that no formula is printed that gives other numbers."""

from collections.abc import Callable
from dataclasses import fields, replace
from typing import Any

import numpy as np

from backlit.core.activations import ACTIVATIONS, Activation
from backlit.core.formulas import NUMPY, Formula
from backlit.core.losses import LOSSES, Loss
from backlit.core.parameters import Parameters
from backlit.core.passes import Gradients, Trace
from backlit.core.problem import Problem
from backlit.core.targets import as_targets
from backlit.derivation.update import clip
from backlit.optim import OPTIMIZERS
from backlit.optim.optimizers.base import Optimizer

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
