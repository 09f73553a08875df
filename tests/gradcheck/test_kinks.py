"""One finder of kinks: every kink and crease has a side, and points on one may take either."""

from dataclasses import replace
from itertools import pairwise

import numpy as np
import pytest
from tests.core.complex_step import slope

from backlit.core import ACTIVATIONS, LOSSES, Dense, Network, forward, get_activation, get_loss
from backlit.core.parameters import Parameters
from backlit.core.problem import Problem
from backlit.gradcheck import (
    GradientChecker,
    beside_kinks,
    off_loss_kinks,
    points_at_kinks,
    sides_of,
    slopes_between,
)
from backlit.gradcheck.methods import Cost, complex_step

ELEMENTWISE = [phi for name, phi in ACTIVATIONS.items() if name != "softmax"] + [
    get_activation({"name": "elu", "alpha": 0.5})
]


@pytest.mark.parametrize("phi", ELEMENTWISE, ids=lambda phi: f"{phi.name}{dict(phi.parameters)}")
def test_between_the_kinks_and_creases_of_an_activation_the_slope_has_no_jump_nor_bend(phi):
    """φ' and φ'' by differences are the same from both sides, away from what the record names; there one is not."""
    edges = (*phi.kinks, *phi.creases)
    h = 1e-5

    def sides_differ(at):
        first = [slope(phi.function, np.array([at + s * h]))[0] for s in (-1, 1)]
        second = [
            (slope(phi.function, np.array([at + 2 * s * h]))[0] - f) / (s * h)
            for s, f in zip((-1, 1), first, strict=True)
        ]
        return abs(first[1] - first[0]) > 1e-3 or abs(second[1] - second[0]) > 1e-3

    for at in np.linspace(-3, 3, 25):
        near = any(abs(at - edge) < 1e-9 for edge in edges)
        assert sides_differ(at) == near, at


def test_each_kink_of_each_unit_is_looked_at():
    net = Network(1, [Dense(3, "hard_tanh"), Dense(2, "relu"), Dense(1, "softsign"), Dense(1)], loss="huber")
    trace = forward(net, net.init(seed=0), np.ones((5, 1)))
    assert sides_of(net, None)(trace).shape == (5 * (2 * 3 + 2 + 1),)
    assert sides_of(net, np.zeros((5, 1)))(trace).shape == (5 * (2 * 3 + 2 + 1 + 2),)


@pytest.mark.parametrize(
    "loss", [loss for loss in LOSSES.values() if loss.kinked or loss.creases], ids=lambda loss: loss.name
)
def test_a_residual_that_crosses_an_edge_of_the_loss_changes_its_side(loss):
    net = Network(1, [Dense(1)], loss=loss)
    sides = sides_of(net, [[0.0]])
    edges = sorted((*((0.0,) if loss.kinked else ()), *loss.creases))

    def at(r):
        params = Parameters(net, np.array([r, 0.0]))
        return sides(forward(net, params, [[1.0]]))

    for low, high in pairwise([-10, *edges, 10]):
        assert (at(low + 1e-9) == at(high - 1e-9)).all()
    assert all((at(edge - 1e-9) != at(edge + 1e-9)).any() for edge in edges)


def relu_at(z, activation="relu"):
    """A single unit with u = z, the slope 1 behind it."""
    net = Network(1, [Dense(1, activation)], loss="half_squared_error")
    problem = Problem(net, Parameters(net, np.array([1.0, z - 1.0])), np.array([[1.0]]), np.array([[0.0]]))
    h = get_activation(activation).function(np.array([z]))[0]
    return replace(problem, y=np.array([[h - 1.0]]))  # ∂ℓ/∂a = 1


@pytest.mark.parametrize(
    ("activation", "z", "slopes"), [("relu", 0.0, (0, 1)), ("hard_tanh", 1.0, (0, 1)), ("hard_tanh", -1.0, (0, 1))]
)
def test_a_unit_at_its_kink_takes_either_slope(activation, z, slopes):
    problem = relu_at(z, activation)
    points = points_at_kinks(problem, problem.passes()[0], 0.0)
    assert len(points) == 1
    low, high = slopes_between(problem, points, lambda problem: {"b": problem.passes()[1].b[1]})
    assert (low["b"], high["b"]) == pytest.approx(slopes)
    for side in (-1, 1):  # its value stays, and the complex step takes that side too
        beside = beside_kinks(problem, points, [side])
        assert beside.passes()[0].a[1] == pytest.approx(problem.passes()[0].a[1], rel=1e-15, abs=0)
        cost = Cost(beside)
        stepped = complex_step(cost, cost.start, np.array([[0.0, 1.0]])).values
        assert stepped == pytest.approx(beside.passes()[1].theta[1:], rel=1e-13)


