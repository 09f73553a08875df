"""Differences know their error: truncation, rounding, kinks."""

import numpy as np
import pytest

from backlit.gradcheck import one_sided, richardson, slope_along


@pytest.mark.parametrize("kind", [np.float64, np.longdouble])
def test_extrapolated_differences_know_their_error(kind):
    for f, slope in ((np.exp, 1.0), (np.sin, 1.0), (lambda t: 1 / (2 + t), -0.25), (lambda t: 1e6 + t, 1.0)):
        value, error = richardson(f, kind(0.125))
        assert abs(value - slope) <= error < 1e-8


@pytest.mark.parametrize("h", [0.125, -0.125])
def test_one_sided_differences_know_theirs(h):
    for f, slope in ((np.exp, 1.0), (lambda t: np.abs(t) + t**2, np.sign(h)), (lambda t: np.sin(3 * t), 3.0)):
        value, error = one_sided(f, h)
        assert abs(value - slope) <= error < 1e-7


def test_what_is_off_in_f_is_off_in_the_slope():
    rng = np.random.default_rng(0)
    shaky = [richardson(lambda t: np.exp(t) + 1e-9 * rng.standard_normal(), 0.125, noise=1e-8) for _ in range(50)]
    assert all(abs(value - 1) <= error for value, error in shaky)
    assert np.median([error for _, error in shaky]) < 1e-5


def test_long_steps_that_agree_on_a_wrong_slope_are_not_believed():
    """Steps of 1/32, 1/128 and 1/512 are whole half-waves: all give 1, and the slope is 2."""
    wave = 512 * np.pi
    value, error = richardson(lambda t: t + np.sin(wave * t) / wave, 1 / 32)
    assert abs(value - 2) <= error < 0.1


@pytest.mark.parametrize("width", [1e-3, 1e-5, 1e-6])
def test_a_slope_that_is_steep_in_a_narrow_place_alone_is_found(width):
    """As under batch norm of equal rows, with the width √ε: the quotients of longer steps are about 1/h."""
    value, error = richardson(lambda t: t / np.sqrt(t**2 + width**2) + t, 1 / 32)
    assert abs(value - (1 / width + 1)) <= error < 1e-2 / width


def test_a_place_too_narrow_for_any_step_is_not_certain():
    assert richardson(lambda t: t / np.sqrt(t**2 + 1e-24), 1 / 32)[1] == np.inf


def test_enough_is_enough():
    calls = []
    value, error = richardson(lambda t: calls.append(t) or np.exp(t), 0.125, enough=1e-3)
    assert abs(value - 1) <= error <= 1e-3
    assert len(calls) < 8


def test_a_jump_of_the_slope_is_known_as_an_error():
    value, error = richardson(lambda t: np.maximum(t - 1e-3, 0), 0.125)  # beyond it the differences give 1/2
    assert abs(value - 0.0) <= error < 1e-8


@pytest.mark.parametrize("at", [1e-1, 1e-3, 3e-5, 1e-6, -1e-6])
def test_a_kink_near_by_is_not_crossed(at):
    low, high, error = slope_along(lambda t: max(t - at, 0.0) + t, lambda t: np.array([t > at]), 0.25)
    assert low == high
    assert abs(low - (1.0 if at > 0 else 2.0)) <= error < 1e-6


def test_at_a_kink_both_sides_are_found():
    low, high, error = slope_along(lambda t: abs(t) + t**2, lambda t: np.array([t > 0]), 0.25)
    assert abs(low + 1) <= error < 1e-9
    assert abs(high - 1) <= error


def test_where_several_kinks_meet_nothing_is_sure():
    """max(t, 0) − max(−t, 0) is t; yet 0, what each unit's left slope gives, is right by the rule of each unit."""
    found = slope_along(lambda t: max(t, 0.0) - max(-t, 0.0), lambda t: np.array([t > 0, -t > 0]), 0.25)
    assert found.error == np.inf


def test_the_edge_of_a_domain_is_not_crossed():
    low, high, error = slope_along(lambda t: np.sqrt(t + 0.01), lambda t: np.zeros(0) if t > -0.01 else None, 0.25)
    assert low == high
    assert abs(low - 5) <= error < 1e-6
    assert slope_along(lambda t: t, lambda t: np.zeros(0) if t >= 0 else None, 0.25).error == np.inf


def test_what_is_not_finite_is_unsure():
    assert richardson(lambda t: float("nan"), 0.125)[1] == np.inf
    assert richardson(lambda t: np.float64("inf"), 0.125)[1] == np.inf
