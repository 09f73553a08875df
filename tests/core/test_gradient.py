"""Every number of the backward pass against the complex step, for every network that Hypothesis can draw."""

import numpy as np
import pytest
from hypothesis import given
from numpy.testing import assert_allclose
from tests.core import complex_step
from tests.core.rounding import assert_close, magnitudes
from tests.strategies import Problem, problems

from backlit.core.passes import example_losses
from backlit.core.targets import shares


def share_of_rows(problem: Problem) -> np.ndarray:
    """What turns row i of `grad.a`, `grad.u` and `delta` into a slope of C."""
    weight = None if problem.net.couples_examples else problem.sample_weight
    return shares(problem.net, problem.m, weight, float)[:, None]


@given(problems())
def test_parameters(problem):
    trace, grad = problem.passes()
    size, expected = magnitudes(problem, trace), complex_step.theta_gradient(problem)
    for slot, value in grad.flat.items():
        assert_close(value, expected[slot], size.flat[slot], what=f"grad {slot}")


@given(problems())
def test_inputs(problem):
    trace, grad = problem.passes()
    share, size = share_of_rows(problem), magnitudes(problem, trace)
    expected = complex_step.input_gradient(problem)
    assert_close(grad.a[0] * share, expected, size.a[0] * share, what="grad a[0]")


@given(problems())
def test_every_quantity_of_every_layer(problem):
    trace, grad = problem.passes()
    size = magnitudes(problem, trace)
    for l in range(1, problem.net.L + 1):
        for name, mine, sizes in (("z", grad.delta, size.delta), ("u", grad.u, size.u), ("a", grad.a, size.a)):
            expected = complex_step.quantity_gradient(problem, name, l)
            assert_close(mine[l], expected, sizes[l], what=f"∂ℓ/∂{name}[{l}]")
    assert_close(grad.a[0], complex_step.quantity_gradient(problem, "a", 0), size.a[0], what="∂ℓ/∂a[0]")


@given(problems())
def test_losses_are_the_definition(problem):
    """The stable forms of core give what the losses' definitions give."""
    assert_allclose(
        example_losses(problem.net, problem.forward(), problem.y),
        complex_step.example_losses(problem).real,
        rtol=1e-11,
        atol=1e-11,
    )


@given(problems())
def test_cost_weighs_the_losses_and_adds_half_of_lambda_times_the_squared_weights(problem):
    ℓ = example_losses(problem.net, problem.forward(), problem.y)
    w = np.ones(problem.m) if problem.sample_weight is None else problem.sample_weight
    C = (w * ℓ).sum() / (w.sum() if problem.net.reduction == "mean" else 1)
    C += problem.net.l2 / 2 * sum(np.linalg.norm(W) ** 2 for W in problem.params.W[1:])
    assert_allclose(problem.passes()[1].loss, C, rtol=1e-13)
    assert_allclose(problem.cost(), C, rtol=1e-13)


@given(problems())
def test_forward_and_backward_leave_their_arguments_alone(problem):
    before = [problem.params.theta.copy(), problem.X.copy(), np.array(problem.y, copy=True)]
    trace, first = problem.passes()
    kept = [value.copy() for value in (*trace.z[1:], *trace.u[1:], *trace.h[1:], *trace.a)]
    second = problem.passes()[1]
    for old, new in zip(before, (problem.params.theta, problem.X, problem.y), strict=True):
        np.testing.assert_array_equal(new, old)
    for old, new in zip(kept, (*trace.z[1:], *trace.u[1:], *trace.h[1:], *trace.a), strict=True):
        np.testing.assert_array_equal(new, old)
    np.testing.assert_array_equal(first.theta, second.theta)


@given(problems())
def test_float32_stays_float32(problem):
    trace, grad = problem.astype(np.float32).passes()
    layers = range(1, problem.net.L + 1)
    quantities = [q[l] for q in (trace.z, trace.u, trace.h, trace.a, grad.a, grad.u, grad.delta) for l in layers]
    assert {value.dtype for value in (*quantities, grad.a[0], grad.theta)} == {np.dtype(np.float32)}


@given(problems(norms=[None]))  # a norm divides by what may be a rounding error, where float32 has nothing left
def test_float32_is_near_float64(problem):
    trace, grad = problem.passes()
    size, single = magnitudes(problem, trace), problem.astype(np.float32).passes()[1]
    for slot, value in single.flat.items():
        assert_close(value, grad.flat[slot], size.flat[slot], rtol=1e-4, eps=1e-6, what=f"float32 grad {slot}")


@pytest.mark.parametrize("quantity", ["delta", "u", "a"])
def test_the_oracle_sees_a_planted_error(quantity):
    """Test the tester: a slope that is off in one entry by 1e-9 of the largest is seen."""
    problem = planted_problem()
    trace, grad = problem.passes()
    value, size = getattr(grad, quantity)[1], getattr(magnitudes(problem, trace), quantity)[1]
    expected = complex_step.quantity_gradient(problem, {"delta": "z"}.get(quantity, quantity), 1)
    assert_close(value, expected, size)
    value[1, 2] += 1e-9 * np.abs(value).max()
    with pytest.raises(AssertionError, match="off by"):
        assert_close(value, expected, size)


def planted_problem() -> Problem:
    from tests.strategies import numbers

    from backlit.core import Dense, Network

    net = Network(2, [Dense(3, "tanh", norm="batch"), Dense(3, "silu", skip_from=1), Dense(2, "softmax")])
    return numbers(net, np.random.default_rng(0), 5)
