"""Random problems, and what their documents' sentences say about numbers, found anew from the printed JSON.

In plain NumPy, and mpmath where more digits are asked for; no line of it is the package's.
A fact is None where it lies within rounding of the bound that decides it.
"""

from contextlib import suppress

import mpmath
import numpy as np
from scipy.special import erf

from backlit.core import Dense, Network
from backlit.core.problem import Problem
from backlit.derivation.document import Table
from backlit.derivation.expressions import Expr
from backlit.errors import BacklitError
from backlit.optim import get_optimizer
from backlit.render.unicode_math import inline

PHIS = (
    "identity", "sigmoid", "tanh", "relu", {"name": "leaky_relu", "alpha": 0.1}, {"name": "elu", "alpha": 0.5}, "elu",
    "selu", "gelu", "silu", "softplus", "mish", "hard_tanh", "softsign",
)  # fmt: skip
OUTPUTS = (
    ("softmax", "cross_entropy"), ("sigmoid", "binary_cross_entropy"), ("identity", "half_squared_error"),
    ("exp", "poisson"), ("tanh", "squared_error"), ("relu", "half_squared_error"), ("softmax", "squared_error"),
    ("identity", "huber"), ("sigmoid", "absolute_error"), ("identity", "mean_squared_error"),
)  # fmt: skip
OPTIMIZERS = ("sgd", "adam", "rmsprop", "adagrad", "adamw")
STATEFUL = OPTIMIZERS[1:]
KINKS = {"relu": [0.0], "leaky_relu": [0.0], "selu": [0.0], "hard_tanh": [-1.0, 1.0]}


def drawn_problem(seed: int) -> Problem:
    """A problem of any options and any size of numbers: dead, saturated, steep, on kinks, and ordinary ones."""
    for attempt in range(100):
        with suppress(BacklitError):
            problem = one_problem(np.random.default_rng([seed, attempt]))
            problem.passes()  # raises where an output is none that the loss takes
            return problem
    raise AssertionError(f"seed {seed} gives no problem")


def one_problem(rng: np.random.Generator) -> Problem:
    """One attempt, which may not fit together."""

    def pick(*choices):
        return choices[rng.integers(len(choices))]

    m, depth, n0 = pick(1, 1, 2, 3, 5), int(rng.integers(1, 5)), int(rng.integers(1, 5))
    phi, loss = pick(*OUTPUTS)
    n, layers = [n0], []
    for l in range(1, depth + 1):
        last = l == depth
        k = int(rng.integers(0, l)) if rng.random() < 0.15 else None
        n.append(n[k] if k is not None else int(rng.integers(2 if phi == "softmax" and last else 1, 6)))
        layers.append(Dense(
            n[l], phi if last else pick(*PHIS), norm=pick(None, None, None, "batch", "layer"),
            eps=pick(1e-5, 1e-5, 0.1), dropout=0.0 if last else pick(0.0, 0.0, 0.4), skip_from=k,
            skip_scale=1.0 if k is None else pick(1.0, 0.5), train_bias=bool(rng.random() < 0.9),
        ))  # fmt: skip
    net = Network(n0, layers, loss=loss, reduction=pick("mean", "mean", "sum"), l2=pick(0.0, 0.0, 0.1))
    params = net.init({"scheme": "gaussian", "sigma_w": pick(0.0, 0.3, 1.0, 1.0, 3.0, 30.0), "sigma_b": pick(0.0, 0.3)},
                      seed=int(rng.integers(1000)))  # fmt: skip
    X = pick(0.0, 1.0, 1.0, 1.0) * rng.standard_normal((m, n0))
    y = targets(rng, loss, m, n[-1])
    weights = rng.uniform(0.2, 2.0, m) if rng.random() < 0.2 else None
    optimizer = get_optimizer({"name": pick(*OPTIMIZERS), "learning_rate": pick(1e-3, 0.1, 0.1, 3.0)})
    seed = int(rng.integers(100)) if any(layer.dropout for layer in layers) else None
    return Problem(net, params, X, y, weights, optimizer, seed=seed)


def targets(rng, loss, m, K):
    """Targets in the loss's domain."""
    if loss == "cross_entropy":
        return np.eye(K)[rng.integers(0, K, m)]
    if loss == "binary_cross_entropy":
        return rng.integers(0, 2, (m, K)).astype(float)
    return rng.poisson(2.0, (m, K)).astype(float) if loss == "poisson" else rng.standard_normal((m, K))


