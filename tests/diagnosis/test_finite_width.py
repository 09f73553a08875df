"""Bands of finite width: their parts against quadrature and closed forms, and what a diagnosis says of them."""

import math

import numpy as np
import pytest
from numpy.testing import assert_allclose

from backlit.core import Dense, Network
from backlit.core.activations import get_activation
from backlit.diagnosis import diagnose
from backlit.diagnosis.theory.expectations import overlap, second_moment, slope_moment
from backlit.diagnosis.theory.finite_width import DOUBT, interval
from backlit.diagnosis.theory.fluctuations import NOTHING, Setting, spread_of
from backlit.diagnosis.theory.hermite import power_sum, series
from backlit.diagnosis.theory.predicted import gaussian_scales, predict_flow, scheme_scales


@pytest.mark.parametrize("name", ["tanh", "gelu", "relu", "softplus"])
def test_two_examples_in_hermite_terms_are_the_quadrature(name):
    phi, q, c = get_activation(name), 1.7, 0.6
    value = series(phi, q, "value")
    assert_allclose(power_sum(value.h**2, c) * value.scale**2, overlap(phi, q, c * q), rtol=1e-9)


@pytest.mark.parametrize("name", ["tanh", "gelu", "relu", "softplus"])
@pytest.mark.parametrize(("function", "moment"), [("square", second_moment), ("slope", slope_moment)])
def test_slope_and_bend_are_the_derivatives_by_q(name, function, moment):
    phi, q, h = get_activation(name), 1.7, 1e-2
    low, middle, high = (moment(phi, q * (1 + k * h)) for k in (-1, 0, 1))
    found = series(phi, q, function)
    assert_allclose(found.scale, middle, rtol=1e-10)
    assert_allclose(found.slope, (high - low) / (2 * h * middle), rtol=2e-4, atol=1e-9)
    assert_allclose(found.bend, (high - 2 * middle + low) / (h * h * middle), rtol=2e-3, atol=1e-7)


def test_one_and_the_same_example_has_its_own_variance():
    square = series(get_activation("relu"), 2.0, "square")
    assert_allclose(square.spread(NOTHING), 5, rtol=1e-12)
    assert_allclose(square.shared(1.0, 0.0, NOTHING), 5, rtol=1e-12)
    assert_allclose(spread_of(5.0, 5.0, 64, 10), 0.5)


def test_orthogonal_linear_layers_have_no_band_and_gaussian_ones_have_two_over_n():
    net = Network(100, [Dense(100)] * 5)
    exact = predict_flow(net, scheme_scales(net, "orthogonal"), setting=Setting(64, scheme="orthogonal")).bands
    assert_allclose([exact.total_band, exact.total_shift], 0, atol=1e-12)
    one = predict_flow(net, gaussian_scales(net)).bands
    assert_allclose(one.ratio_band[3] ** 2, 2 / 100)
    many = predict_flow(net, gaussian_scales(net), setting=Setting(64)).bands
    assert many.ratio_band[3] < one.ratio_band[3] / 3


@pytest.mark.parametrize("draws", [1, 5])
def test_an_interval_holds_95_percent_of_log_normal_means(draws):
    logs = np.random.default_rng(0).normal(0.1, 0.4, (20_000, draws))
    low, high = interval(1.0, 0.1, 0.4, draws)
    means = np.exp(logs).mean(axis=1)
    assert 0.94 < ((low <= means) & (means <= high)).mean() < 0.965


@pytest.mark.parametrize("limit", [None, 0.0, math.inf, math.nan])
def test_no_interval_about_what_is_no_number(limit):
    assert interval(limit, 0.0, 0.1) is None


def test_a_diagnosis_says_what_its_bands_hold():
    told = diagnose(depth=6, width=64, activation="tanh", norm="batch", remedies=False).to_dict()
    assert (told["bands_hold"], told["bands_trusted"]) == (0.95, True)
    assert 0 <= told["inside"] <= 1
    *rows, top = told["layers"]
    for row in rows:
        (low, high), (low_mean, high_mean) = row["grad_ratio_band"], row["grad_ratio_band_mean"]
        assert low < low_mean < high_mean < high
        assert math.log(high_mean / low_mean) > 2 * DOUBT / 64  # batch norm's means
    assert top["grad_ratio_band"] is None
    assert told["top_to_bottom"]["band"][0] < told["top_to_bottom"]["measured"] < told["top_to_bottom"]["band"][1]


def test_given_rows_spread_by_their_own_lengths_and_cosines():
    net, rows = Network(50, [Dense(200, "tanh")] * 3), np.random.default_rng(0).standard_normal((64, 50))
    scales = gaussian_scales(net, 1.3)
    fresh = predict_flow(net, scales, setting=Setting(64)).bands
    given = predict_flow(net, scales, rows, setting=Setting(64, rows)).bands
    alike = predict_flow(net, scales, rows, setting=Setting(64, np.tile(rows[0], (64, 1)))).bands
    assert given.q_band[1] < fresh.q_band[1]  # the rows do not change between draws
    assert_allclose(given.ratio_band[2], fresh.ratio_band[2], rtol=0.1)
    assert alike.q_band[1] == pytest.approx(math.sqrt(2 / 200), rel=0.02)  # one example, 64 times
