"""Test the tester: right gradients pass, a planted error is seen, in the right tensor and with about its right size."""

import dataclasses

import numpy as np
import pytest
from hypothesis import given
from numpy.testing import assert_allclose
from tests.helpers import quick_first
from tests.scripts import load_script
from tests.strategies import draws, problems
from tests.verification.test_right_numbers import problem_of

from backlit.core import Dense, Network, get_activation
from backlit.core.parameters import Parameters, layout
from backlit.core.problem import Problem
from backlit.derivation import checks as derivation_checks
from backlit.gradcheck import GradientChecker, Slopes, check, check_gradient, error_bounds

RIGHT = 1e-7
gradcheck_matrix = load_script("gradcheck_matrix")


def test_rounding_that_is_known_is_not_measured_again():
    """The check is the same, and goes by what it was given: a wrong gradient is excused by rounding without bounds."""
    problem = example()
    known, wrong = error_bounds(problem), 1.001 * problem.passes()[1].theta
    assert check_gradient(problem, wrong, measured=known) == check_gradient(problem, wrong)
    assert check_gradient(problem, wrong).wrong
    vast = dataclasses.replace(known, bounds={name: bound + 1e9 for name, bound in known.bounds.items()})
    assert not check_gradient(problem, wrong, measured=vast).wrong


@draws(25)
@given(problems(running=False))
def test_right_gradients_pass(drawn):
    found = check_gradient(problem_of(drawn))
    assert found.max_relative_error <= RIGHT, found
    assert not found.wrong


def example(hidden="tanh", **options) -> Problem:
    """Widths all different, biases not 0, L2, eleven examples: nothing that could hide an error."""
    net = Network(5, [Dense(4, hidden, **options), Dense(3, hidden), Dense(2)], l2=0.1)
    rng = np.random.default_rng(3)
    params = net.init(seed=2)
    for b in params.b[1:]:
        b[:] = rng.uniform(-0.5, 0.5, len(b))
    return Problem(net, params, rng.standard_normal((11, 5)), rng.standard_normal((11, 2)), seed=1)


def planted(change, problem=None):
    """The verdict where `change(grad, params)` is done to the gradient."""
    problem = problem or example()
    grad = problem.passes()[1]
    change(grad, problem.params)
    return check_gradient(problem, grad.theta, directions=16)


@pytest.mark.parametrize("slot", ["W[1]", "b[1]", "W[2]", "b[2]", "W[3]", "b[3]"])
@pytest.mark.parametrize("factor", quick_first([1.001, 0.0, -1.0, 0.9, 2.0], 3))
def test_a_tensor_scaled_is_seen_there_and_there_alone(slot, factor):
    name, l = slot[0], int(slot[2])

    def scale(grad, params):
        getattr(grad, name)[l] *= factor

    found = planted(scale)
    assert found.worst == slot
    assert found.wrong == (slot,)
    # ‖error‖/‖claim‖ is |f − 1|/|f|; of 16 random directions the largest is between half of it and four times of it
    if factor:
        assert abs(factor - 1) / abs(factor) / 2 <= found.max_relative_error <= 4 * abs(factor - 1) / abs(factor)
    else:
        assert found.max_relative_error > 1
    others = [error for other, error in found.errors.items() if other != slot]
    assert max(others) <= RIGHT


def test_one_wrong_entry_of_many_is_seen_with_its_size():
    """For one wrong entry every signed direction shows the whole of it."""
    W = example().passes()[1].W[1]
    expected = abs(0.01 * W[2, 3]) / np.linalg.norm(W)

    def spoil(grad, params):
        grad.W[1][2, 3] *= 1.01

    found = planted(spoil)
    assert found.worst == "W[1]"
    assert_allclose(found.max_relative_error, expected, rtol=0.01)


def test_the_transpose_is_seen():
    net = Network(4, [Dense(4, "tanh"), Dense(1)])
    rng = np.random.default_rng(0)
    problem = Problem(net, net.init(seed=1), rng.standard_normal((7, 4)), rng.standard_normal((7, 1)))

    def transpose(grad, params):
        grad.W[1][:] = grad.W[1].T.copy()

    found = planted(transpose, problem)
    assert found.wrong == ("W[1]",)
    assert found.max_relative_error > 0.1


@pytest.mark.parametrize(("name", "tensors"), [
    ("bias not averaged", ("b[1]", "b[2]", "b[3]")),
    ("l2 left out", ("W[1]", "W[2]", "W[3]")),
    ("l2 on biases", ("b[1]", "b[2]", "b[3]")),
])  # fmt: skip
def test_mistakes_of_the_books_are_seen_in_their_tensors(name, tensors):
    def change(grad, params):
        for l in (1, 2, 3):
            if name == "bias not averaged":
                grad.b[l] *= 11
            elif name == "l2 left out":
                grad.W[l] -= 0.1 * params.W[l]
            else:
                grad.b[l] += 0.1 * params.b[l]

    found = planted(change)
    assert found.wrong == tensors
    assert {slot for slot, error in found.errors.items() if error > 1e-4} == set(tensors)


