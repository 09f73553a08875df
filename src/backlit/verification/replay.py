"""The textbook's backward pass once more, with knobs: each knob makes one mistake, and none is turned by default.

`Mutation("slope", "missing", 2)` leaves φ' out at layer 2; the catalogue's rows say which they make.  `replay` yields
the quantities by name in the order of computation, so that a comparison can stop at the first that does not fit.  Each
step of the pass stands below it, its right form beside the mistaken ones, by name.
"""

from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any

import numpy as np

from backlit.core import norms
from backlit.core.activations import ACTIVATIONS, Activation, log_softmax, softmax, softmax_pull_back
from backlit.core.formulas import NUMPY, Formula
from backlit.core.network import Dense
from backlit.core.norms import Normalized
from backlit.core.parameters import Parameters
from backlit.core.passes import Trace, empty, plus
from backlit.core.problem import Problem
from backlit.verification.mutations import Mutation, Mutations, ReplayContext, factor
from backlit.verification.quantities import Array, Named, clipped, forward_values, optimizer_step, updated


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


# --- dropout ----------------------------------------------------------------------------------------------------------

MASKS: dict[str, Callable[[Array, Array, float], Array]] = {
    "right": lambda g, mask, p: g * mask,
    "missing": lambda g, mask, p: g,
    "unscaled": lambda g, mask, p: g * (mask > 0),
    "scale_only": lambda g, mask, p: g / (1 - p),
    "twice": lambda g, mask, p: g * mask * mask,
}


def through_mask(setting: ReplayContext, l: int, value: str, grad: Array) -> Array:
    """From ∂ℓ/∂r to ∂ℓ/∂h, (m, n_l)."""
    mask = setting.trace.mask[l]
    return grad if mask is None else MASKS[value](grad, mask, setting.net.layer(l).dropout)


# --- loss -------------------------------------------------------------------------------------------------------------


def target(setting: ReplayContext, value: str) -> Array:
    """y, (m, n_L), or what a mistake puts in its place."""
    if value == "forgotten":
        return np.zeros_like(setting.y)
    return setting.y.mean(axis=0) + np.zeros_like(setting.y) if value == "broadcast" else setting.y


def loss_slope(setting: ReplayContext, value: str) -> Array:
    """∂ℓ/∂a_L, (m, n_L)."""
    a, slope = setting.trace.a[-1], setting.net.loss.gradient
    if value == "output":
        return np.ones_like(a)
    if value == "broadcast":  # each output beside every target, and the mean over these
        m = len(a)
        pairs = slope(np.repeat(a, m, axis=0), np.tile(setting.y, (m, 1)))
        return pairs.reshape(m, m, -1).mean(axis=1)
    return slope(a, target(setting, value))


# --- activation -------------------------------------------------------------------------------------------------------


def through_activation(setting: ReplayContext, l: int, knobs: Mutations, grad_h: Array) -> Array:
    """From ∂ℓ/∂h to ∂ℓ/∂u, (m, n_l); at the output by p − y where the pair has that short form."""
    net, trace = setting.net, setting.trace
    phi, u, value = net.layer(l).activation, trace.u[l], knobs.at("slope", l)
    if l == net.L and knobs.at("output").startswith("softmax_twice"):
        return setting.weighting[0] * double_softmax(setting)[2][knobs.at("output")]
    if l == net.L and net.has_short_form and value in ("right", "extra"):
        y = knobs.at("target")
        from_loss = y != "output"
        short = setting.weighting[0] * (trace.a[l] - target(setting, y)) if from_loss else grad_h * phi.derivative(u)
        return short * phi.derivative(u) if value == "extra" else short
    if value == "right":
        return phi.pull_back(u, grad_h) if phi.pull_back else grad_h * phi.derivative(u)
    return grad_h * wrong_slope(setting, l, value, grad_h)


def form_of_output(phi: Activation) -> Formula:
    """φ' as a function of φ(u), for an activation that has such a form."""
    assert phi.derivative_of_output is not None
    return phi.derivative_of_output


