"""Test the tester: right gradients pass, a planted error is seen, in the right tensor and with about its right size."""

import dataclasses

import numpy as np
import pytest
from hypothesis import given
from numpy.testing import assert_allclose
from tests.strategies import Problem, problems

from backlit.core import Dense, DropoutKey, Network, get_activation
from backlit.core.parameters import Parameters
from backlit.verification import directions
from backlit.verification.directions import check_directions, kinks_of, slope

RIGHT = 1e-7


@given(problems(running=False))
def test_right_gradients_pass(problem: Problem):
    check = check_directions(
        problem.net, problem.params, problem.X, problem.y, problem.sample_weight, dropout=problem.dropout
    )
    assert check.max_relative_error <= RIGHT, check


def example(hidden: str = "tanh", **options) -> tuple[Network, Parameters, np.ndarray, np.ndarray]:
    """Widths all different, biases not 0, L2, eleven examples: nothing that could hide an error."""
    net = Network(5, [Dense(4, hidden, **options), Dense(3, hidden), Dense(2)], l2=0.1)
    rng = np.random.default_rng(3)
    params = net.init(seed=2)
    for b in params.b[1:]:
        b[:] = rng.uniform(-0.5, 0.5, len(b))
    return net, params, rng.standard_normal((11, 5)), rng.standard_normal((11, 2))


def planted(monkeypatch, change) -> directions.GradientCheck:
    """The check's verdict where `change(grad)` is done to every gradient that backward gives."""
    backward = directions.backward

    def wrong(net, params, trace, y, sample_weight=None):
        grad = backward(net, params, trace, y, sample_weight)
        change(grad, params)
        return grad

    monkeypatch.setattr(directions, "backward", wrong)
    return check_directions(*example(), directions=16)


@pytest.mark.parametrize("slot", ["W[1]", "b[1]", "W[2]", "b[2]", "W[3]", "b[3]"])
@pytest.mark.parametrize("factor", [1.001, 0.9, 2.0, 0.0, -1.0])
def test_a_tensor_scaled_is_seen_there_and_there_alone(slot, factor, monkeypatch):
    name, l = slot[0], int(slot[2])

    def scale(grad, params):
        getattr(grad, name)[l] *= factor

    check = planted(monkeypatch, scale)
    assert check.worst == slot
    # ‖error‖/‖claim‖ is |f − 1|/|f|; of 16 random directions the largest is between half of it and four times of it
    size = abs(factor - 1) / abs(factor) if factor else None
    if size:
        assert size / 2 <= check.max_relative_error <= 4 * size
    else:
        assert check.max_relative_error > 1
    others = [error for other, error in check.errors.items() if other != slot]
    assert max(others) <= RIGHT


def test_one_wrong_entry_of_many_is_seen_with_its_size(monkeypatch):
    """For one wrong entry every signed direction shows the whole of it."""
    net, params, X, y = example()
    grad = directions.backward(net, params, directions.forward(net, params, X), y)
    expected = abs(0.01 * grad.W[1][2, 3]) / np.linalg.norm(grad.W[1])

    def spoil(grad, params):
        grad.W[1][2, 3] *= 1.01

    check = planted(monkeypatch, spoil)
    assert check.worst == "W[1]"
    assert_allclose(check.max_relative_error, expected, rtol=0.01)


def test_the_transpose_is_seen(monkeypatch):
    net = Network(4, [Dense(4, "tanh"), Dense(1)])
    rng = np.random.default_rng(0)
    backward = directions.backward

    def transposed(*args):
        grad = backward(*args)
        grad.W[1][:] = grad.W[1].T.copy()
        return grad

    monkeypatch.setattr(directions, "backward", transposed)
    check = check_directions(net, net.init(seed=1), rng.standard_normal((7, 4)), rng.standard_normal((7, 1)))
    assert check.worst == "W[1]"
    assert check.max_relative_error > 0.1
    assert check.errors["b[1]"] <= RIGHT


@pytest.mark.parametrize(("name", "tensors"), [
    ("bias not averaged", ["b[1]", "b[2]", "b[3]"]),
    ("l2 left out", ["W[1]", "W[2]", "W[3]"]),
    ("l2 on biases", ["b[1]", "b[2]", "b[3]"]),
])  # fmt: skip
def test_mistakes_of_the_books_are_seen_in_their_tensors(name, tensors, monkeypatch):
    def change(grad, params):
        for l in (1, 2, 3):
            if name == "bias not averaged":
                grad.b[l] *= 11
            elif name == "l2 left out":
                grad.W[l] -= 0.1 * params.W[l]
            else:
                grad.b[l] += 0.1 * params.b[l]

    check = planted(monkeypatch, change)
    assert {slot for slot, error in check.errors.items() if error > 1e-4} == set(tensors)


