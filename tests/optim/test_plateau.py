"""Schedules that watch a metric: when they let the factor fall, and how far."""

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.helpers import raises_naming

from backlit.optim import Adaptive, Plateau, PlateauState, ReduceOnPlateau

BOTH = pytest.mark.parametrize("cls", [ReduceOnPlateau, Adaptive])


def factors(schedule: Plateau, metrics):
    state, out = PlateauState(), []
    for metric in metrics:
        state = schedule.observe(state, metric)
        out.append(state.factor)
    return out


@BOTH
@pytest.mark.parametrize("patience", [0, 1, 3])
def test_it_falls_after_more_than_patience_epochs(cls, patience):
    """The first metric is an improvement; the fall is at the (patience + 1)-th epoch without one, and then anew."""
    seen = factors(cls(rate=0.5, patience=patience), [1.0] * (1 + 2 * (patience + 1)))
    assert seen == [1.0] * (patience + 1) + [0.5] * (patience + 1) + [0.25]


@BOTH
def test_an_improvement_starts_the_wait_anew(cls):
    assert factors(cls(rate=0.5, patience=1), [3, 3, 2, 2, 1, 1, 1]) == [1, 1, 1, 1, 1, 1, 0.5]


@BOTH
def test_floor(cls):
    assert factors(cls(rate=0.1, patience=0, floor=0.05), [1.0] * 4) == [1.0, 0.1, 0.05, 0.05]


@BOTH
def test_nan_is_no_improvement_and_is_forgotten(cls):
    schedule = cls(rate=0.5, patience=1)
    assert factors(schedule, [math.nan, math.nan, 1.0]) == [1, 0.5, 0.5]
    state = schedule.observe(schedule.observe(PlateauState(), math.nan), 1.0)
    assert state == PlateauState(1.0, 0, 1.0)
    assert schedule.observe(state, math.nan).best == 1.0


@BOTH
def test_an_infinite_first_metric(cls):
    assert factors(cls(rate=0.5, patience=2), [math.inf, math.inf, 5.0, 4.0]) == [1, 1, 1, 1]


@BOTH
def test_observe_is_pure(cls):
    state = PlateauState(best=1.0, waited=1, factor=0.5)
    assert cls(patience=1).observe(state, 2.0) == cls(patience=1).observe(state, 2.0) != state
    assert state == PlateauState(best=1.0, waited=1, factor=0.5)


@BOTH
@given(best=st.floats(-10, 10))
def test_the_same_score_again_is_no_improvement(cls, best):
    """Also below 0, where best · (1 − threshold) lies above best: the negative of an accuracy that stands still."""
    assert factors(cls(rate=0.5, patience=0), [best, best])[-1] == 0.5


@pytest.mark.parametrize(("metric", "improved"), [(0.98, True), (0.9899, True), (0.9901, False), (1.0, False)])
def test_threshold_is_relative(metric, improved):
    schedule = ReduceOnPlateau(rate=0.5, patience=0, threshold=0.01)
    for scale in (1.0, 1000.0):
        assert factors(schedule, [scale, scale * metric])[-1] == (1.0 if improved else 0.5)


@pytest.mark.parametrize(("metric", "improved"), [(-1.02, True), (-1.0101, True), (-1.0099, False), (-1.0, False)])
def test_threshold_of_a_negative_metric(metric, improved):
    schedule = ReduceOnPlateau(rate=0.5, patience=0, threshold=0.01)
    assert factors(schedule, [-1.0, metric])[-1] == (1.0 if improved else 0.5)


@pytest.mark.parametrize("start", [1.0, 1000.0, -1000.0])
@pytest.mark.parametrize(("fall", "improved"), [(0.5, True), (0.25, True), (0.125, False), (0.0, False)])
def test_tol_is_absolute(start, fall, improved):
    """Also where the improvement is exactly tol, as in scikit-learn."""
    assert factors(Adaptive(rate=0.5, patience=0, tol=0.25), [start, start - fall])[-1] == (1.0 if improved else 0.5)


def test_small_improvements_add_up_for_one_and_not_for_the_other():
    slow = [1.0 - 0.01 * k for k in range(8)]
    assert factors(ReduceOnPlateau(rate=0.5, patience=2, threshold=0.015), slow)[-1] == 1.0
    assert factors(Adaptive(rate=0.5, patience=2, tol=0.015), slow)[-1] == 0.25


@pytest.mark.parametrize("threshold", [0.0, 1e-4])
def test_steady_descent_never_falls(threshold):
    metrics = [0.9**k for k in range(50)]
    assert factors(ReduceOnPlateau(patience=0, threshold=threshold), metrics) == [1.0] * 50


def test_the_base_does_not_say_what_an_improvement_is():
    class Nothing(Plateau):
        name = "nothing"

    with raises_naming(TypeError, "Nothing", "improvement"):
        Nothing().observe(PlateauState(), 1.0)
