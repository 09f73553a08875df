"""The oracles agree with each other, and a mistake in any of them, or in the textbook, is noticed."""

from dataclasses import replace

import numpy as np
import pytest
from tests.scripts import load_script
from tests.verification.drawn import draw_problem

from backlit.core import Dense, Network
from backlit.core.activations import ACTIVATIONS, get_activation
from backlit.core.parameters import layout
from backlit.core.problem import Problem
from backlit.verification.checking import check
from backlit.verification.oracles import agreement as agreeing
from backlit.verification.oracles import sources
from backlit.verification.oracles.agreement import agreement
from backlit.verification.oracles.plain import ACTIVATIONS as PLAIN
from backlit.verification.oracles.plain import plain_cost
from backlit.verification.oracles.sources import core_cost
from backlit.verification.oracles.stepping import derivative, open_step
from backlit.verification.oracles.trembling import Rounding

oracle_agreement = load_script("oracle_agreement")

ORACLES = ("tape", "complex_step", "central_differences", "extended_precision")


def smooth_problem(activation="tanh", output=("softmax", "cross_entropy")):
    rng = np.random.default_rng(3)
    net = Network(3, [Dense(4, activation), Dense(3, output[0])], loss=output[1], l2=0.1)
    params = net.init(seed=1)
    params.theta += 0.2 * rng.standard_normal(params.theta.shape)
    y = np.eye(3)[[0, 1, 2, 1, 0]] if output[1] != "poisson" else np.arange(15.0).reshape(5, 3)
    return Problem(net, params, rng.standard_normal((5, 3)), y)


@pytest.mark.parametrize("activation", [name for name in ACTIVATIONS if name != "softmax"])
def test_oracles_agree_for_every_activation(activation):
    found = agreement(smooth_problem(activation))
    assert found.agree, found.reason
    assert {"tape", "complex_step", "central_differences"} <= set(found.errors)
    assert max(found.errors["tape"], found.errors["complex_step"]) < 1e-12


@pytest.mark.parametrize(
    "loss",
    ["half_squared_error", "squared_error", "mean_squared_error", "absolute_error", "huber", "quantile"],
)
def test_oracles_agree_for_every_regression_loss(loss):
    assert agreement(smooth_problem(output=("sigmoid", loss))).agree


@pytest.mark.parametrize(
    "output",
    [("sigmoid", "binary_cross_entropy"), ("exp", "poisson"), ("softplus", "poisson"), ("softmax", "squared_error")],
)
def test_oracles_agree_for_every_output(output):
    assert agreement(smooth_problem(output=output)).agree


def test_oracles_agree_on_random_networks(rng):
    for _ in range(40):
        problem = draw_problem(rng)
        assert agreement(problem).agree, (problem.net, agreement(problem).reason)


@pytest.mark.parametrize("activation", [name for name in ACTIVATIONS if name in PLAIN])
def test_the_second_cost_is_the_first(activation):
    problem = smooth_problem(activation) if activation != "softmax" else smooth_problem()
    theta = problem.params.theta
    assert float(plain_cost(problem)(theta)) == pytest.approx(core_cost(problem)(theta), rel=1e-13)


def test_extended_precision_is_that_of_mpmath():
    mpmath = pytest.importorskip("mpmath")
    net = Network(1, [Dense(1, "tanh"), Dense(1)])
    problem = Problem(net, net.init("zeros"), np.array([[0.7]]), np.array([[0.2]]))
    problem.params.theta[:] = (0.3, -0.1, 1.7, 0.4)

    def cost(w1, b1, w2, b2):
        return (w2 * mpmath.tanh(w1 * mpmath.mpf(0.7) + b1) + b2 - mpmath.mpf(0.2)) ** 2 / 2

    with mpmath.workdps(40):
        point = [mpmath.mpf(x) for x in problem.params.theta]
        right = [float(mpmath.diff(cost, point, tuple(int(i == j) for i in range(4)))) for j in range(4)]
    for oracle in (sources.closed_form, sources.tape, sources.complex_step):
        np.testing.assert_allclose(oracle(problem, np.eye(4)).values, right, rtol=1e-14)
    if sources.has_extended_precision():
        np.testing.assert_allclose(sources.extended_precision(problem, np.eye(4)).values, right, rtol=1e-12)