def facts(told: dict, problem: Problem, steps: int) -> dict[str, bool | None]:
    """By the name of each claim that there may be, whether its sentence is so, from the printed numbers."""
    layers = problem.net.to_dict()["layers"]
    printed = {step["id"]: step["value"] for step in told["steps"] if step["value"] is not None}
    found: dict[str, bool | None] = {}
    found |= lengths(told)
    found |= output(told, printed, layers, problem.net.has_short_form)
    found |= dependence(told, problem, layers) | nudge(told, problem, layers) | paths(told, layers)
    found["fan_out"] = any(np.shape(rows)[1] > 1 for l, rows in told["a"].items() if l != "0") or skips(layers)
    found["tape_agrees"] = found.get("general_rule_agrees", True) or None  # else the loss's slope has lost its digits
    found |= softmax_difference(told, printed, layers, problem.net.has_short_form)
    for l, layer in enumerate(layers, start=1):
        found |= of_layer(told, printed, problem, layer, l)
    if steps == 1:
        found |= costs(told, problem)
    return found


def array(told, name, l):
    return np.array(told[name][str(l)], float)


def root_mean_square(rows):
    """Of the rows' lengths, where no square leaves float64: 1e-200 has none."""
    return np.hypot.reduce(rows.ravel()) / np.sqrt(len(rows))


def lengths(told):
    """What becomes of δ on its way down."""
    L = len(told["delta"])
    length = [root_mean_square(array(told, "delta", l)) for l in range(1, L + 1)]
    zero = any(one == 0 for one in length)
    ratio = 1.0 if zero else (length[0] / length[-1]) ** (1 / max(L - 1, 1))
    near = 0.1 < abs(ratio - 1) / 1e-9 < 10
    many = L > 1 and not zero
    ten = min(ratio, 1e30) ** 10  # far beyond what is asked of it
    edge = abs(np.log10(ten) ** 2 - 9) < 1e-6 if ten > 0 else False
    return {
        "fades_in_ten_layers": None if edge else many and ten < 1e-3,
        "explodes_in_ten_layers": None if edge else many and ten > 1e3,
        "delta_is_zero": zero,
        "delta_shrinks": None if near else many and ratio < 1 - 1e-9,
        "delta_grows": None if near else many and ratio > 1 + 1e-9,
        "delta_keeps_its_length": None if near else many and abs(ratio - 1) <= 1e-9,
    }


def output(told, printed, layers, short):
    """Whether the general rule gives the short form in float64."""
    if not short:
        return {}
    L, top = len(layers), layers[-1]
    phi = top["activation"]
    a, u, g = array(told, "a", L), array(told, "u", L), array(told, "grad_a", L)
    right = np.array(printed[f"grad_u[{L}]" if top.get("norm") else f"delta[{L}]"], float)
    if phi == "softmax":
        p = np.exp(u - u.max(axis=1, keepdims=True))
        p /= p.sum(axis=1, keepdims=True)
        made = p * (g - (p * g).sum(axis=1, keepdims=True))
    else:
        made = g * {"sigmoid": lambda u: sigmoid_slope(u), "exp": np.exp, "identity": np.ones_like}[phi](u)
    gap = np.abs(made - right) / (1e-9 + 1e-6 * np.abs(right))
    unclear = 0.01 < gap.max() < 100
    agree, rounded = bool(gap.max() <= 1), phi in ("softmax", "sigmoid") and bool(((a == 0) | (a == 1)).any())
    return {
        "general_rule_agrees": None if unclear else agree,
        "output_rounded": None if unclear else not agree and rounded,
        "digits_lost": None if unclear else not agree and not rounded,
    }


def softmax_difference(told, printed, layers, short):
    """Whether an entry of softmax's p (g − Σ p g) is below what float64 rounds of the two numbers in it."""
    if short or layers[-1]["activation"] != "softmax":
        return {}
    L = len(layers)
    u, g = array(told, "u", L), array(told, "grad_a", L)
    right = np.array(printed[f"grad_u[{L}]" if layers[-1].get("norm") else f"delta[{L}]"], float)
    p = np.exp(u - u.max(axis=1, keepdims=True))
    p /= p.sum(axis=1, keepdims=True)
    rounds = 2.0**-52 * p * (np.abs(g) + np.einsum("ij,ij->i", p, np.abs(g))[:, None])
    below, near = np.abs(right) < rounds, np.abs(np.abs(right) - rounds) <= 1e-9 * rounds
    return {"difference_is_rounding": None if (near & (rounds > 0)).any() else bool(below.any())}


