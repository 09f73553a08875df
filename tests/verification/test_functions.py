"""check_function on foreign code: right and wrong gradients, kinks, code that spoils a complex step."""

import numpy as np
import pytest
from tests.helpers import raises_naming

from backlit.errors import BacklitError, DomainError, ShapeError
from backlit.verification import assert_gradients_match, check_function

theta = np.array([0.3, -1.2, 2.0])

RIGHT = {
    "polynomial": (lambda t: np.sum(t**3), lambda t: 3 * t**2),
    "tanh": (lambda t: np.sum(np.tanh(t)), lambda t: 1 - np.tanh(t) ** 2),
    "norm": (lambda t: np.linalg.norm(t), lambda t: t / np.linalg.norm(t)),
    "abs": (lambda t: np.sum(np.abs(t)), np.sign),
    "loop": (lambda t: sum(float(x) ** 2 for x in t), lambda t: 2 * t),
    "logaddexp": (lambda t: np.sum(np.logaddexp(0, t)), lambda t: 1 / (1 + np.exp(-t))),
    "relu": (lambda t: np.sum(np.maximum(t, 0) ** 2), lambda t: 2 * np.maximum(t, 0)),
}


@pytest.mark.parametrize("name", RIGHT)
def test_right_gradients_pass(name):
    loss, grad = RIGHT[name]
    result = check_function(loss, grad, theta)
    assert result.ok, str(result)


@pytest.mark.parametrize("name", RIGHT)
@pytest.mark.parametrize("exact", [True, False])
def test_a_planted_error_is_found(name, exact):
    loss, grad = RIGHT[name]

    def wrong(t):
        g = np.array(grad(t), float)
        g[1] += 1e-4
        return g

    result = check_function(loss, wrong, theta, exact=exact)
    assert result.verdict == "fail"
    assert result.worst[0] == 1


def test_a_complex_step_that_drops_its_imaginary_part_is_not_believed():
    result = check_function(lambda t: np.sum(np.abs(t) ** 2), lambda t: np.zeros(3), theta)
    assert result.verdict == "fail"
    assert result.method != "complex_step"


def test_a_factor_is_recognized():
    assert "2 times" in check_function(lambda t: np.sum(t**2), lambda t: 4 * t, theta).note
    assert "is 0" in check_function(lambda t: np.sum(t**2), lambda t: 0 * t, theta).note


@pytest.mark.parametrize(
    ("slope", "verdict"), [(0.0, "pass"), (0.4, "pass"), (1.0, "pass"), (1.3, "fail"), (-0.2, "fail")]
)
def test_at_a_kink_any_slope_between_is_right(slope, verdict):
    result = check_function(lambda t: np.sum(np.maximum(t, 0)), np.array([slope, 1.0]), np.array([0.0, 2.0]))
    assert result.verdict == verdict


def test_names_say_where():
    names = {"W": slice(0, 2), "b": slice(2, 3)}
    result = check_function(lambda t: np.sum(t**2), lambda t: 2 * t + [0, 0, 1], theta, names=names)
    assert result.worst_name == "b"


def test_what_cannot_be_compared_is_refused():
    with raises_naming(ShapeError, "3", "numbers", "like", "theta", "2"):
        check_function(lambda t: t.sum(), np.ones(2), theta)
    with raises_naming(DomainError, "nan"):
        check_function(lambda t: t.sum(), [1.0, np.nan, 1.0], theta)
    with raises_naming(DomainError, "finite number"):
        check_function(lambda t: t, np.ones(3), theta)


def test_many_entries_are_checked_by_a_random_choice():
    many = np.linspace(-1, 1, 3000)
    assert check_function(lambda t: np.sum(t**2), lambda t: 2 * t, many, exact=False).ok
    assert not check_function(lambda t: np.sum(t**2), lambda t: 2.001 * t, many, exact=False).ok


def test_the_assertion_passes_and_says_what_is_wrong(rng):
    assert_gradients_match(lambda t: np.sum(t**2), lambda t: 2 * t, theta)
    with pytest.raises(AssertionError, match=r"in b: fail.*claimed 5, right 4"):
        assert_gradients_match(
            lambda t: np.sum(t**2), lambda t: 2 * t + [0, 0, 1], theta, names={"W": slice(0, 2), "b": slice(2, 3)}
        )


def test_a_function_s_assertion_needs_theta():
    with raises_naming(BacklitError, "theta"):
        assert_gradients_match(lambda t: np.sum(t**2), lambda t: 2 * t)


@pytest.mark.parametrize("given", [{"tolerance": 1e-2}, {"theta": theta}, {"names": {"all": slice(3)}}], ids=str)
def test_a_problem_s_assertion_refuses_what_goes_with_a_function(rng, given):
    from tests.verification.drawn import draw_problem

    problem = draw_problem(rng, plain=True)
    with raises_naming(BacklitError, *given):
        assert_gradients_match(problem, {"grad_W": problem.passes()[1].W}, **given)


def test_the_assertion_names_the_mistake_of_a_problem(rng):
    from tests.verification.drawn import draw_problem

    problem = draw_problem(rng, plain=True, l2=0.0)
    grad = problem.passes()[1]
    assert_gradients_match(problem, {"grad_W": grad.W})
    with pytest.raises(AssertionError, match=r"(?s)wrong_sign.*grad_W\[.*right: δ_L = a − y"):
        assert_gradients_match(problem, {"grad_W": [None, *(-W for W in grad.W[1:])]})
