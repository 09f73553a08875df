"""Batch and layer norm: what they do to moments, whom they couple, and where they have nothing to divide by."""

import numpy as np
import pytest
from hypothesis import given
from numpy.testing import assert_allclose, assert_array_equal
from tests.core.rounding import ROUNDINGS, magnitudes
from tests.strategies import numbers, problems

from backlit.core import Dense, Network, Statistics, forward
from backlit.core.norms import NORMS, normalize, pull_back, scale_and_shift
from backlit.equations import EQUATIONS

AXIS = {"batch": 0, "layer": 1}
both = pytest.mark.parametrize("norm", AXIS)


@both
def test_mean_0_and_variance_1_along_its_own_axis(norm, rng):
    z = rng.standard_normal((7, 5)) * 3 + 2
    x = normalize(Dense(5, norm=norm, eps=0.0), z).x_hat
    assert_allclose(x.mean(AXIS[norm]), 0, atol=1e-14)
    assert_allclose(x.var(AXIS[norm]), 1, rtol=1e-13)
    assert np.abs(x.mean(1 - AXIS[norm])).max() > 0.1


@both
def test_a_record_counts_its_moments_and_numbers_its_equations(norm, rng):
    record, z = NORMS[norm], rng.standard_normal((7, 5))
    assert normalize(Dense(5, norm=norm), z).mean.size == record.groups(7, 5) == z.size // z.shape[record.axis]
    numbers = record.equations.values()
    assert len(set(numbers)) == len(numbers) == 8
    assert set(numbers) <= {number for number in EQUATIONS if number.startswith(f"{norm[0].upper()}N")}
    assert Dense(5, norm=norm).keeps_moments == (Statistics(Network(2, [Dense(5, norm=norm)])).of(1) is not None)


@both
def test_eps_is_added_to_the_variance(norm, rng):
    z = rng.standard_normal((7, 5))
    x = normalize(Dense(5, norm=norm, eps=0.5), z).x_hat
    variance = z.var(AXIS[norm])
    assert_allclose(x.var(AXIS[norm]), variance / (variance + 0.5), rtol=1e-13)


@both
def test_a_large_mean_costs_no_digits(norm, rng):
    """The variance is that of z − μ; mean(z²) − μ² would be noise here."""
    z = rng.standard_normal((9, 9)) + 1e6
    layer = Dense(9, norm=norm)
    shifted = normalize(layer, z - 1e6)
    assert_allclose(normalize(layer, z).x_hat, shifted.x_hat, atol=1e-8)
    assert_allclose(normalize(layer, z).variance, shifted.variance, rtol=1e-8)


@both
def test_scale_and_shift_are_a_units_own(norm, rng):
    z, gamma, beta = rng.standard_normal((4, 3)), np.array([2.0, -1.0, 0.5]), np.array([1.0, 0.0, -3.0])
    norm_of_z = normalize(Dense(3, norm=norm), z)
    u = scale_and_shift(norm_of_z, gamma, beta)
    for k in range(3):
        assert_allclose(u[:, k], gamma[k] * norm_of_z.x_hat[:, k] + beta[k], rtol=1e-15)


@both
def test_pull_back_is_the_transposed_jacobian(norm, rng):
    """By a complex step in every z, with an uneven signed gradient from above and gammas of both signs."""
    z, g, gamma = rng.standard_normal((4, 3)), rng.standard_normal((4, 3)), np.array([2.0, -1.0, 0.5])
    layer = Dense(3, norm=norm, eps=1e-3)
    expected = np.empty_like(z)
    for at in np.ndindex(z.shape):
        nudged = z.astype(complex)
        nudged[at] += 1e-30j
        expected[at] = (g * scale_and_shift(normalize(layer, nudged), gamma, 0)).sum().imag / 1e-30
    assert_allclose(pull_back(normalize(layer, z), gamma, g), expected, rtol=1e-12, atol=1e-14)


@both
def test_slopes_keep_off_the_directions_that_a_norm_forgets(norm, rng):
    """A shift and a scale of z along the axis change nothing (for eps = 0), so δ is orthogonal to 1 and to x̂."""
    z, g = rng.standard_normal((2, 6, 5))
    norm_of_z = normalize(Dense(5, norm=norm, eps=0.0), z)
    delta = pull_back(norm_of_z, rng.standard_normal(5), g)
    assert_allclose(delta.sum(AXIS[norm]), 0, atol=1e-13)
    assert_allclose((delta * norm_of_z.x_hat).sum(AXIS[norm]), 0, atol=1e-13)
    assert np.abs(delta.sum(1 - AXIS[norm])).max() > 0.1


