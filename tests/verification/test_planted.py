"""Every row of the catalogue is planted, by code of its own, and found by name."""

from dataclasses import replace

import numpy as np
import pytest
from tests.helpers import quick_first
from tests.verification.drawn import draw_problem
from tests.verification.planted import MISTAKES, Planted, planted_claims

from backlit.core import Dense, Network
from backlit.core.problem import Problem
from backlit.equations import EQUATIONS
from backlit.optim import Adam, Sgd
from backlit.verification.catalogue import CATALOGUE
from backlit.verification.problem_check import check
from backlit.verification.quantities import right_values

pytestmark = pytest.mark.usefixtures("trusted")
PARAMETERS = ("grad_W", "grad_b", "grad_gamma", "grad_beta")


def names(result):
    return [name for one in result.diagnoses for name in (one.name, *one.equivalent)]


def shown(seed, mistake, *, keys=PARAMETERS, condition=lambda p: True):
    """A problem, and claims with the mistake in it that are wrong; drawn until there is one."""
    rng = np.random.default_rng(seed)
    for _ in range(3000):
        problem = draw_problem(rng)
        layers = MISTAKES[mistake].layers(problem)
        if not layers or not condition(problem):
            continue
        at = int(rng.choice(layers))
        claims = {k: v for k, v in planted_claims(problem, Planted(mistake, at)).items() if k in keys}
        result = check(problem, claims)
        if not result.ok:
            return result, at
    raise AssertionError(f"{mistake} was not seen in 3000 problems")


