"""A student's backpropagation with a mistake planted in it, written apart from Backlit's own passes and replays.

Examples stand in columns, as in the books, and 1/m sits in δ; only numbers go out, turned into Backlit's convention.
`MISTAKES` holds, for each mistake, whether it can be made in a problem and at which layers.
"""

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

Array = np.ndarray


def sig(z):
    return 1 / (1 + np.exp(-z))


PHI: dict[str, tuple[Callable[..., Array], Callable[..., Array]]] = {
    "identity": (lambda z: z, lambda z: np.ones_like(z)),
    "sigmoid": (sig, lambda z: np.exp(-z) / (1 + np.exp(-z)) ** 2),
    "tanh": (np.tanh, lambda z: 1 / np.cosh(z) ** 2),
    "relu": (lambda z: np.maximum(z, 0), lambda z: (z > 0) * 1.0),
    "leaky_relu": (
        lambda z, alpha=0.01: np.where(z > 0, z, alpha * z),
        lambda z, alpha=0.01: np.where(z > 0, 1, alpha),
    ),
    "elu": (lambda z: np.where(z > 0, z, np.exp(z) - 1), lambda z: np.where(z > 0, 1, np.exp(z))),
    "softplus": (lambda z: np.log(1 + np.exp(z)), sig),
    "silu": (lambda z: z * sig(z), lambda z: sig(z) * (1 + z * (1 - sig(z)))),
    "softsign": (lambda z: z / (1 + np.abs(z)), lambda z: 1 / (1 + np.abs(z)) ** 2),
    "exp": (np.exp, np.exp),
}
FROM_OUTPUT = {
    "sigmoid": lambda a: a * (1 - a),
    "tanh": lambda a: 1 - a * a,
    "softplus": lambda a: 1 - np.exp(-a),
    "softsign": lambda a: (1 - np.abs(a)) ** 2,
    "exp": lambda a: a,
}


@dataclass(frozen=True)
class Planted:
    """A mistake, by name, at a layer (0: nowhere in particular) and with a choice where there is one."""

    name: str
    at: int = 0


def soft(z):
    e = np.exp(z - z.max(axis=0))
    return e / e.sum(axis=0)


