"""The textbook's backward pass once more, with knobs: each knob makes one mistake, and none is turned by default.

`Mutation("slope", "missing", 2)` leaves φ' out at layer 2; the catalogue's rows say which they make.  `replay` yields
the quantities by name in the order of computation, so that a comparison can stop at the first that does not fit.
"""

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import numpy as np

from backlit.core.parameters import Parameters
from backlit.core.problem import Problem
from backlit.verification.mutated_steps import (
    bias_gradient,
    double_softmax,
    loss_slope,
    pull_through_norm,
    recurrence_weights,
    shares_of,
    through_activation,
    through_mask,
    weight_gradient,
    weight_penalty,
    with_forward,
)
from backlit.verification.mutations import Mutation, Mutations, ReplayContext, factor
from backlit.verification.quantities import Array, Named, forward_values, optimizer_step, updated


def replay(setting: ReplayContext, mutations: Sequence[Mutation]) -> Named:
    """Yield every quantity, forward and backward, as someone who made these mistakes computes it.

    Shapes are those of `quantities.shapes`.  Without mutations the values are the textbook's own.
    """
    knobs = Mutations(mutations)
    setting = with_forward(setting, knobs)
    yield from replay_forward(setting, knobs)
    yield from replay_backward(setting, knobs)


def replay_forward(setting: ReplayContext, knobs: Mutations) -> Named:
    """The forward quantities: right, but for what is shown in another convention, and a softmax taken twice."""
    twice = knobs.at("output") == "softmax_twice"
    for name, value in forward_values(setting.net, setting.trace):
        yield name, double_softmax(setting)[0] if twice and name == f"a[{setting.net.L}]" else value
    loss = double_softmax(setting)[1] if twice else setting.loss
    if knobs.at("loss_penalty") == "missing":
        loss -= penalty(setting)
    yield "loss", np.array(loss * factor(setting, knobs.all("loss")))


def penalty(setting: ReplayContext) -> float:
    """(λ/2) Σ ‖W‖²."""
    return setting.net.l2 / 2 * float(sum((W * W).sum() for W in setting.params.W[1:]))


def replay_backward(setting: ReplayContext, knobs: Mutations) -> Named:
    """The backward quantities, from the output down: `core.passes.backward` with a knob at each step."""
    net, trace = setting.net, setting.trace
    share = shares_of(setting, knobs.at("examples"))
    grad_a: list[Any] = [None] * (net.L + 1)
    grad_a[net.L] = setting.weighting[0] * loss_slope(setting, knobs.at("target"))
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


def plus(grad: Array | None, more: Array) -> Array:
    """Add to a gradient that may have none yet."""
    return more if grad is None else grad + more


# --- what comes after the gradient: clipping, the optimizer's step --------------------------------------------------


def gradient_of(setting: ReplayContext, mutations: Sequence[Mutation]) -> tuple[dict[str, Array], Parameters]:
    """(the quantities by name, the gradients as one vector) of a replay."""
    values = dict(replay(setting, mutations))
    flat = Parameters.zeros(setting.net)
    for slot, view in flat.items():
        view[...] = values[f"grad_{slot}"]
    return values, flat


def replay_whole(problem: Problem, mutations: Sequence[Mutation], steps: int | None) -> dict[str, Array]:
    """All quantities, with `update` after `steps` steps where that is asked for."""
    setting = ReplayContext.of(problem)
    values, flat = gradient_of(setting, mutations)
    knobs = Mutations(mutations)
    if "update" in knobs.all("returned"):
        change, _ = optimizer_step(problem, problem.params, flat.theta, start_slots(problem), 1)
        values |= {f"grad_{slot}": value for slot, value in Parameters(setting.net, change).items()}
    if "clipped" in knobs.all("returned"):
        clipped = clipped_by_problem(problem, flat.theta)
        values |= {f"grad_{slot}": value for slot, value in Parameters(setting.net, clipped).items()}
    if steps is not None:
        values |= replay_update(problem, mutations, steps)
    return values


def clipped_by_problem(problem: Problem, g: Array) -> Array:
    """g within the problem's own bounds."""
    from backlit.optim import clip_by_norm, clip_by_value

    return clip_by_value(clip_by_norm(g, problem.clip_norm), problem.clip_value)


def start_slots(problem: Problem) -> tuple[Array, ...]:
    """The optimizer's state before its first step."""
    assert problem.optimizer is not None
    return problem.optimizer.init(problem.params.theta)


def replay_update(problem: Problem, mutations: Sequence[Mutation], steps: int) -> dict[str, Array]:
    """Parameters and cost after `steps` steps with the mistaken gradients, or with a mistaken step."""
    knobs = Mutations(mutations)
    optimizer = problem.optimizer
    if "no_rate" in knobs.all("step") and optimizer is not None:
        problem = replace(problem, optimizer=replace(optimizer, learning_rate=1.0))
    params, slots, summed = problem.params.copy(), start_slots(problem), np.zeros_like(problem.params.theta)
    for t in range(steps):
        _, flat = gradient_of(ReplayContext.of(problem, params, t), mutations)
        summed = summed + flat.theta
        g = summed if "accumulated" in knobs.all("step") else flat.theta
        change, slots = optimizer_step(problem, params, g, slots, biased_count(knobs, t + 1))
        params.theta += mistaken_change(problem, knobs, change)
    return dict(updated(problem, params, steps))


def biased_count(knobs: Mutations, t: int) -> int:
    """The step's number; one so large that no bias is corrected, where the correction is left out."""
    return 10**9 if "uncorrected" in knobs.all("step") else t


def mistaken_change(problem: Problem, knobs: Mutations, change: Array) -> Array:
    """The step with its sign, or its biases, wrong."""
    values = knobs.all("step")
    change = -change if "ascent" in values else change
    moved = Parameters(problem.net, change.copy())
    for name in ("W", "b"):
        if f"{name}_kept" in values:
            for view in getattr(moved, name)[1:]:
                view[...] = 0
    return moved.theta