@given(problems(running=False))
def test_sums_of_delta_behind_a_norm_are_0_in_any_network(problem):
    trace, grad = problem.passes()
    size = magnitudes(problem, trace).delta
    for l, layer in problem.net.numbered():
        if layer.norm:
            assert np.abs(grad.delta[l].sum(AXIS[layer.norm])).max() <= ROUNDINGS * size[l].max() * 8


# --- who depends on whom ----------------------------------------------------------------------------------------------


def net_with(norm: str) -> Network:
    return Network(3, [Dense(4, "tanh", norm=norm), Dense(2, "sigmoid")])


def test_batch_norm_couples_the_rows_of_a_batch(rng):
    problem = numbers(net_with("batch"), rng, 6)
    whole = problem.forward().a[2]
    part = problem.but(X=problem.X[:3]).forward().a[2]
    assert np.abs(whole[:3] - part).max() > 1e-3


@pytest.mark.parametrize(("norm", "running"), [("batch", True), ("layer", False)])
def test_rows_stand_alone_in_prediction_and_with_layer_norm(norm, running, rng):
    problem = numbers(net_with(norm), rng, 6, running=running)
    whole = problem.forward().a[2]
    for rows in (slice(0, 1), slice(2, 5), [5, 0, 3]):
        assert_allclose(problem.but(X=problem.X[rows]).forward().a[2], whole[rows], rtol=1e-13)


def test_prediction_uses_the_running_moments(rng):
    problem = numbers(net_with("batch"), rng, 6, running=True)
    mean, variance = problem.statistics.of(1)
    trace = problem.forward()
    assert_allclose(trace.norm[1].x_hat, (trace.z[1] - mean) / np.sqrt(variance + 1e-5), rtol=1e-14)


def test_statistics_start_at_mean_0_and_variance_1_and_move_by_a_tenth():
    net = Network(1, [Dense(1, norm="batch"), Dense(1, norm="layer"), Dense(1)])
    statistics = Statistics(net)
    assert_array_equal(statistics.of(1), [[0], [1]])
    assert statistics.of(2) is statistics.of(3) is None
    statistics.update(1, normalize(net.layer(1), np.array([[1.0], [3.0]])))  # mean 2, unbiased variance 2
    assert_allclose(statistics.of(1), [[0.2], [1.1]], rtol=1e-15)
    statistics.update(1, normalize(net.layer(1), np.array([[1.0], [3.0]])))
    assert_allclose(statistics.of(1), [[0.38], [1.19]], rtol=1e-15)


def test_statistics_of_float32():
    statistics = Statistics(net_with("batch"), np.float32)
    statistics.update(1, normalize(Dense(4, norm="batch"), np.arange(8, dtype=np.float32).reshape(2, 4)))
    assert statistics.mean[1].dtype == statistics.variance[1].dtype == np.float32


# --- nothing to divide by ---------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("norm", "m", "units"), [("batch", 1, 3), ("layer", 4, 1)])
def test_a_group_of_one_is_its_own_mean(norm, m, units, rng):
    """x̂ = 0, u = β, and nothing comes back to z; β itself still learns."""
    net = Network(2, [Dense(units, "tanh", norm=norm), Dense(2, "sigmoid")])
    problem = numbers(net, rng, m)
    trace, grad = problem.passes()
    assert_array_equal(trace.u[1], np.broadcast_to(problem.params.beta[1], (m, units)))
    for zero in (grad.delta[1], grad.W[1], grad.b[1], grad.gamma[1], grad.a[0]):
        assert_array_equal(zero, 0)
    assert np.abs(grad.beta[1]).min() > 0


@both
def test_equal_values_stay_finite(norm):
    z = np.full((4, 3), 7.0)
    norm_of_z = normalize(Dense(3, norm=norm), z)
    assert_array_equal(norm_of_z.x_hat, 0)
    assert np.isfinite(pull_back(norm_of_z, np.ones(3), np.arange(12.0).reshape(4, 3))).all()


@both
def test_float32_at_1e4_is_finite(norm, rng):
    net = Network(3, [Dense(4, "relu", norm=norm), Dense(2, "softmax")], loss="cross_entropy")
    params = net.init("he_normal", seed=1, dtype=np.float32)
    trace = forward(net, params, rng.standard_normal((5, 3)) * 1e4)
    assert trace.first_non_finite() is None
    assert_allclose(trace.norm[1].x_hat.mean(AXIS[norm]), 0, atol=1e-6)