def sigmoid_slope(u):
    """σ'(u) as float64 has it, from mpmath's 60 digits."""
    with mpmath.workdps(60):
        return np.vectorize(lambda v: float(1 / ((1 + mpmath.exp(-v)) * (1 + mpmath.exp(v)))))(u)


def of_layer(told, printed, problem, layer, l):
    """Kinks, norms, shares and sums that cancel."""
    phi = layer["activation"]
    name, options = (phi, {}) if isinstance(phi, str) else (phi["name"], phi)
    kinks = KINKS.get(name, [0.0] if name == "elu" and options.get("alpha", 1.0) != 1.0 else [])
    u, delta = array(told, "u", l), array(told, "delta", l)
    found = {f"at_kink[{l}]": bool(np.isin(u, kinks).any())}
    if layer.get("norm"):
        axis = 0 if layer["norm"] == "batch" else 1
        variance = array(told, "z", l).var(axis=axis)
        gap = (1 - variance / (variance + layer.get("eps", 1e-5))) / 1e-3
        unclear = (np.abs(gap - 1) < 1e-6).any()
        found[f"variance_is_1[{l}]"] = None if unclear else bool((gap < 1).all())
        found[f"variance_below_1[{l}]"] = None if unclear else bool((gap > 1).any())
    batch = layer.get("norm") == "batch"
    size, left = np.abs(delta).sum(axis=0), np.abs(delta.sum(axis=0))
    unclear = batch and bool(((left > 1e-11 * size) & (left < 1e-7 * size)).any())
    found[f"bias_does_nothing[{l}]"] = None if unclear else batch and bool((left <= 1e-9 * size).all())
    found[f"shares_differ[{l}]"] = len(set(shares(problem).round(14))) > 1
    if f"slope[{l}]" in printed:
        right = np.allclose(np.array(printed[f"slope[{l}]"], float), own_slope(name, options, u), rtol=1e-6, atol=1e-9)
        same = np.array_equal(array(told, "z", l), u)
        found |= {f"taken_at_z[{l}]": right and same, f"taken_at_u[{l}]": right and not same}
    for part in ("W", "b"):
        found[f"steps_along_rounding[{part}[{l}]]"] = along_rounding(told, problem, part, l)
    return found


def along_rounding(told, problem, part, l):
    """Whether a gradient that an optimizer divides by its own size is 1e-14 of the terms that it adds up."""
    if problem.optimizer is None or problem.optimizer.to_dict()["name"] not in STATEFUL:
        return False
    delta, a, W = array(told, "delta", l), array(told, "a", l - 1), problem.params.W[l]
    terms = np.abs(delta) * shares(problem)[:, None]
    size = terms.sum(axis=0) if part == "b" else np.einsum("ij,ik->jk", terms, np.abs(a)) + problem.net.l2 * np.abs(W)
    g = np.abs(array(told, f"grad_{part}", l))
    with np.errstate(divide="ignore", invalid="ignore"):
        ratio = np.where(g > 0, g / size, np.inf)
    return None if (np.abs(ratio / 1e-14 - 1) < 1e-3).any() else bool((ratio <= 1e-14).any())


def own_slope(name, options, u):
    """φ'(u) by a complex step; the slope from below at a kink."""
    with np.errstate(all="ignore"):
        return textbook(name, options)(u + 1e-30j).imag / 1e-30


def textbook(name, options):
    """φ as a textbook writes it, for complex numbers too."""
    alpha = options.get("alpha", 0.01 if name == "leaky_relu" else 1.0)
    lam, selu_alpha = 1.0507009873554805, 1.6732632423543772

    def elu(u, alpha):
        return np.where(u.real > 0, u, alpha * np.expm1(np.where(u.real > 0, 0, u)))

    def logistic(u):
        flipped = np.exp(np.where(u.real > 0, -u, u))
        return np.where(u.real > 0, 1 / (1 + flipped), flipped / (1 + flipped))

    def softplus(u):
        return np.where(u.real > 0, u, 0) + np.log1p(np.exp(np.where(u.real > 0, -u, u)))

    functions = {
        "identity": lambda u: u,
        "exp": np.exp,
        "sigmoid": logistic,
        "tanh": lambda u: 2 * logistic(2 * u) - 1,
        "relu": lambda u: np.where(u.real > 0, u, 0),
        "leaky_relu": lambda u: np.where(u.real > 0, u, alpha * u),
        "elu": lambda u: elu(u, alpha),
        "selu": lambda u: lam * elu(u, selu_alpha),
        "gelu": lambda u: u * (1 + erf(u / np.sqrt(2))) / 2,
        "silu": lambda u: u * logistic(u),
        "softplus": softplus,
        "mish": lambda u: u * (2 * logistic(2 * softplus(u)) - 1),
        "hard_tanh": lambda u: np.where(abs(u.real) < 1, u, np.sign(u.real)),
        "softsign": lambda u: u / (1 + np.where(u.real < 0, -u, u)),
    }
    return functions[name]


