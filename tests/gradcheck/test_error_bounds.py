"""What rounding does is measured: enough to excuse every right gradient, and too little to excuse a wrong one."""

from dataclasses import replace

import mpmath
import numpy as np
import pytest

from backlit.core import Dense, Network, get_activation
from backlit.core.parameters import Parameters, layout
from backlit.core.problem import Problem
from backlit.gradcheck import error_bounds
from backlit.gradcheck.error_bounds import EPS
from backlit.gradcheck.methods import COMPLEX_H, with_rounding


def test_rounding_is_measured_and_a_wrong_formula_is_not_taken_for_it(rng):
    """A bias under a batch norm is 0 give or take rounding; the others are known to their last digits."""
    net = Network(3, [Dense(4, "tanh", norm="batch"), Dense(2)])
    problem = Problem(net, net.init(seed=1), rng.standard_normal((5, 3)), rng.standard_normal((5, 2)))
    measured, grad = error_bounds(problem), problem.passes()[1]
    for slot in layout(net):
        bound = measured.bounds[f"grad_{slot}"]
        assert (bound > 0).all()
        if str(slot) == "b[1]":
            assert (np.abs(grad.flat[slot]) <= bound).all()
        else:
            assert (bound < 1e-12 * np.abs(grad.flat[slot]).max()).all()


@pytest.mark.parametrize("gap", [1.0, 1e-3, 1e-6, 1e-9])
def test_a_layer_norm_of_nearly_equal_numbers_makes_rounding_grow(gap):
    """x̂ divides by a deviation of about `gap`: rounding of z, of size 1, grows with 1/gap."""
    net = Network(1, [Dense(2, "tanh", norm="layer", eps=1e-30), Dense(1)])
    params = Parameters.from_arrays(
        net, {"W": [None, [[1.0], [1.0 + gap]], [[0.7, 0.2]]], "b": [None, [0.1, 0.3 * gap], [0]]}
    )
    params.b[1][1] += 0.1
    problem = Problem(net, params, np.array([[1.0]]), np.array([[1.0]]))
    terms, bounds = (of["grad_gamma[1]"].max() for of in (error_bounds(problem).terms, error_bounds(problem).bounds))
    assert 1e-16 < bounds / terms < 1e-13
    assert 1e-17 < bounds * gap < 1e-13


def test_the_bounds_hold_against_forty_digits():
    """A gradient that cancels: tanh' where 1 − a² has few digits, and p − y where p is nearly y."""
    net = Network(1, [Dense(1, "tanh"), Dense(1, "sigmoid")], loss="binary_cross_entropy")
    rng = np.random.default_rng(0)
    for _ in range(20):
        theta, x = rng.standard_normal(4) * 3, float(rng.standard_normal())
        problem = Problem(net, Parameters(net, theta.copy()), np.array([[x]]), np.array([[1.0]]))

        def cost(w1, b1, w2, b2, x=x):
            return mpmath.log(1 + mpmath.exp(-(w2 * mpmath.tanh(w1 * mpmath.mpf(x) + b1) + b2)))

        with mpmath.workdps(60):
            point = tuple(map(mpmath.mpf, theta))
            right = [float(mpmath.diff(cost, point, tuple(int(i == j) for i in range(4)))) for j in range(4)]
        measured, g = error_bounds(problem), problem.passes()[1].theta
        bounds = np.concatenate([measured.bounds[f"grad_{slot}"].ravel() for slot in layout(net)])
        assert (np.abs(g - right) <= bounds).all()
        assert (bounds <= 1e-13).all()  # 500 roundings of p and y, or fewer