def wrong_slope(setting: ReplayContext, l: int, value: str, grad_h: Array) -> Array:
    """What stands in the place of φ'(u)."""
    trace, phi = setting.trace, setting.net.layer(l).activation
    u = trace.u[l]
    if value.startswith("layer "):
        return phi.derivative(trace.u[int(value[6:])])
    if value.startswith("as "):
        return ACTIVATIONS[value[3:]].derivative(u)
    if value.startswith("form of "):
        return form_of_output(ACTIVATIONS[value[8:]])(trace.h[l], NUMPY)
    forms: dict[str, Callable[[], Array]] = {
        "missing": lambda: np.ones_like(u),
        "of_a": lambda: phi.derivative(trace.h[l]),
        "of_output": lambda: phi.derivative(trace.a[l]),
        "of_z": lambda: phi.derivative(trace.z[l]),
        "fed_z": lambda: form_of_output(phi)(u, NUMPY),  # which students learn with a in place of u
        "value": lambda: phi.function(u),
        "twice": lambda: phi.derivative(u) ** 2,
        "diagonal": lambda: phi.derivative(u),
        "upstream": lambda: 1.0 * (grad_h > 0),
        "upstream_too": lambda: phi.derivative(u) * (grad_h > 0),
        "no_leak": lambda: 1.0 * (u > 0),
        "cut_short": lambda: 1 - phi.function(u),
        "inverted": lambda: phi.derivative(-u),
    }
    return forms[value]()


def double_softmax(setting: ReplayContext) -> tuple[Array, float, dict[str, Array]]:
    """(a_L, C, ∂ℓ/∂u) of softmax taken of a softmax; ∂ℓ/∂u by the whole chain, or by p − y alone."""
    p, y = softmax(setting.trace.u[-1]), setting.y
    q = softmax(p)
    share = setting.weighting[1]
    loss = float(share @ -(y * log_softmax(p)).sum(axis=1)) + penalty(setting)
    whole = softmax_pull_back(setting.trace.u[-1], q - y)
    return q, loss, {"softmax_twice": whole, "softmax_twice_short": q - y}


# --- normalization ----------------------------------------------------------------------------------------------------


def pull_through_norm(setting: ReplayContext, l: int, value: str, grad_u: Array) -> Array:
    """From ∂ℓ/∂u to δ = ∂ℓ/∂z, (m, n_l)."""
    norm, gamma = setting.trace.norm[l], setting.params.gamma[l]
    if norm is None:
        return grad_u
    if value == "right" or norm.axis is None:
        return norms.pull_back(norm, gamma, grad_u)
    grad_x = gamma * grad_u
    mean = grad_x.mean(axis=norm.axis, keepdims=True)
    along = norm.x_hat * (norm.x_hat * grad_x).mean(axis=norm.axis, keepdims=True)
    k = norm.x_hat.shape[norm.axis]
    forms = {
        "constant": lambda: norm.inverse_std * grad_x,
        "mean_constant": lambda: norm.inverse_std * (grad_x - along),
        "variance_constant": lambda: norm.inverse_std * (grad_x - mean),
        "ddof": lambda: np.sqrt((k - 1) / k) * norms.pull_back(norm, gamma, grad_u),
        "ddof_inside": lambda: norm.inverse_std * (grad_x - mean - along * k / (k - 1)),
        "no_gamma": lambda: norms.pull_back(norm, np.ones_like(gamma), grad_u),
    }
    return forms[value]()


# --- parameters -------------------------------------------------------------------------------------------------------


def shares_of(setting: ReplayContext, value: str) -> Array:
    """Each example's share of the gradients, (m,): its own, or all of it to one example ("only 3", "only 3 mean")."""
    share = setting.weighting[1]
    if value == "right":
        return share
    _, i, *mean = value.split()
    only = np.zeros_like(share)
    only[int(i)] = share[int(i)] if mean else share[int(i)] * setting.total_weight
    return only


def bias_gradient(setting: ReplayContext, l: int, value: str, delta: Array, share: Array) -> Array:
    """∂C/∂b, (n_l,)."""
    right = delta.T @ share
    if value.startswith("row "):
        return delta[int(value[4:])]
    forms = {
        "right": lambda: right,
        "zero": lambda: np.zeros_like(right),
        "over_units": lambda: np.full_like(right, right.sum()),
        "mean_of_units": lambda: np.full_like(right, right.mean()),
        "of_output": lambda: setting.trace.a[l].T @ share,
    }
    return forms[value]()