def test_a_wrong_derivative_is_seen_in_its_layer_and_below():
    """1 − a in place of 1 − a² in layer 2: exact above it, wrong in it and below."""
    wrong = dataclasses.replace(get_activation("tanh"), derivative=lambda u: 1 - np.tanh(u))
    problem = example()
    net = Network(5, [problem.net.layers[0], Dense(3, wrong), problem.net.layers[2]], l2=0.1)
    assert check_gradient(dataclasses.replace(problem, net=net)).wrong == ("W[1]", "b[1]", "W[2]", "b[2]")


def test_a_mask_of_another_step_is_seen():
    """The cost is taken with one mask, the gradient with another."""
    problem = example(dropout=0.4)
    assert not check_gradient(problem).wrong
    other = problem.passes(step=1)[1].theta
    assert check_gradient(problem, other).max_relative_error > 0.01


def test_weights_are_heeded():
    weight = np.linspace(0, 2, 11)
    weighted = dataclasses.replace(example(), sample_weight=weight)
    assert not check_gradient(weighted).wrong
    assert check_gradient(weighted, example().passes()[1].theta).wrong


def test_float32_parameters_are_checked_in_float64():
    problem = example()
    single = Problem(problem.net, problem.params.astype(np.float32), problem.X, problem.y)
    assert check_gradient(single).max_relative_error <= RIGHT


def test_a_float32_gradient_is_judged_by_its_own_rounding():
    problem = example()
    single = Problem(problem.net, problem.params.astype(np.float32), problem.X, problem.y)
    g, checker = single.passes()[1].theta, GradientChecker(single, np.float32)
    W1 = slice(0, 20)
    assert {one.verdict for one in checker.parameters(W1, g)} == {"agree"}
    assert {one.verdict for one in GradientChecker(single).parameters(W1, g)} == {"disagree"}
    assert {one.verdict for one in checker.parameters(W1, g * np.float32(1.001))} == {"disagree"}


def test_nothing_given_is_written_to_and_the_seed_decides():
    problem = example()
    before = problem.params.theta.copy()
    one, same, other = (check_gradient(problem, seed=seed).errors for seed in (0, 0, 1))
    assert (problem.params.theta == before).all()
    assert one == same
    assert one != other


def test_the_report_names_every_tensor_and_the_worst():
    found = check_gradient(example(norm="layer"))
    assert list(found.errors) == ["W[1]", "b[1]", "gamma[1]", "beta[1]", "W[2]", "b[2]", "W[3]", "b[3]"]
    assert found.max_relative_error == found.errors[found.worst] == max(found.errors.values())


# --- a mistake in a method itself -------------------------------------------------------------------------------------


def verdicts(problem):
    """{method: verdict} on the first tensor of a right gradient."""
    where = slice(layout(problem.net)[0].start, layout(problem.net)[0].stop)
    found = GradientChecker(problem).parameters(where, problem.passes()[1].theta)
    return {one.method: one.verdict for one in found}


def test_a_complex_step_that_loses_its_imaginary_part_is_named(monkeypatch):
    assert verdicts(example()) == {"complex step": "agree", "central difference": "agree"}
    run = check.Cost.run
    monkeypatch.setattr(check.Cost, "run", lambda cost, at: (run(cost, at)[0].real, run(cost, at)[1]))
    assert verdicts(example()) == {"complex step": "disagree", "central difference": "agree"}


def bent(u):
    return u * np.abs(u)  # abs drops a complex step's imaginary part


def soft(u):
    return np.logaddexp(0, u)  # takes no complex numbers


def sharp(u):
    return np.maximum(u, 0) + 0.1 * u  # has a kink that nobody is told of


@pytest.mark.parametrize(("own", "methods"), [
    (bent, {"central difference"}), (soft, {"central difference"}), (sharp, {"central difference", "complex step"}),
])  # fmt: skip
def test_a_function_of_ones_own_that_spoils_a_complex_step_is_asked_by_differences_alone(own, methods):
    net = Network(3, [Dense(4, own), Dense(1)])
    rng = np.random.default_rng(0)
    problem = Problem(net, net.init(seed=0), rng.standard_normal((5, 3)), rng.standard_normal((5, 1)))
    assert verdicts(problem) in (
        dict.fromkeys(methods, "agree"),
        {"complex step": "agree", "central difference": "unresolved"},
    )
    shown = derivation_checks.check(problem, *problem.passes())
    assert all(one.ok for found in shown.values() for one in found)
    assert {one.kind for found in shown.values() for one in found} == methods