def cost(problem, layers, move):
    """C of the network with W_1 moved, anew; None with dropout, whose masks aren't printed."""
    if any(layer.get("dropout") for layer in layers) or problem.statistics is not None:
        return None
    a, W, b = [problem.X], [np.array(w, float) for w in problem.params.W[1:]], problem.params.b[1:]
    W[0] = W[0] + move
    for l, layer in enumerate(layers):
        u = a[-1] @ W[l].T + b[l]
        if layer.get("norm"):
            axis = 0 if layer["norm"] == "batch" else 1
            spread = np.sqrt(u.var(axis, keepdims=True) + layer.get("eps", 1e-5))
            u = (u - u.mean(axis, keepdims=True)) / spread * problem.params.gamma[l + 1] + problem.params.beta[l + 1]
        phi = layer["activation"]
        name, options = (phi, {}) if isinstance(phi, str) else (phi["name"], phi)
        shifted = np.exp(u - u.max(axis=1, keepdims=True)) if name == "softmax" else u
        h = shifted / shifted.sum(axis=1, keepdims=True) if name == "softmax" else textbook(name, options)(u + 0j).real
        k = layer.get("skip_from")
        a.append(h if k is None else h + layer.get("skip_scale", 1.0) * a[k])
    w = problem.sample_weight if problem.sample_weight is not None else np.ones(len(problem.X))
    w = w / w.sum() if problem.net.reduction == "mean" else w
    loss = own_loss(problem.net.loss.name, a[-1], problem.y, u if problem.net.has_short_form else None)
    return w @ loss + problem.net.l2 / 2 * sum((v**2).sum() for v in W)


def own_loss(name, a, y, u):
    """ℓ of each example; from the scores u where there are any, for an output may be rounded to 0 or 1."""
    r = a - y
    if u is None and "cross_entropy" in name:
        return -(y * np.log(a) + ((1 - y) * np.log(1 - a) if name.startswith("binary") else 0)).sum(axis=1)
    if name == "cross_entropy":
        top = u.max(axis=1, keepdims=True)
        return (top[:, 0] + np.log(np.exp(u - top).sum(axis=1))) * y.sum(axis=1) - (y * u).sum(axis=1)
    terms = {
        "half_squared_error": lambda: r**2 / 2,
        "squared_error": lambda: r**2,
        "mean_squared_error": lambda: r**2 / a.shape[1],
        "absolute_error": lambda: np.abs(r),
        "huber": lambda: np.where(np.abs(r) <= 1, r**2 / 2, np.abs(r) - 0.5),
        "binary_cross_entropy": lambda: np.logaddexp(0, u) - y * u,
        "poisson": lambda: a - y * (np.log(a) if u is None else u),
    }
    return terms[name]().sum(axis=1)


def nudge(told, problem, layers):
    """Whether a weight that is moved changes C by 0.001 times its slope, to 1 %."""
    g = array(told, "grad_W", 1)
    most = np.argmax(np.abs(g))
    names = ("nudge_foretold", "nudge_bent", "nudge_flat")
    if not g.any():
        return dict(zip(names, (False, False, True), strict=True))
    move = np.zeros(g.shape)
    move.flat[most] = 1e-3
    with np.errstate(all="ignore"):
        before, after = cost(problem, layers, 0 * move), cost(problem, layers, move)
        off = np.nan if before is None else abs((after - before) / (1e-3 * g.flat[most]) - 1)
        lost = np.nan if before is None else 1e-13 * abs(before) / abs(1e-3 * g.flat[most])  # of the difference
    unclear = not np.isfinite(off) or abs(off - 0.01) < 1e-5 + lost
    return dict(zip(names, (None, None, False) if unclear else (off <= 0.01, off > 0.01, False), strict=True))