class Student:
    """One forward and one backward pass; `has(name, l)` asks whether a mistake was planted there."""

    def __init__(self, problem: Any, planted: tuple[Planted, ...], W: list | None = None, step: int = 0):
        self.problem, self.net, self.planted = problem, problem.net, planted
        trace, _ = problem.passes(step=step)
        self.masks = [None if mask is None else mask.T for mask in trace.mask]
        self.W = [None if w is None else w.copy() for w in problem.params.W]
        self.b = [None if b is None else b.copy()[:, None] for b in problem.params.b]
        self.g = [None if g is None else g.copy()[:, None] for g in problem.params.gamma]
        self.beta = [None if g is None else g.copy()[:, None] for g in problem.params.beta]
        self.x = problem.X.T
        self.m = self.x.shape[1]
        y = np.asarray(problem.y)
        self.y = (
            np.eye(self.net.outputs)[:, y.astype(int)]
            if y.ndim == 1 and self.net.outputs > 1
            else y.reshape(self.m, -1).T
        )
        self.mean = self.net.reduction == "mean"

    def has(self, name: str, l: int = 0) -> bool:
        return any(p.name == name and p.at in (0, l) for p in self.planted)

    def phi(self, l: int, order: int, z: Array) -> Array:
        activation = self.net.layer(l).activation
        return (
            PHI[activation.name][order](z, **activation.parameters)
            if activation.name != "elu"
            else PHI["elu"][order](z)
        )

    def forward(self) -> None:
        L = self.net.L
        self.z, self.u, self.h, self.a = ([None] * (L + 1) for _ in range(4))
        self.norm = [None] * (L + 1)
        self.a[0] = self.x
        for l in range(1, L + 1):
            layer = self.net.layer(l)
            z = self.z[l] = self.W[l] @ self.a[l - 1] + self.b[l]
            if layer.norm:
                axis = 1 if layer.norm == "batch" else 0
                mu, var = z.mean(axis=axis, keepdims=True), z.var(axis=axis, keepdims=True)
                hat = (z - mu) / np.sqrt(var + layer.eps)
                self.norm[l] = (axis, hat, np.sqrt(var + layer.eps))
                z = self.g[l] * hat + self.beta[l]
            self.u[l] = z
            a = self.h[l] = soft(z) if layer.activation.name == "softmax" else self.phi(l, 0, z)
            if self.masks[l] is not None:
                a = a * self.masks[l]
            if layer.skip_from is not None:
                a = a + layer.skip_scale * self.a[layer.skip_from]
            self.a[l] = a

    def loss(self) -> float:
        name, a, y = self.net.loss.name, self.a[-1], self.y
        if self.has("softmax_twice"):
            a = soft(a)
        per = {
            "half_squared_error": lambda: 0.5 * ((a - y) ** 2).sum(),
            "squared_error": lambda: ((a - y) ** 2).sum(),
            "mean_squared_error": lambda: ((a - y) ** 2).sum() / len(a),
            "cross_entropy": lambda: -(y * np.log(a)).sum(),
            "binary_cross_entropy": lambda: -(y * np.log(a) + (1 - y) * np.log(1 - a)).sum(),
            "poisson": lambda: (a - y * np.log(a)).sum(),
        }[name]()
        penalty = self.net.l2 / 2 * sum((w**2).sum() for w in self.W[1:])
        return float(per / (self.m if self.mean else 1) + penalty)

    def output_delta(self) -> Array:
        """δ_L (or ∂C/∂u_L) with 1/m in it."""
        l, name, phi = self.net.L, self.net.loss.name, self.net.layers[-1].activation.name
        a, y, u = self.a[l], self.y, self.u[l]
        if self.has("target_forgotten"):
            y = 0 * y
        scale = (1 / self.m) if self.mean else 1.0
        if self.has("softmax_twice"):
            q = soft(a)
            g = q - y
            return scale * a * (g - (g * a).sum(axis=0))
        if self.has("softmax_twice_short"):
            return scale * (soft(a) - y)
        slope = {
            "half_squared_error": lambda: a - y,
            "squared_error": lambda: 2 * (a - y),
            "mean_squared_error": lambda: 2 * (a - y) / len(a),
            "cross_entropy": lambda: -y / a,
            "binary_cross_entropy": lambda: -y / a + (1 - y) / (1 - a),
            "poisson": lambda: 1 - y / a,
        }[name]() * scale
        slope = 0 * slope + scale if self.has("output_alone") else slope
        for planted, factor in (
            ("mean_over_outputs", 1 / len(a)),
            ("factor_two", 2),
            ("factor_half", 0.5),
            ("sign", -1),
        ):
            slope = slope * factor if self.has(planted) else slope
        slope = slope * len(a) if self.has("sum_over_outputs") else slope
        slope = slope / self.m if self.has("mean_twice") else slope
        slope = slope * self.m if self.has("no_mean") else slope
        if self.has("output_slope_missing", l) or self.has("matched_slope_missing"):
            return slope
        if phi == "softmax":
            if self.has("softmax_diagonal"):
                return slope * a * (1 - a)
            delta = a * (slope - (slope * a).sum(axis=0))
            return delta * a * (1 - a) if self.has("extra_slope") else delta
        delta = slope * self.slope(l, slope)
        return delta * self.phi(l, 1, u) if self.has("extra_slope") else delta

    def slope(self, l: int, g: Array) -> Array:
        """What is multiplied in for φ'."""
        name, u = self.net.layer(l).activation.name, self.u[l]
        if l < self.net.L and (self.has("slope_missing", l) or self.has("slope_missing_everywhere")):
            return np.ones_like(u)
        if self.has("slope_at_a", l):
            return self.phi(l, 1, self.h[l])
        if self.has("fed_z", l):
            return FROM_OUTPUT[name](u)
        if self.has("value_for_slope", l):
            return self.h[l]
        if self.has("slope_twice", l):
            return self.phi(l, 1, u) ** 2
        if self.has("upstream_mask", l):
            return (g > 0) * 1.0
        if self.has("slope_of_sigmoid", l):
            return PHI["sigmoid"][1](u)
        if self.has("form_of_tanh", l):
            return FROM_OUTPUT["tanh"](self.phi(l, 0, u))
        if self.has("cut_short", l):
            return 1 - self.phi(l, 0, u)
        if self.has("inverted", l):
            return self.phi(l, 1, -u)
        if self.has("no_leak", l):
            return (u > 0) * 1.0
        if self.has("slope_before_norm", l):
            return self.phi(l, 1, self.z[l])
        if self.has("slope_at_output", l):
            return self.phi(l, 1, self.a[l])
        if self.has("slope_other_layer", l):
            return self.phi(l, 1, self.u[self.twin(l)])
        return self.phi(l, 1, u)

    def twin(self, l: int) -> int:
        return next(k for k in range(1, self.net.L + 1) if k != l and self.net.n[k] == self.net.n[l])

    def twin_W(self, l: int) -> int:
        return next(k for k in range(1, self.net.L + 1) if k != l and self.W[k].shape == self.W[l].shape)

    def back_norm(self, l: int, g: Array) -> Array:
        if self.norm[l] is None:
            return g
        axis, hat, std = self.norm[l]
        g = g if self.has("no_gamma", l) else g * self.g[l]
        if self.has("norm_constant", l):
            return g / std
        n = hat.shape[axis]
        out = (g - g.sum(axis=axis, keepdims=True) / n - hat * (g * hat).sum(axis=axis, keepdims=True) / n) / std
        return out * np.sqrt((n - 1) / n) if self.has("ddof", l) else out

    def backward(self) -> dict[str, Any]:
        L, m, lam = self.net.L, self.m, self.net.l2
        g_a: list[Any] = [None] * (L + 1)
        out: dict[str, Any] = {"delta": {}, "grad_W": {}, "grad_b": {}, "grad_gamma": {}, "grad_beta": {}}
        for l in range(L, 0, -1):
            layer = self.net.layer(l)
            if l == L:
                g_u = self.output_delta()
            else:
                g = g_a[l]
                if layer.skip_from is not None and not self.has("skip_dropped", l):
                    k = layer.skip_from
                    s = 1.0 if self.has("skip_unscaled", l) else layer.skip_scale
                    g_a[k] = s * g if g_a[k] is None else g_a[k] + s * g
                if self.masks[l] is not None and not self.has("mask_missing", l):
                    g = g * (self.masks[l] > 0) if self.has("mask_unscaled", l) else g * self.masks[l]
                g_u = g * self.slope(l, g)
                g_u = g_u / m if self.has("mean_each_layer") else g_u
            delta = self.back_norm(l, g_u)
            below = self.a[l - 1]
            if self.has("from_z", l):
                below = self.z[l - 1]
            if self.has("from_own_a", l):
                below = self.a[l]
            if self.has("from_h", l):
                below = self.h[l - 1]
            if self.has("from_other_a", l):
                below = self.a[twin_a(self.problem, l)]
            rows = slice(None)
            W_delta, scale = delta, 1.0
            if self.has("one_example"):
                W_delta, scale = delta * (np.arange(m) == m - 1), float(m if self.mean else 1)
            dW = (W_delta @ below.T) * scale
            db = W_delta.sum(axis=1) * scale
            if layer.norm:
                d_u = g_u * (np.arange(m) == m - 1) * scale if self.has("one_example") else g_u
                out["grad_gamma"][l] = (d_u * self.norm[l][1]).sum(axis=1)
                out["grad_beta"][l] = d_u.sum(axis=1)
            if self.has("W_sum", l):
                dW = dW * m
            if self.has("W_mean_again", l):
                dW = dW / m
            if self.has("W_zero", l):
                dW = 0 * dW
            if self.has("b_by_width", l):
                db = db / self.net.n[l]
            if self.has("b_mean_again", l):
                db = db / m
            if self.has("b_sum", l):
                db = db * m
            if self.has("b_row", l):
                db = delta[:, 0] * (m if self.mean else 1)
            if self.has("b_over_units", l):
                db = np.full_like(db, db.sum())
            if self.has("b_zero", l):
                db = 0 * db
            if not self.has("l2_missing"):
                factor = 2 if self.has("l2_doubled") else 1 / m if self.has("l2_over_m") else 1
                dW = dW + factor * lam * self.W[l]
            if self.has("l2_on_b"):
                db = db + lam * self.b[l][:, 0]
            if self.has("W_sign", l):
                dW = -dW
            if self.has("W_transposed", l):
                dW = dW.T
            out["delta"][l] = (delta * (m if self.mean else 1))[:, rows].T
            out["grad_W"][l], out["grad_b"][l] = dW, db
            W = self.W[l]
            if self.has("updated_first"):
                W = W - self.problem.optimizer.learning_rate * dW
            if self.has("recurrence_transposed", l):
                W = W.T
            if self.has("other_W", l):
                W = self.W[self.twin_W(l)]
            if self.has("no_W", l):
                W = np.eye(len(W))
            down = W.T @ delta
            g_a[l - 1] = down if g_a[l - 1] is None else g_a[l - 1] + down
        for key in ("grad_W", "grad_b", "grad_gamma", "grad_beta"):
            for l, value in out[key].items():
                value = 2 * value if self.has("not_zeroed") else value
                out[key][l] = -self.problem.optimizer.learning_rate * value if self.has("returned_update") else value
        return clip(self, out)

    def claims(self) -> dict[str, Any]:
        self.forward()
        out = self.backward()
        return {"loss": self.loss(), **{key: value for key, value in out.items() if value}}