def test_a_kink_that_is_not_seen_makes_differences_say_nothing_or_disagree(monkeypatch):
    net = Network(1, [Dense(1, "relu"), Dense(1)])
    params = Parameters.from_arrays(net, {"W": [None, [[1.0]], [[0.7]]], "b": [None, [-1 + 1e-9], [0.2]]})
    problem = Problem(net, params, np.array([[1.0]]), np.array([[2.0]]))
    assert verdicts(problem)["central difference"] == "agree"
    monkeypatch.setattr(check.Cost, "measure", lambda cost, at: (float(cost(at)), np.zeros(0, bool)))
    assert verdicts(problem)["central difference"] != "agree"


@pytest.mark.parametrize(("claimed", "error", "verdict"), [
    ([1.0, 2.0], 1e-9, "agree"),
    ([1.0, 2.1], 1e-9, "disagree"),
    ([1.0, 2.1], 1e-2, "unresolved"),  # an unsure slope accuses nobody
    ([1.0, 2.0], 1e-2, "unresolved"),
    ([1.0, 2.0], np.inf, "unresolved"),
    ([1.1, 2.0], [0.0, 1e-2], "disagree"),  # what is sure does
    ([np.nan, 2.0], 1e-9, "unresolved"),
])  # fmt: skip
def test_a_method_says_only_what_it_knows(claimed, error, verdict):
    slopes = Slopes(np.array([1.0, 2.0]), np.broadcast_to(error, 2))
    rounding = np.full(2, 1e-15)
    said = check.compare("central difference", np.array(claimed), slopes, rounding, 10 * rounding, accuracy=1e-8)
    assert said.verdict == verdict


@pytest.mark.parametrize("method", check.ACCURACY)
@pytest.mark.parametrize(("accuracies", "verdict"), [(0.5, "agree"), (3, "disagree")])
def test_a_method_sees_an_error_that_is_larger_than_its_accuracy(method, accuracies, verdict):
    """Each by itself: what the complex step sees must not hide that differences see nothing, nor the reverse."""
    problem = example()
    g, where = problem.passes()[1].theta, slice(0, 20)
    g[3] += accuracies * {"complex step": 1e-13, "central difference": 1e-8}[method] * np.abs(g[where]).max()
    said = {one.method: one.verdict for one in GradientChecker(problem).parameters(where, g)}
    assert said[method] == verdict


@pytest.mark.parametrize(("bounds", "verdict"), [(0.9, "agree"), (100, "disagree")])
def test_what_rounding_may_do_is_excused_and_no_more(bounds, verdict):
    """A bias in front of a batch norm has no slope: a claim within the bounds is as good as another."""
    net = Network(3, [Dense(4, "tanh", norm="batch"), Dense(2)])
    rng = np.random.default_rng(0)
    problem = Problem(net, net.init(seed=1), rng.standard_normal((5, 3)), rng.standard_normal((5, 2)))
    checker, (slot,) = GradientChecker(problem), [slot for slot in layout(net) if str(slot) == "b[1]"]
    g, where = problem.passes()[1].theta, slice(slot.start, slot.stop)
    g[where] = bounds * checker.measured.bounds["grad_b[1]"]
    said = {one.method: one.verdict for one in checker.parameters(where, g)}
    assert said["complex step"] == verdict


def test_a_method_whose_accuracy_is_off_is_named(monkeypatch):
    right = check.central_differences

    def wrong(*args, **options):
        slopes = right(*args, **options)
        return dataclasses.replace(slopes, low=slopes.low * (1 + 1e-6), high=slopes.high * (1 + 1e-6))

    monkeypatch.setattr(check, "central_differences", wrong)
    assert verdicts(example()) == {"complex step": "agree", "central difference": "disagree"}


# --- over many networks -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("count", quick_first([6, 18]))
def test_no_right_gradient_is_said_to_disagree_and_no_planted_error_is_missed(count):
    """The short form of scripts/gradcheck_matrix.py."""
    tally = gradcheck_matrix.portion(every=1, seed=1, count=count)
    assert tally.networks >= count * 5 // 6
    assert tally.planted.total() >= count * 5 // 6
    assert not tally.alarms
    assert not tally.missed


def test_the_matrix_sees_a_wrong_textbook(monkeypatch):
    """Test the tester: a backward pass that is off by 1e-9 raises alarms."""
    passes = Problem.passes

    def off(problem, *args, **options):
        trace, grad = passes(problem, *args, **options)
        grad.theta[:] *= 1 + 1e-9
        return trace, grad

    monkeypatch.setattr(Problem, "passes", off)
    assert gradcheck_matrix.portion(every=0, seed=1, count=4).alarms