def skips(layers):
    """Whether there is a skip."""
    return any(layer.get("skip_from") is not None for layer in layers)


def paths(told, layers):
    """The two ways of a skip, and the order of a product."""
    n = [np.shape(rows)[1] for rows in told["a"].values()]
    L, found = len(layers), {}
    for top, layer in enumerate(layers, start=1):
        k = layer.get("skip_from")
        if k is None:
            continue
        straight = layer.get("skip_scale", 1.0) * array(told, "grad_a", top)
        through = array(told, "grad_a", k) - straight
        longer, shorter = map(root_mean_square, (straight, through))
        near = abs(longer - shorter) < 1e-9 * (longer + shorter)
        found[f"straight_way_is_longer[{k}]"] = None if near else longer > shorter
        found[f"way_through_is_longer[{k}]"] = None if near else shorter > longer
    vector = sum(n[l] * n[l - 1] for l in range(2, L + 1))
    found["from_the_right_is_less"] = L > 1 and vector < n[1] * (sum(n[l - 1] * n[l] for l in range(3, L + 1)) + n[L])
    return found


def dependence(told, problem, layers):
    """What a unit depends on, and what the way back reads, from what a norm and an activation are."""
    m, L = problem.X.shape[0], len(layers)
    names = [phi if isinstance(phi := layer["activation"], str) else phi["name"] for layer in layers]
    alone, normed = [name != "softmax" for name in names], [layer.get("norm") for layer in layers]
    running = problem.statistics is not None
    found = {"own_sum_alone": any(a and not norm for a, norm in zip(alone, normed, strict=True))}
    for kind in ("batch", "layer"):
        among = [m if kind == "batch" else layer["units"] for layer in layers if layer.get("norm") == kind]
        given = kind == "batch" and running
        found[f"{kind}_norm_mixes"] = not given and any(n > 1 for n in among)
        found[f"{kind}_norm_of_one"] = not given and 1 in among
    found["batch_norm_of_own"] = "batch" in normed and running
    same = {np.array_equal(array(told, "z", l + 1), array(told, "u", l + 1)) for l in range(L) if alone[l]}
    found |= {"all_taken_at_z": same == {True}, "all_taken_at_u": same == {False}, "taken_at_both": len(same) == 2}
    for l in range(1, L + 1):
        found |= {f"kept_a[{l - 1}]": True, f"kept_mask[{l}]": True, f"kept_x_hat[{l}]": True}
        found[f"kept_u[{l}]"] = names[l - 1] != "identity"  # whose slope is 1 everywhere
    return found | {f"kept_a[{L}]": True}


def shares(problem):
    """What each example's δ counts in the gradients."""
    m, w = problem.X.shape[0], problem.sample_weight
    mean = problem.net.reduction == "mean"
    if w is None or any(layer.norm == "batch" for layer in problem.net.layers):  # there weights come in at the output
        return np.full(m, 1 / m if mean else 1.0)
    return w / w.sum() if mean else w


def costs(told, problem):
    """The cost before and after one step."""
    before, after = told["loss"], told["update"]["loss"]
    slope = any(
        np.any(value) for name in ("W", "b", "gamma", "beta") for value in told.get(f"grad_{name}", {}).values()
    )
    still = {str(l) for l, layer in problem.net.numbered() if not layer.train_bias}
    moving = any(
        np.any(value)
        for name in ("W", "b", "gamma", "beta")
        for l, value in told.get(f"grad_{name}", {}).items()
        if not (name == "b" and l in still)
    )
    same = before == after
    along, terms = slope_along(told, problem)
    unclear = abs(along) <= 1e-12 * terms
    return {
        "step_too_long": None if unclear else after > before and along < 0,
        "wrong_direction": None if unclear else after > before and along > 0,
        "cost_fell": after < before,
        "cost_rose": after > before,
        "cost_fell_sometimes": False,
        "cost_stayed": same and moving,
        "gradient_is_zero": same and not slope,
        "movable_gradient_is_zero": same and slope and not moving,
    }


def slope_along(told, problem):
    """The slope of C along the step, and the size of the terms that it is the sum of."""
    terms = [
        np.asarray(g, float) * (np.asarray(told["update"][name][l], float) - getattr(problem.params, name)[int(l)])
        for name in ("W", "b", "gamma", "beta")
        for l, g in told.get(f"grad_{name}", {}).items()
        if l in told["update"].get(name, {})
    ]
    return sum(map(np.sum, terms)), sum(np.abs(term).sum() for term in terms)