@pytest.mark.parametrize("oracle", ORACLES)
def test_a_mistake_in_an_oracle_is_noticed(monkeypatch, oracle):
    problem = smooth_problem()
    right = getattr(sources, oracle)

    def wrong(problem, directions):
        slopes = right(problem, directions)
        return replace(slopes, values=slopes.values * (1 + (1e-7 if oracle == "central_differences" else 1e-11)))

    monkeypatch.setattr(sources, oracle, wrong)
    if oracle == "extended_precision" and not sources.has_extended_precision():
        pytest.skip("no number wider than float64 here")
    result = check(problem, {"loss": 1.0})
    assert result.verdict == "unresolved"
    assert oracle in result.notes[0]
    assert not result.diagnoses


def test_a_mistake_in_the_closed_form_is_noticed():
    tanh = get_activation("tanh")
    wrong = replace(tanh, derivative=lambda u: 1 - np.tanh(u))
    problem = smooth_problem()
    net = Network(3, [Dense(4, wrong), Dense(3, "softmax")], loss="cross_entropy", l2=0.1)
    result = check(replace(problem, net=net), {"loss": 1.0})
    assert result.verdict == "unresolved"
    assert all(oracle in result.oracles.reason for oracle in ("tape", "complex_step", "central_differences"))


def test_a_mistake_in_the_forward_pass_is_noticed():
    wrong = replace(get_activation("sigmoid"), function=lambda u: 1 / (1 + np.exp(-1.001 * u)))
    problem = smooth_problem("sigmoid")
    net = Network(3, [Dense(4, wrong), Dense(3, "softmax")], loss="cross_entropy", l2=0.1)
    assert "tape" in agreement(replace(problem, net=net)).reason


def test_nothing_agrees_where_no_oracle_was_asked(monkeypatch):
    monkeypatch.setattr(agreeing, "oracles_for", lambda problem, at_kink: ([], {}))
    assert not agreement(smooth_problem()).agree


@pytest.mark.parametrize("kind", [np.float64, np.longdouble])
def test_extrapolated_differences_know_their_error(kind):
    for f, slope in ((np.exp, 1.0), (np.sin, 1.0), (lambda t: 1 / (2 + t), -0.25), (lambda t: 1e6 + t, 1.0)):
        value, error = derivative(f, kind(0.125))
        assert abs(value - slope) <= error < 1e-8


def test_a_jump_of_the_slope_is_known_as_an_error():
    value, error = derivative(lambda t: np.maximum(t - 1e-3, 0), 0.125)  # beyond it the differences give 1/2
    assert abs(value - 0.0) <= error < 1e-8
    assert open_step(lambda t: t > 1e-3, 0.125, 1e-7) == 0.125 / 4**4


def test_rounding_is_measured_and_a_wrong_formula_is_not_taken_for_it(rng):
    """A bias under a batch norm is 0 give or take rounding; one that is wrong trembles no more."""
    net = Network(3, [Dense(4, "tanh", norm="batch"), Dense(2)])
    problem = Problem(net, net.init(seed=1), rng.standard_normal((5, 3)), rng.standard_normal((5, 2)))
    found = agreement(problem)
    assert found.agree
    assert set(found.excused) == {"b[1]"}
    rounding, slots = Rounding(problem), {str(slot): slot for slot in layout(net)}
    g = problem.passes()[1].theta
    for name in ("W[1]", "gamma[1]", "W[2]", "b[2]"):
        directions = np.eye(net.n_parameters)[slots[name].start : slots[name].stop]
        assert 0 < rounding.along(slots[name], directions) < 1e-12 * np.linalg.norm(directions @ g)


def test_most_tensors_are_certified_to_the_last_digits():
    """The short form of scripts/oracle_agreement.py."""
    not_zero = 0
    for problem in oracle_agreement.drawn(8):
        found = agreement(problem)
        assert found.agree, found.reason
        not_zero += oracle_agreement.tensors_of(problem, found)[1]
        assert all(error <= (1e-8 if name == "central_differences" else 1e-13) for name, error in found.errors.items())
    assert not_zero <= 8  # of some 150 tensors