def test_a_wrong_derivative_is_seen_in_its_layer_and_below(monkeypatch):
    """1 − a in place of 1 − a² in layer 2: exact above it, wrong in it and below."""
    wrong = dataclasses.replace(get_activation("tanh"), derivative=lambda u: 1 - np.tanh(u))
    net, params, X, y = example()
    bad = Network(5, [net.layers[0], Dense(3, wrong), net.layers[2]], l2=0.1)
    check = check_directions(bad, Parameters(bad, params.theta), X, y)
    assert {slot for slot, error in check.errors.items() if error > 1e-3} == {"W[1]", "b[1]", "W[2]", "b[2]"}


def test_a_mask_of_another_step_is_seen(monkeypatch):
    """The cost is taken with one mask, the gradient with another."""
    net, params, X, y = example(dropout=0.4)
    assert check_directions(net, params, X, y, dropout=DropoutKey(1, 5)).max_relative_error <= RIGHT
    forward, calls = directions.forward, []

    def other_mask_first(net, params, X, dropout=None):
        calls.append(dropout)
        return forward(net, params, X, dropout=DropoutKey(1, 6) if len(calls) == 1 else dropout)

    monkeypatch.setattr(directions, "forward", other_mask_first)
    assert check_directions(net, params, X, y, dropout=DropoutKey(1, 5)).max_relative_error > 0.01


def test_weights_are_heeded():
    net, params, X, y = example()
    weight = np.linspace(0, 2, 11)
    assert check_directions(net, params, X, y, weight).max_relative_error <= RIGHT


def test_float32_parameters_are_checked_in_float64():
    net, params, X, y = example()
    assert check_directions(net, params.astype(np.float32), X, y).max_relative_error <= RIGHT


def test_nothing_given_is_written_to_and_the_seed_decides():
    net, params, X, y = example()
    before = params.theta.copy()
    one, same, other = (check_directions(net, params, X, y, seed=seed).errors for seed in (0, 0, 1))
    assert (params.theta == before).all()
    assert one == same
    assert one != other


# --- kinks ------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("distance", [1e-3, 3e-5, 3e-6, 1e-7])
def test_a_unit_near_its_kink_makes_the_step_shrink(distance):
    """A ReLU with u = ±distance: the slope is that of its own side, though the first step crosses to the other."""
    net = Network(1, [Dense(2, "relu"), Dense(1)])
    params = Parameters.from_arrays(net, {"W": [None, [[1.0], [1.0]], [[0.7, -0.4]]], "b": [None, [-1.0, -1.0], [0.2]]})
    params.b[1][:] = -1 + distance, -1 - distance  # u = distance and −distance at x = 1
    check = check_directions(net, params, [[1.0]], [[2.0]])
    assert check.max_relative_error <= 1e-6


def test_without_looking_at_the_kinks_the_same_gradient_would_fail():
    net = Network(1, [Dense(1, "relu"), Dense(1)])
    params = Parameters.from_arrays(net, {"W": [None, [[1.0]], [[0.7]]], "b": [None, [-1 + 1e-6], [0.2]]})

    def cost_along(v, t):
        at = directions.forward(net, Parameters(net, params.theta + t * v), [[1.0]])
        return float(directions.total_loss(net, params, at, [[2.0]])), at

    v = np.array([1.0, 0.0, 0.0, 0.0])
    blind = slope(cost_along, v, lambda trace: np.zeros(0, bool))
    seeing = slope(cost_along, v, kinks_of(net))
    exact = directions.backward(net, params, directions.forward(net, params, [[1.0]]), [[2.0]]).theta[0]
    assert abs(blind - exact) > 0.1 * abs(exact)
    assert abs(seeing - exact) < 1e-6 * abs(exact)


def test_each_kink_of_each_unit_is_looked_at():
    net = Network(1, [Dense(3, "hard_tanh"), Dense(2, "relu"), Dense(1, "tanh")])
    trace = directions.forward(net, net.init(seed=0), np.ones((5, 1)))
    assert kinks_of(net)(trace).shape == (5 * (2 * 3 + 2),)


def test_the_report_names_every_tensor_and_the_worst():
    net, params, X, y = example(norm="layer")
    check = check_directions(net, params, X, y)
    assert list(check.errors) == ["W[1]", "b[1]", "gamma[1]", "beta[1]", "W[2]", "b[2]", "W[3]", "b[3]"]
    assert check.max_relative_error == check.errors[check.worst] == max(check.errors.values())