def clip(student: Student, out: dict[str, Any]) -> dict[str, Any]:
    """Clipping included, by the whole length, each tensor, or each entry."""
    keys = ("grad_W", "grad_b", "grad_gamma", "grad_beta")
    tensors = [out[key][l] for key in keys for l in out[key]]
    length = np.sqrt(sum((t**2).sum() for t in tensors))
    bound = float(f"{length / 3:.1g}")
    for key in keys:
        for l, t in out[key].items():
            if student.has("clip_global"):
                out[key][l] = t * bound / length
            if student.has("clip_each"):
                out[key][l] = t * min(1, bound / 2 / np.linalg.norm(t))
            if student.has("clip_value"):
                out[key][l] = np.clip(t, -bound / 3, bound / 3)
    return out


def planted_claims(problem: Any, *planted: Planted) -> dict[str, Any]:
    """What a student who made these mistakes hands in: loss, δ and all gradients."""
    return Student(problem, planted).claims()


# --- where each mistake can be made, and which rows of the catalogue name it ------------------------------------------


@dataclass(frozen=True)
class Mistake:
    """rows : names in the catalogue that are right answers.  layers : those where it can be made, [0] for one place.

    number : its number in the published list."""

    rows: tuple[str, ...]
    layers: Callable[[Any], list[int]]
    number: int | None = None


