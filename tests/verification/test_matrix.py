"""A short form of scripts/check_matrix.py, and mistakes in the identification that it would notice."""

import numpy as np
import pytest
from tests.helpers import quick_first
from tests.scripts import load_script
from tests.verification.drawn import draw_problem
from tests.verification.planted import MISTAKES, Planted, planted_claims

from backlit.verification import suggest_inputs
from backlit.verification.problem_check import check
from backlit.verification.telling_numbers import hidden_in

matrix = load_script("check_matrix")
pytestmark = pytest.mark.usefixtures("trusted")


@pytest.fixture
def rng():
    return np.random.default_rng(11)


@pytest.mark.parametrize("step", quick_first([9, 3]))
def test_singles_are_named(step):
    """Every ninth, or third; test_planted.py demands a name for each."""
    rows = [matrix.row_of(1, 11, name)[1] for name in list(MISTAKES)[::step]]
    assert all(row.shown == row.named == 1 for row in rows)


def small_problem(rng):
    """Of two layers: the pairs that are tried grow with the square of the depth."""
    while (problem := draw_problem(rng)).net.L > 2:
        pass
    return problem


@pytest.fixture(params=quick_first([small_problem, draw_problem]), ids=lambda draw: draw.__name__)
def draw(request, monkeypatch):
    """What problems are drawn by, in the script too."""
    monkeypatch.setattr(matrix, "draw_problem", request.param)
    return request.param


def test_pairs_are_named(rng, draw):
    count = 5 if draw is small_problem else 10
    row = matrix.pairs(count, rng)
    assert row.named >= 0.8 * count
    assert not [name for name in row.others if name.startswith("false: ") and row.others[name] > 2]


@pytest.mark.parametrize("count", quick_first([60, 300]))
def test_correct_gradients_in_float32_raise_no_alarm(rng, count):
    assert matrix.rounded(count, rng) == 0


def test_noise_gets_no_name(rng, draw):
    """By turns all tensors of the claims are noise and half of them."""
    assert not matrix.noise(2 if draw is small_problem else 5, rng)


def test_half_of_a_mistake_gets_no_name(rng, draw):
    named = []
    for _ in range(2 if draw is small_problem else 4):
        problem = draw(rng)
        claims = planted_claims(problem, Planted("sign"))
        l = int(rng.integers(1, problem.net.L + 1))
        claims["grad_W"][l] = claims["grad_W"][l] + 0.01 * rng.standard_normal(claims["grad_W"][l].shape)
        named += matrix.names_of(check(problem, {key: claims[key] for key in ("grad_W", "grad_b")}))
    assert not named


def test_bugs_that_cannot_be_seen_are_listed(rng):
    while True:
        problem = draw_problem(rng)
        if all(layer.activation.name == "relu" for layer in problem.net.layers[:-1]) and problem.net.has_short_form:
            break
    problem.params.b[1][:] = 0
    grad = problem.passes()[1]
    result = check(problem, {"grad_W": grad.W, "grad_b": grad.b})
    assert "slope_at_activation" in result.not_detectable
    assert "slope_twice" in result.not_detectable
    assert "activation_slope_missing" not in result.not_detectable


def test_suggested_inputs_reveal_more(rng):
    from dataclasses import replace

    from backlit.core import Dense, Network
    from backlit.core.problem import Problem

    net = Network(2, [Dense(2, "sigmoid"), Dense(2, "softmax")], loss="cross_entropy")
    poor = Problem(net, net.init(), np.ones((1, 2)), np.array([[0.0, 1.0]]))
    suggestion = suggest_inputs(poor)
    assert {"missing_batch_mean", "one_example_only", "penalty_on_biases"} <= set(suggestion.revealed)
    assert len(hidden_in(suggestion.problem)) <= len(hidden_in(poor))
    right = suggestion.problem.passes()[1]
    assert check(suggestion.problem, {"grad_W": right.W, "grad_b": right.b}).ok
    assert suggest_inputs(replace(poor, X=None, y=None)).problem.X.shape == (7, 2)


def test_a_suggested_problem_is_a_problem_file(rng):
    from backlit.formats.problems import read_problem

    for _ in range(10):
        suggestion = suggest_inputs(draw_problem(rng))
        again = read_problem(suggestion.problem.to_dict())
        np.testing.assert_array_equal(again.params.theta, suggestion.problem.params.theta)
