"""The oracles agree with each other, and a mistake in any of them, or in the textbook, is noticed."""

from dataclasses import replace

import numpy as np
import pytest
from tests.helpers import quick_first
from tests.scripts import load_script
from tests.verification.drawn import draw_problem

from backlit.core import Dense, Network
from backlit.core.activations import ACTIVATIONS, get_activation
from backlit.core.problem import Problem
from backlit.gradcheck import Cost, methods, reference_cost
from backlit.gradcheck.reference_cost import ACTIVATIONS as PLAIN
from backlit.verification import agreement as agreeing
from backlit.verification.agreement import agreement
from backlit.verification.problem_check import check

oracle_agreement = load_script("oracle_agreement")

ORACLES = ("tape", "complex_step", "central_differences", "extended_precision")


def smooth_problem(activation="tanh", output=("softmax", "cross_entropy")):
    rng = np.random.default_rng(3)
    net = Network(2, [Dense(2, activation), Dense(3, output[0])], loss=output[1], l2=0.1)
    params = net.init(seed=1)
    params.theta += 0.2 * rng.standard_normal(params.theta.shape)
    y = np.eye(3)[[0, 1, 2]] if output[1] != "poisson" else np.arange(9.0).reshape(3, 3)
    return Problem(net, params, rng.standard_normal((3, 2)), y)


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


@pytest.mark.parametrize("networks", quick_first([2, 20]))
def test_oracles_agree_on_random_networks(rng, networks):
    for _ in range(networks):
        problem = draw_problem(rng)
        assert agreement(problem).agree, (problem.net, agreement(problem).reason)


@pytest.mark.parametrize("activation", [name for name in ACTIVATIONS if name in PLAIN])
def test_the_second_cost_is_the_first(activation):
    problem = smooth_problem(activation) if activation != "softmax" else smooth_problem()
    theta = problem.params.theta
    assert float(reference_cost(problem)(theta)) == pytest.approx(Cost(problem)(theta), rel=1e-13)


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
    for oracle in (methods.closed_form, methods.tape, agreeing.stepped):
        np.testing.assert_allclose(oracle(problem, np.eye(4)).values, right, rtol=1e-14)
    if methods.has_extended_precision():
        np.testing.assert_allclose(methods.extended_precision(problem, np.eye(4)).values, right, rtol=1e-12)


@pytest.mark.parametrize("oracle", ORACLES)
def test_a_mistake_in_an_oracle_is_noticed(monkeypatch, oracle):
    problem = smooth_problem()
    right = getattr(methods, oracle)

    def wrong(*args, **options):
        slopes = right(*args, **options)
        return replace(slopes, values=slopes.values * (1 + (1e-7 if oracle == "central_differences" else 1e-11)))

    monkeypatch.setattr(methods, oracle, wrong)
    if oracle == "extended_precision" and not methods.has_extended_precision():
        pytest.skip("no number wider than float64 here")
    result = check(problem, {"loss": 1.0})
    assert result.verdict == "unresolved"
    assert oracle in result.notes[0]
    assert not result.diagnoses


def test_a_mistake_in_the_closed_form_is_noticed():
    tanh = get_activation("tanh")
    wrong = replace(tanh, derivative=lambda u: 1 - np.tanh(u))
    problem = smooth_problem()
    net = Network(2, [Dense(2, wrong), Dense(3, "softmax")], loss="cross_entropy", l2=0.1)
    result = check(replace(problem, net=net), {"loss": 1.0})
    assert result.verdict == "unresolved"
    assert all(oracle in result.oracles.reason for oracle in ("tape", "complex_step", "central_differences"))


def test_a_mistake_in_the_forward_pass_is_noticed():
    wrong = replace(get_activation("sigmoid"), function=lambda u: 1 / (1 + np.exp(-1.001 * u)))
    problem = smooth_problem("sigmoid")
    net = Network(2, [Dense(2, wrong), Dense(3, "softmax")], loss="cross_entropy", l2=0.1)
    assert "tape" in agreement(replace(problem, net=net)).reason


def test_nothing_agrees_where_no_oracle_was_asked(monkeypatch):
    monkeypatch.setattr(agreeing, "oracles_for", lambda problem, at_kink: ([], {}))
    assert not agreement(smooth_problem()).agree


def test_a_tensor_that_is_rounding_is_excused_and_not_certified(rng):
    """A bias under a batch norm is 0 give or take rounding."""
    net = Network(3, [Dense(4, "tanh", norm="batch"), Dense(2)])
    found = agreement(Problem(net, net.init(seed=1), rng.standard_normal((5, 3)), rng.standard_normal((5, 2))))
    assert found.agree
    assert set(found.excused) == {"b[1]"}


@pytest.mark.parametrize("networks", quick_first([2, 8]))
def test_most_tensors_are_certified_to_the_last_digits(networks):
    """The short form of scripts/oracle_agreement.py."""
    not_zero = 0
    for problem in oracle_agreement.drawn(networks):
        found = agreement(problem)
        assert found.agree, found.reason
        not_zero += oracle_agreement.tensors_of(problem, found)[1]
        assert all(error <= (1e-8 if name == "central_differences" else 1e-13) for name, error in found.errors.items())
    assert not_zero <= networks  # of some 20 tensors each