@pytest.mark.parametrize("mistake", quick_first([*list(MISTAKES)[::2], *list(MISTAKES)[1::2]], len(MISTAKES) // 2))
def test_a_planted_mistake_is_named(mistake):
    result, at = shown(sum(map(ord, mistake)), mistake)
    assert set(MISTAKES[mistake].rows) & set(names(result)), (result, result.notes)
    assert not set(MISTAKES[mistake].rows) & set(result.not_detectable)
    assert at == 0 or at in result.diagnoses[0].layers[0]


LOSSES = {  # the loss of one output: its slope by the output's score, for (m, 1) scores beside (m,) targets
    "half_squared_error": ("identity", lambda z, y: z - y),
    "binary_cross_entropy": ("sigmoid", lambda z, y: 1 / (1 + np.exp(-z)) - y),
    "absolute_error": ("identity", lambda z, y: np.sign(z - y)),
}


@pytest.mark.parametrize("loss", LOSSES)
@pytest.mark.parametrize("summed", [False, True], ids=["mean of the matrix", "sum over its rows"])
def test_targets_beside_outputs_of_another_shape_are_named(rng, loss, summed):
    """z (m, 1) − y (m,) is (m, m), which nobody sees where its mean is taken."""
    activation, slope = LOSSES[loss]
    net = Network(3, [Dense(4, "tanh"), Dense(1, activation)], loss=loss)
    params, X, y = net.init(seed=1), rng.standard_normal((6, 3)), rng.integers(0, 2, 6).astype(float)
    a = np.tanh(X @ params.W[1].T + params.b[1])
    delta = slope(a @ params.W[2].T + params.b[2], y).mean(axis=1, keepdims=True) * (6 if summed else 1)
    d1 = delta @ params.W[2] * (1 - a * a)
    claims = {
        "grad_W": {"1": d1.T @ X / 6, "2": delta.T @ a / 6},
        "grad_b": {"1": d1.mean(axis=0), "2": delta.mean(axis=0)},
    }
    result = check(Problem(net, params, X, y), claims)
    assert result.diagnoses[0].name == "targets_broadcast"
    assert check(Problem(net, params, X, np.full(6, y[0])), claims, pairs=False).diagnoses[:1] != result.diagnoses[:1]


def test_a_mean_of_a_sum_is_named():
    result, _ = shown(1, "mean_twice", condition=lambda p: p.net.reduction == "sum")
    assert names(result)[0] == "mean_of_a_sum"


@pytest.mark.parametrize(("loss", "activations", "planted"), [
    ("squared_error", ("tanh", "identity"), (Planted("mean_each_layer"), Planted("slope_at_a", 1))),
    ("half_squared_error", ("silu", "sigmoid"), (Planted("output_alone"), Planted("b_row", 2))),
])  # fmt: skip
def test_two_mistakes_in_one_quantity_are_named(rng, loss, activations, planted):
    """Each moves the first wrong quantity, and neither explains it alone."""
    net = Network(3, [Dense(4, activations[0]), Dense(2, activations[1])], loss=loss, l2=0.1)
    problem = Problem(net, net.init("xavier_normal", seed=1), rng.standard_normal((5, 3)), rng.standard_normal((5, 2)))
    claims = {key: value for key, value in planted_claims(problem, *planted).items() if key in PARAMETERS}
    found = [set(name.split(" + ")) for name in names(check(problem, claims))]
    assert any(all(set(MISTAKES[one.name].rows) & pair for one in planted) for pair in found)


# --- mistakes in the step -------------------------------------------------------------------------------------------


def update_claim(problem, new):
    L = problem.net.L
    return {
        "update": {"W": {l: new[f"W[{l}]"] for l in range(1, L + 1)}, "b": {l: new[f"b[{l}]"] for l in range(1, L + 1)}}
    }


def stepped(problem, change):
    """The parameters after one step, by a rule (theta, g) ↦ theta applied to each array."""
    grad = problem.passes()[1]
    new = {}
    for l in range(1, problem.net.L + 1):
        for name in ("W", "b"):
            new[f"{name}[{l}]"] = change(name, getattr(problem.params, name)[l], getattr(grad, name)[l])
    return update_claim(problem, new)


SGD_STEPS = {
    "step_uphill": lambda name, theta, g: theta + 0.3 * g,
    "learning_rate_missing": lambda name, theta, g: theta - g,
    "biases_not_updated": lambda name, theta, g: theta - 0.3 * g * (name == "W"),
    "weights_not_updated": lambda name, theta, g: theta - 0.3 * g * (name == "b"),
}


@pytest.mark.parametrize("bug", SGD_STEPS)
def test_a_mistake_in_the_step_is_named(rng, bug):
    problem = replace(draw_problem(rng, plain=True), optimizer=Sgd(learning_rate=0.3))
    assert check(problem, stepped(problem, lambda name, theta, g: theta - 0.3 * g)).ok
    assert bug in names(check(problem, stepped(problem, SGD_STEPS[bug])))


def test_adam_without_bias_correction_is_named(rng):
    problem = replace(draw_problem(rng, plain=True), optimizer=Adam(learning_rate=0.1))
    right = stepped(problem, lambda name, theta, g: theta - 0.1 * g / (np.abs(g) + 1e-8))
    wrong = stepped(problem, lambda name, theta, g: theta - 0.1 * 0.1 * g / (np.sqrt(0.001) * np.abs(g) + 1e-8))
    assert check(problem, right).ok
    assert names(check(problem, wrong))[0] == "bias_correction_missing"


# --- conventions are told apart from mistakes -----------------------------------------------------------------------


def claimed(problem, *keys):
    right = right_values(problem)
    found = {}
    for key in keys:
        found[key] = {name[len(key) + 1 : -1]: v for name, v in right.items() if name.startswith(f"{key}[")}
    return found | {"loss": float(right["loss"])}


def mean_problem(rng, condition=lambda p: True, **options):
    while True:
        problem = draw_problem(rng, plain=True, **options)
        if problem.net.reduction == "mean" and condition(problem):
            return problem


def scaled(claims, factor, *keys):
    return {
        key: ({l: factor * np.asarray(x) for l, x in v.items()} if isinstance(v, dict) else factor * v)
        if key in keys
        else v
        for key, v in claims.items()
    }


def test_a_sum_is_a_convention_where_the_loss_is_a_sum_too(rng):
    problem = mean_problem(rng, l2=0.0)
    claims = claimed(problem, "grad_W", "grad_b")
    m = len(problem.X)
    both = check(problem, scaled(claims, m, "loss", "grad_W", "grad_b"))
    assert (both.diagnoses[0].name, both.diagnoses[0].kind) == ("convention_sum", "convention")
    only = check(problem, scaled(claims, m, "grad_W", "grad_b"))
    assert (only.diagnoses[0].name, only.diagnoses[0].kind) == ("missing_batch_mean", "bug")


def test_a_mean_is_a_convention_where_the_problem_sums(rng):
    problem = mean_problem(rng, l2=0.0)
    net = type(problem.net)(problem.net.inputs, problem.net.layers, loss=problem.net.loss, reduction="sum")
    claims = claimed(problem, "grad_W", "grad_b")
    summed = replace(problem, net=net, params=type(problem.params)(net, problem.params.theta))
    assert check(summed, claims).diagnoses[0].name == "convention_mean"


@pytest.mark.parametrize("norm", [None, "batch"])
def test_weighted_losses_over_m_are_a_convention(rng, norm):
    layers, m = [Dense(4, "tanh", norm=norm), Dense(2)], 6
    w = np.array([0.5, 1.0, 2.0, 0.0, 3.0, 1.5])
    X, y = rng.standard_normal((m, 3)), rng.standard_normal((m, 2))

    def problem(weights, reduction):
        net = Network(3, layers, reduction=reduction)
        return Problem(net, net.init(seed=1), X, y, sample_weight=weights)

    result = check(problem(w, "mean"), claimed(problem(w / m, "sum"), "grad_W", "grad_b"))
    assert (result.diagnoses[0].name, result.diagnoses[0].kind) == ("convention_weights_over_m", "convention")


def test_a_half_is_a_convention_where_the_loss_has_it_too(rng):
    problem = mean_problem(
        rng, lambda p: p.net.loss.name == "half_squared_error" and p.net.outputs not in (2, 4), l2=0.0
    )
    claims = scaled(claimed(problem, "grad_W", "grad_b"), 2, "loss", "grad_W", "grad_b")
    assert check(problem, claims).diagnoses[0].name == "convention_half"


def test_a_mean_over_outputs_is_a_convention_where_the_loss_has_it_too(rng):
    problem = mean_problem(rng, lambda p: p.net.outputs in (3, 5) and p.net.loss.name != "mean_squared_error", l2=0.0)
    claims = scaled(claimed(problem, "grad_W", "grad_b"), 1 / problem.net.outputs, "loss", "grad_W", "grad_b")
    assert check(problem, claims).diagnoses[0].name == "convention_mean_over_outputs"


def test_a_mean_in_delta_is_a_convention_where_the_gradients_are_right(rng):
    problem = mean_problem(rng)
    claims = scaled(claimed(problem, "delta", "grad_W", "grad_b"), 1 / len(problem.X), "delta")
    assert check(problem, claims).diagnoses[0].name == "convention_mean_in_delta"


def test_a_loss_without_its_penalty_is_a_convention(rng):
    problem = mean_problem(rng, l2=0.2)
    claims = claimed(problem, "grad_W", "grad_b")
    claims["loss"] -= 0.1 * sum((W**2).sum() for W in problem.params.W[1:])
    assert check(problem, claims).diagnoses[0].name == "convention_loss_without_penalty"


# --- the forward pass -----------------------------------------------------------------------------------------------


def tape_claims(problem, cost):
    """Loss and gradients of a cost written here, by the tape."""
    from backlit.autodiff import value_and_gradient
    from backlit.core.parameters import Parameters

    loss, theta = value_and_gradient(cost, problem.params.theta)
    grad = Parameters(problem.net, theta)
    return {"loss": float(loss), "grad_W": grad.W, "grad_b": grad.b}


def forward_problem(rng, **layer):
    net = Network(3, [Dense(3, "tanh", **layer), Dense(2)], l2=0.0)
    params = net.init(seed=4)
    params.theta += 0.3 * rng.standard_normal(params.theta.shape)
    return Problem(net, params, rng.standard_normal((7, 3)), rng.standard_normal((7, 2)), seed=2)


def forward_cost(problem, *, bias=1.0, skip=0.0, mask=1.0, ddof=None):
    """The cost of `forward_problem`, with a forward pass of one's own."""
    X, y, extra = problem.X, problem.y, 3 if ddof is None else 9

    def cost(theta):
        W, b, V, c = (
            theta[:9].reshape(3, 3),
            theta[9:12],
            theta[9 + extra : 15 + extra].reshape(2, 3),
            theta[15 + extra :],
        )
        u = X @ W.T + bias * b
        if ddof is not None:
            centered = u - np.mean(u, axis=0, keepdims=True)
            variance = np.sum(centered * centered, axis=0, keepdims=True) / (len(X) - ddof)
            u = theta[12:15] * centered / np.sqrt(variance + 1e-5) + theta[15:18]
        out = (np.tanh(u) * mask + skip * X) @ V.T + c
        return 0.5 * np.sum((out - y) ** 2) / len(X)

    return cost


def test_a_missing_bias_of_the_forward_pass_is_named(rng):
    problem = forward_problem(rng)
    assert check(problem, tape_claims(problem, forward_cost(problem))).ok
    result = check(problem, tape_claims(problem, forward_cost(problem, bias=1e-300)))
    assert result.first_wrong == "loss"
    assert "forward pass" in result.notes[0]
    claims = tape_claims(problem, forward_cost(problem, bias=1e-300))
    grad_b = [None, *(b.copy() for b in claims["grad_b"][1:])]
    grad_b[1] = grad_b[1] * 1e300  # the student gives b its gradient although it was left out
    assert names(check(problem, claims | {"grad_b": grad_b}))[0] == "forward_bias_missing"


def test_a_missing_skip_of_the_forward_pass_is_named(rng):
    problem = forward_problem(rng, skip_from=0, skip_scale=0.5)
    assert check(problem, tape_claims(problem, forward_cost(problem, skip=0.5))).ok
    assert names(check(problem, tape_claims(problem, forward_cost(problem))))[0] == "forward_skip_missing"


def test_dropout_without_its_scale_is_a_convention(rng):
    problem = forward_problem(rng, dropout=0.4)
    mask = problem.passes()[0].mask[1]
    assert check(problem, tape_claims(problem, forward_cost(problem, mask=mask))).ok
    result = check(problem, tape_claims(problem, forward_cost(problem, mask=mask * 0.6)))
    assert (result.diagnoses[0].name, result.diagnoses[0].kind) == ("convention_dropout_unscaled", "convention")


def test_an_unbiased_variance_in_both_passes_is_a_convention(rng):
    problem = forward_problem(rng, norm="batch")
    assert check(problem, tape_claims(problem, forward_cost(problem, ddof=0))).ok
    result = check(problem, tape_claims(problem, forward_cost(problem, ddof=1)))
    assert (result.diagnoses[0].name, result.diagnoses[0].kind) == ("convention_unbiased_variance", "convention")


# --- the table itself -----------------------------------------------------------------------------------------------

PLANTED_ABOVE = {
    *SGD_STEPS,
    *("mean_of_a_sum", "targets_broadcast", "bias_correction_missing"),
    *("convention_sum", "convention_mean", "convention_weights_over_m", "convention_half"),
    *("forward_bias_missing", "forward_skip_missing", "convention_dropout_unscaled", "convention_unbiased_variance"),
    *("convention_mean_over_outputs", "convention_mean_in_delta", "convention_loss_without_penalty"),
}


def test_every_row_is_planted():
    planted = {row for mistake in MISTAKES.values() for row in mistake.rows}
    assert set(CATALOGUE) == planted | PLANTED_ABOVE


def test_the_published_list_is_covered():
    numbers = {bug.number for bug in CATALOGUE.values()} | {mistake.number for mistake in MISTAKES.values()}
    assert set(range(1, 37)) <= numbers


@pytest.mark.parametrize("bug", CATALOGUE.values(), ids=lambda bug: bug.name)
def test_a_row_is_filled_in(bug):
    assert bug.equation in EQUATIONS
    assert bug.wrong != bug.right
    assert all((bug.words, bug.fix, bug.visible))
    assert bug.kind in ("bug", "convention")
