"""The textbook's backward pass once more, with knobs: each knob makes one mistake, and none is turned by default.

`Turn("slope", "missing", 2)` leaves φ' out at layer 2; the catalogue's rows say which knob they turn.  `replay` yields
the quantities by name in the order of computation, so that a comparison can stop at the first that does not fit.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any

import numpy as np

from backlit.core.parameters import Parameters
from backlit.core.passes import Trace, example_weights, total_loss
from backlit.core.problem import Problem
from backlit.core.targets import as_targets
from backlit.verification.quantities import Array, Named, forward_values, optimizer_step, updated
from backlit.verification.replay_forward import with_forward
from backlit.verification.replay_parts import (
    bias_gradient,
    double_softmax,
    pull_through_norm,
    recurrence_weights,
    shares_of,
    through_activation,
    through_mask,
    weight_gradient,
    weight_penalty,
)


@dataclass(frozen=True)
class Turn:
    """One knob turned to a value, at layer l or (None) at every layer."""

    knob: str
    value: str
    l: int | None = None


@dataclass(frozen=True)
class Setting:
    """What a replay starts from: the problem at its parameters, and its right forward pass."""

    problem: Problem
    trace: Trace
    params: Parameters

    @classmethod
    def of(cls, problem: Problem, params: Parameters | None = None, step: int = 0) -> "Setting":
        """Run the forward pass of a problem, or of its next step at other parameters."""
        trace, _ = problem.passes(params, step=step)
        return cls(problem, trace, problem.params if params is None else params)

    @property
    def net(self):
        """The network."""
        return self.problem.net

    @cached_property
    def y(self) -> Array:
        """Targets, (m, n_L)."""
        return as_targets(self.net, self.problem.data()[1], self.trace.m)

    @cached_property
    def weighting(self) -> tuple[Any, Array]:
        """(a factor on ∂ℓ/∂a_L, each example's share of the gradients), see `core.passes.example_weights`."""
        return example_weights(self.net, self.trace, self.problem.sample_weight)

    @cached_property
    def loss(self) -> float:
        """C."""
        return float(total_loss(self.net, self.params, self.trace, self.problem.data()[1], self.problem.sample_weight))

    @cached_property
    def total_weight(self) -> float:
        """What a mean divides by: m, or the sum of the sample weights."""
        weight = self.problem.sample_weight
        return float(self.trace.m if weight is None else weight.sum())


class Knobs:
    """The turned knobs, looked up by knob and layer."""

    def __init__(self, turns: Iterable[Turn]):
        self.turned: dict[tuple[str, int | None], list[str]] = {}
        for turn in turns:
            self.turned.setdefault((turn.knob, turn.l), []).append(turn.value)

    def all(self, knob: str, l: int | None = None) -> list[str]:
        """Every value that a knob is turned to at layer l."""
        if not self.turned:
            return []
        found = self.turned.get((knob, None), [])
        return found if l is None else found + self.turned.get((knob, l), [])

    def at(self, knob: str, l: int | None = None) -> str:
        """The value of a knob at layer l, the last where it is turned twice; "right" where it is not."""
        found = self.all(knob, l)
        return found[-1] if found else "right"


def factor(setting: Setting, values: Sequence[str]) -> float:
    """The product of named factors: "m", "1/m", "n_L", "1/n_L", "eta" or a number."""
    product = 1.0
    for value in values:
        product *= named_factor(setting, value)
    return product


def named_factor(setting: Setting, value: str) -> float:
    """One factor by its name."""
    if value.startswith("-"):
        return -named_factor(setting, value[1:])
    if value.startswith("1/"):
        return 1 / named_factor(setting, value[2:])
    if value == "m":
        return setting.total_weight
    if value == "n_L":
        return float(setting.net.outputs)
    if value == "eta":
        return setting.problem.optimizer.learning_rate if setting.problem.optimizer else 1.0
    return float(value)


def replay(setting: Setting, turns: Sequence[Turn]) -> Named:
    """Yield every quantity, forward and backward, as someone who made these mistakes computes it.

    Shapes are those of `quantities.shapes`.  Without turns the values are the textbook's own.
    """
    knobs = Knobs(turns)
    setting = with_forward(setting, knobs)
    yield from replay_forward(setting, knobs)
    yield from replay_backward(setting, knobs)


def replay_forward(setting: Setting, knobs: Knobs) -> Named:
    """The forward quantities: right, but for what is shown in another convention, and a softmax taken twice."""
    twice = knobs.at("output") == "softmax_twice"
    for name, value in forward_values(setting.net, setting.trace):
        yield name, double_softmax(setting)[0] if twice and name == f"a[{setting.net.L}]" else value
    loss = double_softmax(setting)[1] if twice else setting.loss
    if knobs.at("loss_penalty") == "missing":
        loss -= penalty(setting)
    yield "loss", np.array(loss * factor(setting, knobs.all("loss")))


def penalty(setting: Setting) -> float:
    """(λ/2) Σ ‖W‖²."""
    return setting.net.l2 / 2 * float(sum((W * W).sum() for W in setting.params.W[1:]))


def replay_backward(setting: Setting, knobs: Knobs) -> Named:
    """The backward quantities, from the output down: `core.passes.backward` with a knob at each step."""
    net, trace = setting.net, setting.trace
    share = shares_of(setting, knobs.at("examples"))
    grad_a: list[Any] = [None] * (net.L + 1)
    grad_a[net.L] = setting.weighting[0] * start(setting, knobs)
    for l in range(net.L, 0, -1):
        layer = net.layer(l)
        yield f"grad_a[{l}]", grad_a[l] * factor(setting, knobs.all("shown"))
        if layer.skip_from is not None and knobs.at("skip", l) != "dropped":
            scale = 1.0 if knobs.at("skip", l) == "unscaled" else layer.skip_scale
            grad_a[layer.skip_from] = plus(grad_a[layer.skip_from], scale * grad_a[l])
        grad_h = through_mask(setting, l, knobs.at("mask", l), grad_a[l])
        grad_u = through_activation(setting, l, knobs, grad_h)
        delta = pull_through_norm(setting, l, knobs.at("norm", l), grad_u)
        scale = factor(setting, knobs.all("delta", l))
        delta, grad_u = delta * scale, grad_u * scale
        yield f"delta[{l}]", delta * factor(setting, knobs.all("shown"))

        grads, after = factor(setting, knobs.all("gradients", l)), factor(setting, knobs.all("all", l))
        if layer.norm:
            yield f"grad_gamma[{l}]", (grad_u * trace.norm[l].x_hat).T @ share * grads * after
            yield f"grad_beta[{l}]", grad_u.T @ share * grads * after
        grad_b = bias_gradient(setting, l, knobs.at("b", l), delta, share) * grads
        grad_b = grad_b * factor(setting, knobs.all("scale_b", l))
        if "on_biases" in knobs.all("penalty"):
            grad_b = grad_b + net.l2 * setting.params.b[l]
        yield f"grad_b[{l}]", grad_b * after
        data_part = weight_gradient(setting, l, knobs.at("W", l), delta, share) * grads
        data_part = data_part * factor(setting, knobs.all("scale_W", l))
        grad_W = data_part + weight_penalty(setting, l, knobs.all("penalty")) * setting.params.W[l]
        grad_W = grad_W * factor(setting, knobs.all("whole_W", l))
        yield f"grad_W[{l}]", (grad_W.T if knobs.at("W", l) == "transposed" else grad_W) * after
        down = delta @ recurrence_weights(setting, l, knobs.at("recurrence", l), grad_W)
        grad_a[l - 1] = plus(grad_a[l - 1], down)
    yield "grad_a[0]", grad_a[0] * factor(setting, knobs.all("shown"))


def start(setting: Setting, knobs: Knobs) -> Array:
    """∂ℓ/∂a_L, at the right target or at 0."""
    y = np.zeros_like(setting.y) if knobs.at("target") == "forgotten" else setting.y
    return setting.net.loss.gradient(setting.trace.a[-1], y)


def plus(grad: Array | None, more: Array) -> Array:
    """Add to a gradient that may have none yet."""
    return more if grad is None else grad + more


# --- what comes after the gradient: clipping, the optimizer's step --------------------------------------------------


def gradient_of(setting: Setting, turns: Sequence[Turn]) -> tuple[dict[str, Array], Parameters]:
    """(the quantities by name, the gradients as one vector) of a replay."""
    values = dict(replay(setting, turns))
    flat = Parameters.zeros(setting.net)
    for slot, view in flat.items():
        view[...] = values[f"grad_{slot}"]
    return values, flat


def replay_whole(problem: Problem, turns: Sequence[Turn], steps: int | None) -> dict[str, Array]:
    """All quantities, with `update` after `steps` steps where that is asked for."""
    setting = Setting.of(problem)
    values, flat = gradient_of(setting, turns)
    knobs = Knobs(turns)
    if "update" in knobs.all("returned"):
        change, _ = optimizer_step(problem, problem.params, flat.theta, start_slots(problem), 1)
        values |= {f"grad_{slot}": value for slot, value in Parameters(setting.net, change).items()}
    if "clipped" in knobs.all("returned"):
        clipped = clipped_by_problem(problem, flat.theta)
        values |= {f"grad_{slot}": value for slot, value in Parameters(setting.net, clipped).items()}
    if steps is not None:
        values |= replay_update(problem, turns, steps)
    return values


def clipped_by_problem(problem: Problem, g: Array) -> Array:
    """g within the problem's own bounds."""
    from backlit.optim import clip_by_norm, clip_by_value

    return clip_by_value(clip_by_norm(g, problem.clip_norm), problem.clip_value)


def start_slots(problem: Problem) -> tuple[Array, ...]:
    """The optimizer's state before its first step."""
    assert problem.optimizer is not None
    return problem.optimizer.init(problem.params.theta)


def replay_update(problem: Problem, turns: Sequence[Turn], steps: int) -> dict[str, Array]:
    """Parameters and cost after `steps` steps with the mistaken gradients, or with a mistaken step."""
    knobs = Knobs(turns)
    optimizer = problem.optimizer
    if "no_rate" in knobs.all("step") and optimizer is not None:
        problem = replace(problem, optimizer=replace(optimizer, learning_rate=1.0))
    params, slots, summed = problem.params.copy(), start_slots(problem), np.zeros_like(problem.params.theta)
    for t in range(steps):
        _, flat = gradient_of(Setting.of(problem, params, t), turns)
        summed = summed + flat.theta
        g = summed if "accumulated" in knobs.all("step") else flat.theta
        change, slots = optimizer_step(problem, params, g, slots, biased_count(knobs, t + 1))
        params.theta += mistaken_change(problem, knobs, change)
    return dict(updated(problem, params, steps))


def biased_count(knobs: Knobs, t: int) -> int:
    """The step's number; one so large that no bias is corrected, where the correction is left out."""
    return 10**9 if "uncorrected" in knobs.all("step") else t


def mistaken_change(problem: Problem, knobs: Knobs, change: Array) -> Array:
    """The step with its sign, or its biases, wrong."""
    values = knobs.all("step")
    change = -change if "ascent" in values else change
    moved = Parameters(problem.net, change.copy())
    for name in ("W", "b"):
        if f"{name}_kept" in values:
            for view in getattr(moved, name)[1:]:
                view[...] = 0
    return moved.theta