def whole(condition: Callable[[Any], bool] = lambda p: True) -> Callable[[Any], list[int]]:
    return lambda p: [0] if condition(p) else []


def each(condition: Callable[[Any, int], bool]) -> Callable[[Any], list[int]]:
    return lambda p: [l for l in range(1, p.net.L + 1) if condition(p, l)]


def many(p):
    return len(p.X) > 1


def mean(p):
    return many(p) and p.net.reduction == "mean"


def square(p, l):
    return p.net.n[l] == p.net.n[l - 1] > 1


def name(p, l):
    return p.net.layer(l).activation.name


def pair(p, l):
    return l == p.net.L and p.net.has_short_form


def curved(p, l):
    return name(p, l) not in ("identity", "softmax") and not pair(p, l)


def twin(p, l):
    return curved(p, l) and any(k != l and p.net.n[k] == p.net.n[l] for k in range(1, p.net.L + 1))


def twin_W(p, l):
    shape = p.params.W[l].shape
    return l > 1 and any(k != l and p.params.W[k].shape == shape for k in range(1, p.net.L + 1))


def twin_a(p, l):
    """Another layer than l and l − 1 that is as wide as l − 1, None where there is none."""
    return next((k for k in range(p.net.L + 1) if k not in (l - 1, l) and p.net.n[k] == p.net.n[l - 1]), None)


def changed(p, l):
    """Whether a hidden layer's activation is changed after φ, by dropout or a skip."""
    return 0 < l < p.net.L and (p.net.layer(l).dropout > 0 or p.net.layer(l).skip_from is not None)


def matched(p):
    return p.net.has_short_form and name(p, p.net.L) != "identity"


def soft_entropy(p):
    return p.net.has_short_form and name(p, p.net.L) == "softmax"


def open_output(p):
    return not p.net.has_short_form and name(p, p.net.L) != "identity"