def weight_gradient(setting: ReplayContext, l: int, value: str, delta: Array, share: Array) -> Array:
    """∂C/∂W without its penalty, (n_l, n_{l−1})."""
    trace = setting.trace
    if value == "zero":
        return np.zeros_like(setting.params.W[l])
    if value.startswith("a["):
        below = trace.a[int(value[2:-1])]
    elif value in ("right", "transposed"):
        below = trace.a[l - 1]
    else:
        below = {"from_z": trace.z, "from_u": trace.u, "from_h": trace.h}[value][l - 1]
    return delta.T @ (share[:, None] * below)


PENALTIES: dict[str, Callable[[float, ReplayContext], float]] = {
    "missing": lambda lam, s: 0.0,
    "doubled": lambda lam, s: 2 * lam,
    "halved": lambda lam, s: lam / 2,
    "over_m": lambda lam, s: lam / s.total_weight,
    "times_m": lambda lam, s: lam * s.total_weight,
    "negative": lambda lam, s: -lam,
}


def weight_penalty(setting: ReplayContext, l: int, values: list[str]) -> float:
    """The factor of W in ∂C/∂W."""
    lam = setting.net.l2
    for value in values:
        if value in PENALTIES:
            lam = PENALTIES[value](lam, setting)
    return lam


def recurrence_weights(setting: ReplayContext, l: int, value: str, grad_W: Array) -> Array:
    """The matrix that carries δ_l down to ∂ℓ/∂a_{l−1}, (n_l, n_{l−1})."""
    W = setting.params.W
    if value == "right":
        return W[l]
    if value == "transposed":
        return W[l].T
    if value == "none":
        return np.eye(len(W[l]))
    if value.startswith("W["):
        return W[int(value[2:-1])]
    return W[l] + first_step(setting, l, value, grad_W)


def first_step(setting: ReplayContext, l: int, value: str, grad_W: Array) -> Array:
    """What the first step adds to W_l: the problem's optimizer's, or −η ∂C/∂W for "updated 0.1"."""
    optimizer = setting.problem.optimizer
    if value != "updated" or optimizer is None:
        return -float(value.split()[1]) * grad_W
    g, W = grad_W.ravel(), setting.params.W[l].ravel()
    step, _ = optimizer.update(g, optimizer.init(W), 1, lr=optimizer.learning_rate, theta=W)
    return step.reshape(grad_W.shape)


# --- the forward pass -------------------------------------------------------------------------------------------------


def with_forward(setting: ReplayContext, knobs: Mutations) -> ReplayContext:
    """The setting whose trace a mistaken forward pass left; itself where no such knob is turned."""
    if not any(knob == "forward" for knob, _ in knobs.turned):
        return setting
    old, net, params = setting.trace, setting.net, setting.params
    z, u, h, a, norm, mask = (empty(net) for _ in range(6))
    a[0] = old.a[0]
    for l, layer in net.numbered():
        turned = knobs.all("forward", l)
        z[l] = a[l - 1] @ params.W[l].T + (0 if "bias_missing" in turned else params.b[l])
        u[l] = z[l]
        if layer.norm:
            norm[l] = unbiased(layer, z[l]) if "ddof" in turned else norms.normalize(layer, z[l])
            u[l] = norms.scale_and_shift(norm[l], params.gamma[l], params.beta[l])
        h[l] = layer.activation.function(u[l])
        a[l] = h[l]
        if old.mask[l] is not None:
            mask[l] = old.mask[l] * (1 - layer.dropout) if "mask_unscaled" in turned else old.mask[l]
            a[l] = h[l] * mask[l]
        if layer.skip_from is not None and "skip_missing" not in turned:
            a[l] = a[l] + layer.skip_scale * a[layer.skip_from]
    return replace(setting, trace=Trace(z, u, h, a, norm, mask))


def unbiased(layer: Dense, z: Array) -> Normalized:
    """z with mean 0 and unbiased variance 1 along the norm's axis."""
    axis = norms.norm_of(layer).axis
    mean, variance = z.mean(axis=axis, keepdims=True), z.var(axis=axis, keepdims=True, ddof=1)
    inverse_std = 1 / np.sqrt(variance + layer.eps)
    return Normalized((z - mean) * inverse_std, inverse_std, mean, variance, axis)


# --- what comes after the gradient: clipping, the optimizer's step ----------------------------------------------------


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
        bounded = clipped(problem, flat.theta)
        values |= {f"grad_{slot}": value for slot, value in Parameters(setting.net, bounded).items()}
    if steps is not None:
        values |= replay_update(problem, mutations, steps)
    return values


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