def test_a_unit_near_its_kink_keeps_its_value_on_either_side():
    problem = relu_at(1e-6)
    points = points_at_kinks(problem, problem.passes()[0], 1e-5)
    for side in (-1, 1):
        beside = beside_kinks(problem, points, [side])
        assert beside.passes()[0].a[1] == pytest.approx(1e-6, rel=1e-9, abs=0)
        assert beside.passes()[1].b[1] == pytest.approx(float(side > 0), abs=1e-5)


@pytest.mark.parametrize(("slope", "verdict"), [
    (0.0, "agree"), (0.4, "agree"), (1.0, "agree"), (-1e-6, "disagree"), (1 + 1e-6, "disagree"), (-3.0, "disagree")
])  # fmt: skip
def test_exactly_at_a_kink_any_slope_between_is_right(slope, verdict):
    problem = relu_at(0.0)
    said = GradientChecker(problem).parameters(slice(1, 2), np.array([0.0, slope]))
    assert said[0].verdict == verdict
    assert said[1].verdict == verdict


def test_each_unit_at_a_kink_chooses_for_itself():
    """relu(t) − relu(−t) has the slope 1 at t = 0; the textbook's 0 takes each unit's left slope, and is right."""
    net = Network(1, [Dense(2, "relu"), Dense(1)])
    params = Parameters.from_arrays(net, {"W": [None, [[1.0], [-1.0]], [[1.0, -1.0]]], "b": [None, [0.0, 0.0], [0.0]]})
    problem = Problem(net, params, np.array([[0.0]]), np.array([[-1.0]]))
    right = problem.passes()[1]
    said = GradientChecker(problem).inputs(right.a[0])
    assert [one.verdict for one in said] == ["agree", "unresolved"]
    assert GradientChecker(problem).inputs(right.a[0] + 3.0)[0].verdict == "disagree"


@pytest.mark.parametrize(("loss", "between"), [
    ({"name": "quantile", "quantile": 0.3}, (-0.3, 0.7)), ("absolute_error", (-1.0, 1.0)),
])  # fmt: skip
def test_an_output_on_its_target_takes_either_slope(loss, between):
    net = Network(1, [Dense(1)], loss=get_loss(loss))
    problem = Problem(net, Parameters(net, np.array([1.0, 0.0])), np.array([[1.0]]), np.array([[1.0]]))
    tried = {"agree": (*between, 0.0, sum(between) / 3), "disagree": (between[0] - 1e-3, between[1] + 1e-3)}
    for verdict, values in tried.items():
        for value in values:
            said = GradientChecker(problem).parameters(slice(1, 2), np.array([0, value]))
            assert {one.verdict for one in said} == {verdict}
    moved = off_loss_kinks(problem, problem.passes()[0])
    assert not points_at_kinks(moved, moved.passes()[0], 0.0)


def test_units_at_kinks_choose_for_themselves_where_there_are_too_many_choices_to_try():
    """Σ v_k relu(t) of eight signed v_k, at t = 0: its slope is any sum of some of them."""
    v = np.array([1.0, -2.0, 3.0, -4.0, 5.0, -6.0, 7.0, -8.0])
    net = Network(1, [Dense(8, "relu"), Dense(1)])
    params = Parameters.from_arrays(net, {"W": [None, np.ones((8, 1)), v[None]], "b": [None, np.zeros(8), [0.0]]})
    problem = Problem(net, params, np.array([[0.0]]), np.array([[-1.0]]))
    for total, verdict in ((16.0, "agree"), (-20.0, "agree"), (3.0, "agree"), (16.1, "disagree"), (-20.1, "disagree")):
        assert GradientChecker(problem).inputs(np.array([[total]]))[0].verdict == verdict


def test_many_points_are_moved_together():
    """Nor are 75 points moved one by one: all down, all up, and the textbook's own."""
    net = Network(2, [Dense(15, "relu"), Dense(1)])
    problem = Problem(net, net.init(seed=0), np.zeros((5, 2)), np.ones((5, 1)))
    points = points_at_kinks(problem, problem.passes()[0], 0.0)
    assert len(points) == 75
    tried = []
    slopes_between(problem, points, lambda problem: tried.append(problem) or {"": np.zeros(1)})
    assert len(tried) == 3
    biases = slice(30, 45)
    said = GradientChecker(problem).parameters(biases, problem.passes()[1].theta)
    assert [one.verdict for one in said] == ["agree", "unresolved"]
