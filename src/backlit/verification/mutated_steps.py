"""The steps of the replayed backward pass, each with its right form and the mistaken ones beside it, by name."""

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np

from backlit.core import norms
from backlit.core.activations import ACTIVATIONS, Activation, log_softmax, softmax, softmax_pull_back
from backlit.core.formulas import NUMPY, Formula
from backlit.core.network import Dense
from backlit.core.norms import Normalized
from backlit.core.passes import Trace, empty
from backlit.verification.mutations import Mutations, ReplayContext
from backlit.verification.quantities import Array

S = Any  # ReplayContext; named so to keep the tables below readable

# --- dropout --------------------------------------------------------------------------------------------------------

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


# --- loss -----------------------------------------------------------------------------------------------------------


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


# --- activation -----------------------------------------------------------------------------------------------------


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
    loss = float(share @ -(y * log_softmax(p)).sum(axis=1))
    loss += setting.net.l2 / 2 * float(sum((W * W).sum() for W in setting.params.W[1:]))
    whole = softmax_pull_back(setting.trace.u[-1], q - y)
    return q, loss, {"softmax_twice": whole, "softmax_twice_short": q - y}


# --- normalization --------------------------------------------------------------------------------------------------


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


# --- parameters -----------------------------------------------------------------------------------------------------


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


PENALTIES: dict[str, Callable[[float, S], float]] = {
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