TWO = ("constant_factor_two", "constant_factor")
MISTAKES: dict[str, Mistake] = {
    "no_mean": Mistake(("missing_batch_mean",), whole(mean), 1),
    "mean_twice": Mistake(("batch_mean_twice", "mean_of_a_sum"), whole(many), 2),
    "mean_each_layer": Mistake(("batch_mean_at_every_layer",), whole(lambda p: many(p) and p.net.L > 1), 3),
    "mean_over_outputs": Mistake(("mean_over_outputs",), whole(lambda p: p.net.outputs > 1), 4),
    "factor_two": Mistake(("constant_factor_two",), whole(), 5),
    "factor_half": Mistake(("constant_factor_half",), whole(), 5),
    "sign": Mistake(("wrong_sign",), whole(), 6),
    "W_sign": Mistake(("wrong_sign",), each(lambda p, l: True), 6),
    "returned_update": Mistake(("returned_the_update",), whole(lambda p: p.optimizer is not None), 7),
    "slope_missing": Mistake(
        ("activation_slope_missing",), each(lambda p, l: l < p.net.L and name(p, l) != "identity"), 8
    ),
    "slope_missing_everywhere": Mistake(
        ("activation_slope_missing_everywhere",),
        whole(lambda p: sum(name(p, l) != "identity" for l in range(1, p.net.L)) > 1),
        9,
    ),
    "slope_at_a": Mistake(("slope_at_activation",), each(curved), 10),
    "fed_z": Mistake(("output_form_fed_with_z",), each(lambda p, l: curved(p, l) and name(p, l) in FROM_OUTPUT), 11),
    "value_for_slope": Mistake(("activation_in_place_of_slope",), each(curved)),
    "slope_of_sigmoid": Mistake(
        ("slope_of_another_activation",), each(lambda p, l: curved(p, l) and name(p, l) != "sigmoid")
    ),
    "form_of_tanh": Mistake(("slope_of_another_activation",), each(lambda p, l: curved(p, l) and name(p, l) != "tanh")),
    "cut_short": Mistake(
        ("slope_form_cut_short",), each(lambda p, l: curved(p, l) and name(p, l) in ("tanh", "sigmoid"))
    ),
    "inverted": Mistake(("mask_inverted",), each(lambda p, l: curved(p, l) and name(p, l) in ("relu", "leaky_relu"))),
    "slope_twice": Mistake(("slope_twice",), each(curved)),
    "output_slope_missing": Mistake(("output_slope_missing",), lambda p: [p.net.L] if open_output(p) else [], 12),
    "extra_slope": Mistake(("extra_output_slope",), whole(matched), 13),
    "softmax_twice": Mistake(("softmax_twice",), whole(soft_entropy), 14),
    "softmax_twice_short": Mistake(("softmax_twice_short",), whole(soft_entropy), 14),
    "softmax_diagonal": Mistake(
        ("softmax_diagonal_only",), whole(lambda p: open_output(p) and name(p, p.net.L) == "softmax")
    ),
    "target_forgotten": Mistake(("target_forgotten",), whole(lambda p: "squared" in p.net.loss.name)),
    "output_alone": Mistake(("output_in_place_of_loss",), whole(lambda p: name(p, p.net.L) != "softmax")),
    "b_by_width": Mistake(("bias_divided_by_width",), each(lambda p, l: p.net.n[l] > 1)),
    "W_transposed": Mistake(("weight_gradient_transposed",), each(square), 15),
    "recurrence_transposed": Mistake(("recurrence_transposed",), each(lambda p, l: l > 1 and square(p, l)), 16),
    "other_W": Mistake(("weights_of_another_layer",), each(twin_W), 17),
    "slope_other_layer": Mistake(("slope_of_another_layer",), each(twin), 17),
    "no_W": Mistake(("recurrence_without_weights",), each(lambda p, l: l > 1 and square(p, l))),
    "updated_first": Mistake(
        ("weights_updated_too_early",), whole(lambda p: p.optimizer is not None and p.net.L > 1), 18
    ),
    "b_row": Mistake(("bias_from_one_example",), lambda p: each(lambda p, l: True)(p) if many(p) else [], 19),
    "b_mean_again": Mistake(("bias_averaged_twice",), lambda p: [0] if many(p) else [], 20),
    "b_sum": Mistake(("bias_not_averaged",), whole(mean)),
    "W_sum": Mistake(("weight_gradient_not_averaged",), whole(mean)),
    "b_over_units": Mistake(("bias_summed_over_units",), each(lambda p, l: p.net.n[l] > 1), 21),
    "b_zero": Mistake(("bias_gradient_missing",), each(lambda p, l: True), 22),
    "from_z": Mistake(("weight_gradient_from_z",), each(lambda p, l: l > 1), 23),
    "from_own_a": Mistake(("weight_gradient_from_own_activation",), each(square), 24),
    "l2_missing": Mistake(("penalty_missing",), whole(lambda p: p.net.l2 > 0), 25),
    "l2_doubled": Mistake(("penalty_scaled",), whole(lambda p: p.net.l2 > 0), 25),
    "l2_over_m": Mistake(("penalty_scaled",), whole(lambda p: p.net.l2 > 0 and many(p)), 25),
    "l2_on_b": Mistake(("penalty_on_biases",), whole(lambda p: p.net.l2 > 0), 26),
    "not_zeroed": Mistake(("gradients_not_zeroed",), whole(), 27),
    "one_example": Mistake(("one_example_only",), whole(many), 28),
    "upstream_mask": Mistake(
        ("mask_from_upstream",), each(lambda p, l: curved(p, l) and name(p, l) in ("relu", "leaky_relu", "elu")), 29
    ),
    "no_leak": Mistake(
        ("leaky_slope_missing",), each(lambda p, l: curved(p, l) and name(p, l) in ("leaky_relu", "elu")), 30
    ),
    "norm_constant": Mistake(("norm_statistics_constant",), each(lambda p, l: bool(p.net.layer(l).norm)), 31),
    "ddof": Mistake(
        ("norm_ddof",),
        each(lambda p, l: bool(p.net.layer(l).norm) and (p.net.n[l] > 1 or p.net.layer(l).norm == "batch")),
        32,
    ),
    "no_gamma": Mistake(("norm_scale_missing",), each(lambda p, l: bool(p.net.layer(l).norm))),
    "mask_missing": Mistake(("dropout_mask_missing",), each(lambda p, l: p.net.layer(l).dropout > 0), 33),
    "mask_unscaled": Mistake(("dropout_scale_wrong",), each(lambda p, l: p.net.layer(l).dropout > 0), 33),
    "skip_dropped": Mistake(("skip_dropped",), each(lambda p, l: bool(p.net.layer(l).skip_from)), 34),
    "sum_over_outputs": Mistake(
        ("sum_over_outputs",), whole(lambda p: p.net.outputs > 1 and p.net.loss.name == "mean_squared_error")
    ),
    "matched_slope_missing": Mistake(("output_slope_of_matched_loss_missing",), whole(matched)),
    "slope_before_norm": Mistake(("slope_before_norm",), each(lambda p, l: bool(p.net.layer(l).norm) and curved(p, l))),
    "slope_at_output": Mistake(("slope_after_dropout_or_skip",), each(lambda p, l: changed(p, l) and curved(p, l)), 36),
    "from_h": Mistake(("weight_gradient_before_dropout_or_skip",), each(lambda p, l: changed(p, l - 1)), 36),
    "from_other_a": Mistake(("weight_gradient_from_another_layer",), each(lambda p, l: twin_a(p, l) is not None), 17),
    "W_mean_again": Mistake(("weight_gradient_averaged_twice",), whole(many)),
    "W_zero": Mistake(("weight_gradient_missing",), each(lambda p, l: True)),
    "skip_unscaled": Mistake(
        ("skip_unscaled",), each(lambda p, l: bool(p.net.layer(l).skip_from) and p.net.layer(l).skip_scale != 1)
    ),
    "clip_global": Mistake(("clipping_included",), whole(), 35),
    "clip_each": Mistake(("clipping_included",), whole(), 35),
    "clip_value": Mistake(("clipping_included",), whole(), 35),
}


def only(claims: dict[str, Any], *keys: str) -> dict[str, Any]:
    return {key: claims[key] for key in keys if key in claims}


def with_optimizer(problem: Any) -> Any:
    from backlit.optim import Sgd

    return replace(problem, optimizer=Sgd(learning_rate=0.3))