@pytest.mark.parametrize("gap", [5.0, 40.0, 60.0])
def test_what_a_sure_softmax_cancels_is_bounded_in_the_layers_below(gap):
    """δ is q and −q; where p is 1, rounding leaves 0 of one of them, and the layer below gets a wrong slope."""
    net = Network(1, [Dense(1, "tanh"), Dense(2, "softmax")], loss="squared_error")
    params = Parameters.from_arrays(net, {"W": [None, [[0.5]], [[0.3], [0.9]]], "b": [None, [0.1], [gap, 0.0]]})
    problem = Problem(net, params, np.array([[1.0]]), np.array([[0.2, 0.8]]))
    with mpmath.workdps(60):

        def cost(b):
            a = mpmath.tanh(mpmath.mpf(0.5) + b)
            p = 1 / (1 + mpmath.exp(mpmath.mpf(0.9) * a - mpmath.mpf(0.3) * a - gap))
            return (p - mpmath.mpf(0.2)) ** 2 + (1 - p - mpmath.mpf(0.8)) ** 2

        right = float(mpmath.diff(cost, mpmath.mpf(0.1)))
    off, bound = abs(problem.passes()[1].b[1][0] - right), error_bounds(problem).bounds["grad_b[1]"][0]
    assert off <= bound < 1e-13
    assert (off > abs(right) / 4) == (gap > 36.8)  # where 1 − p is below eps


def test_the_cost_of_a_sure_softmax_is_known_to_a_rounding_of_one_and_no_better():
    """ln Σ e^z is a multiple of eps where one e^z is 1 and the others are small, whatever moves."""
    net = Network(1, [Dense(2, "softmax")], loss="cross_entropy")
    params = Parameters.from_arrays(net, {"W": [None, [[20.0], [0.0]]], "b": [None, [0.0, 0.0]]})
    problem = Problem(net, params, np.ones((1, 1)), np.array([[1.0, 0.0]]))
    right = float(mpmath.log1p(mpmath.exp(-20)))
    assert EPS / 8 < abs(problem.passes()[1].loss - right) <= error_bounds(problem).cost < 100 * EPS


def test_a_unit_at_its_kink_is_no_rounding():
    net = Network(1, [Dense(1, "relu"), Dense(1)])
    params = Parameters.from_arrays(net, {"W": [None, [[1.0]], [[0.7]]], "b": [None, [-1.0], [0.2]]})
    measured = error_bounds(Problem(net, params, np.array([[1.0]]), np.array([[2.0]])))
    assert measured.bounds["grad_W[1]"].max() < 1e-14


def growth(problem, name):
    """How many roundings of their terms the entries of a tensor may be off, at least."""
    measured = error_bounds(problem)
    return (measured.bounds[f"grad_{name}"] / measured.terms[f"grad_{name}"]).min() / EPS


def test_rounding_on_the_way_counts_where_that_of_the_numbers_given_is_lost(rng):
    """A saturated sigmoid forgets its inputs' last digits; the norm behind it divides by a spread of about 1e-5."""
    net = Network(1, [Dense(1, "sigmoid"), Dense(1, "tanh", norm="batch", eps=1e-30), Dense(1)])
    params = Parameters.from_arrays(net, {"W": [None, [[1.0]], [[1.0]], [[0.7]]], "b": [None, [11.0], [0.0], [0.1]]})
    problem = Problem(net, params, rng.standard_normal((4, 1)), rng.standard_normal((4, 1)))
    assert np.ptp(problem.passes()[0].a[1]) < 1e-4
    assert 1e4 < growth(problem, "W[3]") < 1e8


def test_digits_that_complex_numbers_lose_count(rng):
    """A complex function that is good to 1e-13 alone, as erfc is, limits the complex step."""
    tanh = get_activation("tanh")
    short = replace(tanh, function=lambda u: np.tanh(u) * (1 + 1e-13 * np.iscomplexobj(u)))
    X, y = rng.standard_normal((4, 2)), rng.standard_normal((4, 1))
    for phi, low, high in ((tanh, 8, 50), (short, 100, 10_000)):
        net = Network(2, [Dense(3, phi), Dense(1, "tanh")])
        assert low < growth(Problem(net, net.init(seed=1), X, y), "W[2]") < high


def test_a_complex_step_tells_its_own_rounding():
    """Steps of 1e-30 and of another size that differ by 1e-15 are that far from sure, all of them."""
    found = with_rounding(lambda h: np.array([1.0 + 1e-15 * (h == COMPLEX_H), 2.0]))
    assert found.errors == pytest.approx(8e-15, rel=0.2, abs=0)