PHRASES = {
    "delta_is_zero": "get no slope from these examples",
    "delta_shrinks": "δ shrinks, by a factor",
    "delta_grows": "δ grows, by a factor",
    "delta_keeps_its_length": "δ keeps its length",
    "fades_in_ten_layers": "an activation whose slope is not small",
    "explodes_in_ten_layers": "skips, and clipping",
    "general_rule_agrees": "it gives the same δ",
    "output_rounded": "an output is rounded to 0 or 1",
    "digits_lost": "the digits of this slope are lost in rounding",
    "difference_is_rounding": "smaller than the rounding of the two numbers",
    "at_kink": "lies on a kink",
    "variance_is_1": "so the variance is 1 within 0.1 %",
    "variance_below_1": "σ² is not large beside ε",
    "shares_differ": "The examples count unequally",
    "bias_does_nothing": "a bias in front of it does nothing",
    "steps_along_rounding": "so such steps mean nothing",
    "cost_fell": "The cost fell",
    "cost_rose": "The cost rose",
    "cost_fell_sometimes": "at the others it stayed the same",
    "cost_stayed": "although the gradient is not 0",
    "gradient_is_zero": "stayed the same: the gradient is 0",
    "movable_gradient_is_zero": "the gradient of all that may move is 0",
    "step_too_long": "the step was too long",
    "wrong_direction": "the slope of the cost along it is not below 0",
    "taken_at_z": "it is taken at z, not at a",
    "taken_at_u": "it is taken at u, which the norm made",
    "all_taken_at_z": "activation is taken at zₗ, not at",
    "all_taken_at_u": "activation is taken at uₗ, not at",
    "taken_at_both": "at uₗ after a norm and at zₗ without one",
    "own_sum_alone": "depends on no sum of its layer but its own",
    "batch_norm_mixes": "under batch norm on its unit's z in every example",
    "layer_norm_mixes": "under layer norm on every z of its example",
    "batch_norm_of_own": "under batch norm on its own z, by running moments",
    "batch_norm_of_one": "Of one example batch norm leaves nothing",
    "layer_norm_of_one": "Of one unit layer norm leaves nothing",
    "kept_a": "the weights' gradient is δ times it",
    "kept_u": " is taken at it",
    "kept_x_hat": "the way back through the norm",
    "kept_mask": "the same units are dropped",
    "nudge_foretold": "C changes by what its slope foretells",
    "nudge_bent": "C bends or has a kink within this move",
    "nudge_flat": "so they foretell no change",
    "fan_out": "adds what they hand back (a fan-out)",
    "tape_agrees": "are those of the backward pass",
    "straight_way_is_longer": "Here the skip brings more",
    "way_through_is_longer": "Here the layers bring more",
    "from_the_right_is_less": "Begun at layer 1 it would be of matrices",
    "checks_agree": "s agree with these gradients",
    "checks_differ": "do NOT all agree",
}
"""By claim, without its layer, words that are printed if it holds and not otherwise."""


def kind_of(name: str) -> str:
    """A claim's name without its layer."""
    return name.partition("[")[0]


def words_of(derivation) -> str:
    """All words of a document, with the formulas between them."""
    found = []
    for section in derivation.sections:
        for block in section.blocks:
            texts = [getattr(block, "parts", ()), *getattr(block, "items", ()), *getattr(block, "notes", ())]
            texts += [cell for row in block.rows for cell in row] if isinstance(block, Table) else []
            found += [getattr(block, "sentence", ""), *("".join(map(word, text)) for text in texts)]
    return " ".join(found)


def word(part: str | Expr) -> str:
    """Words as they are, a formula in a line."""
    return part if isinstance(part, str) else inline(part)


def false_sentences(derivation, told: dict, text: str, problem: Problem, steps: int) -> list[str]:
    """What is wrong: a claim that is no fact, one that isn't printed, or words without their claim."""
    known, wrong = facts(told, problem, steps), []
    for name, holds in derivation.claims.items():
        if known.get(name) is not None and known[name] != holds:
            wrong.append(f"{name} is said to be {holds}, but is {known[name]}")
    words = " ".join(text.split())
    for kind, phrase in PHRASES.items():
        stated = any(holds for name, holds in derivation.claims.items() if kind_of(name) == kind)
        if stated != (phrase in words):
            wrong.append(f"{kind} is {stated}, but its words are {'' if phrase in words else 'not '}printed")
    return wrong
