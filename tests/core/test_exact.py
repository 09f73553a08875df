"""Exact numbers: fractions as long as they are known to be, floats from the first that is none on."""

import operator
from fractions import Fraction

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from backlit import Dense, Network, backward, forward
from backlit.core.activations import ACTIVATIONS
from backlit.core.exact import MOST_BITS, Exact, exact_array, numbers
from backlit.core.formulas import Unsupported
from backlit.core.losses import LOSSES
from backlit.core.parameters import Parameters
from backlit.core.targets import literal, shares
from backlit.derivation.exact import FRACTIONS

small = st.fractions(min_value=-5, max_value=5, max_denominator=50)
operations = st.sampled_from([operator.add, operator.sub, operator.mul, operator.truediv])


@given(small, small, operations)
def test_fractions_stay_fractions(a, b, operation):
    if operation is operator.truediv and b == 0:
        return
    assert operation(Exact(a), Exact(b)).value == operation(a, b)
    assert (Exact(a) < Exact(b), Exact(a) == Exact(b), -Exact(a), abs(Exact(a))) == (a < b, a == b, -a, abs(a))


@given(small, st.floats(-5, 5), operations)
def test_what_is_computed_from_a_float_is_a_float(a, x, operation):
    found = operation(Exact(a), Exact.inexact(x))
    assert not found.is_exact
    with np.errstate(all="ignore"):
        np.testing.assert_equal(float(found), float(operation(np.float64(float(a)), np.float64(x))))


def test_a_number_of_a_formula_is_its_decimal():
    assert (Exact(0.5) * 0.1).value == Fraction(1, 20)
    assert (1 - Exact(0.9)).value == Fraction(1, 10)
    assert (0.3 / Exact(3)).value == Fraction(1, 10)
    assert [number.value for number in exact_array([0.1, 2])] == [Fraction(1, 10), Fraction(2)]
    assert not numbers(np.array([0.1], object))[0].is_exact


def test_roots_and_functions():
    assert Exact(Fraction(4, 9)).sqrt().value == Fraction(2, 3)
    assert not Exact(2).sqrt().is_exact
    assert np.isnan(float(Exact(-1).sqrt()))
    array = exact_array([0.0, 1.0])
    assert [float(number) for number in np.exp(array)] == [1.0, np.e]
    assert not any(number.is_exact for number in np.tanh(array))
    assert not hasattr(Exact(1), "savetxt")  # no function of numbers


def test_a_fraction_that_grows_too_long_or_too_large_becomes_a_float():
    long = Exact(Fraction(1, 3 ** (MOST_BITS // 2)))
    assert long.is_exact
    assert not (long * long).is_exact
    assert float(Exact(Fraction(10) ** 400)) == np.inf


def test_dividing_by_zero_is_numpys():
    assert float(Exact(1) / 0) == np.inf
    assert np.isnan(float(Exact(0) / 0))


def test_shares_and_literals_know_their_arithmetic():
    net = Network(1, [Dense(1)])
    assert [share.value for share in shares(net, 3, None, object)] == [Fraction(1, 3)] * 3
    assert [share.value for share in shares(net, 2, [1.0, 2.0], object)] == [Fraction(1, 3), Fraction(2, 3)]
    assert literal(0.1, np.float32) == 0.1
    assert literal(0.1, object).value == Fraction(1, 10)


def is_rational(phi):
    try:
        return phi.formula is not None and isinstance(phi.formula(Fraction(1, 3), FRACTIONS), Fraction)
    except Unsupported:
        return False


RATIONAL = [phi.name for phi in ACTIVATIONS.values() if is_rational(phi)]


@pytest.mark.parametrize(
    "loss", ["half_squared_error", "squared_error", "mean_squared_error", "absolute_error", "huber"]
)
@pytest.mark.parametrize("phi", RATIONAL)
def test_the_passes_are_exact_on_a_rational_network(phi, loss):
    """Core's own lines: the gradient is the slope of C, as fractions, with no rounding at all."""
    net = Network(2, [Dense(2, phi), Dense(1)], loss=LOSSES[loss], l2=0.25)
    theta = exact_array(np.array([0.5, -0.25, 0.4, 0.3, 0.1, -0.2, 0.3, -0.6, 0.7]))
    X, y = exact_array([[1.0, 2.0], [0.25, -0.5]]), [[1.0], [0.5]]
    params = Parameters(net, theta)
    grad = backward(net, params, forward(net, params, X), y)
    assert all(number.is_exact for number in grad.theta)
    h = Fraction(1, 10**20)
    for i in range(len(theta)):
        up, down = (theta + [Exact(side * h if j == i else 0) for j in range(len(theta))] for side in (1, -1))
        costs = [cost(net, Parameters(net, moved), X, y) for moved in (up, down)]
        assert abs((costs[0] - costs[1]) / (2 * h) - grad.theta[i].value) < Fraction(1, 10**30)


def cost(net, params, X, y):
    from backlit.core.passes import total_loss

    return total_loss(net, params, forward(net, params, X), y).value
