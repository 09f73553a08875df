"""Schedules: their known points, what all have in common, and how a trainer fills in their length."""

import json
import pickle

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.testing import assert_allclose, assert_array_equal
from tests.helpers import raises_naming
from tests.optim.cases import SCHEDULE_CASES

from backlit.errors import DomainError, ProblemError
from backlit.optim import SCHEDULES, Schedule, get_schedule
from backlit.optim.schedules import (
    Adaptive,
    Constant,
    Cosine,
    Exponential,
    InverseScaling,
    OneCycle,
    ReduceOnPlateau,
    Step,
    WarmUp,
)

every = pytest.mark.parametrize("schedule", SCHEDULE_CASES.values(), ids=SCHEDULE_CASES)


def test_the_cases_cover_the_table():
    assert {type(schedule) for schedule in SCHEDULE_CASES.values()} == set(SCHEDULES.values())
    assert all(cls.name == name for name, cls in SCHEDULES.items())


@pytest.mark.parametrize(
    ("schedule", "t", "factor"),
    [
        (Constant(), [0, 7, 1e9], [1, 1, 1]),
        (Step(every=3, rate=0.5), [0, 2, 3, 5, 6], [1, 1, 0.5, 0.5, 0.25]),
        (Step(every=2, rate=0.0), [0, 1, 2, 4], [1, 1, 0, 0]),
        (Exponential(rate=0.5), [0, 1, 10], [1, 0.5, 2.0**-10]),
        (Exponential(rate=0.0), [0, 1, 2], [1, 0, 0]),
        (InverseScaling(power=0.5), [0, 3, 99], [1, 1 / 2, 1 / 10]),
        (InverseScaling(power=1.0, scale=50), [0, 1, 2], [1, 1 / 51, 1 / 101]),
        (Cosine(total=6), [0, 2, 3, 4, 6, 7, 100], [1, 0.75, 0.5, 0.25, 0, 0, 0]),
        (Cosine(total=6, floor=0.2), [0, 2, 3, 6, 9], [1, 0.8, 0.6, 0.2, 0.2]),
        (OneCycle(total=11, rise=6 / 11, start=0.2, end=0.1), [0, 2.5, 5, 7.5, 10, 99], [0.2, 0.6, 1, 0.55, 0.1, 0.1]),
        (OneCycle(total=1), [0, 1], [4e-6, 4e-6]),
        (OneCycle(total=5, rise=1.0, start=0.2, end=0.1), [0, 2, 4, 5], [0.2, 0.6, 1, 0.1]),
        (OneCycle(total=5, rise=0.2, start=0.2, end=0.0), [0, 2, 4], [1, 0.5, 0.0]),
        (WarmUp(length=4), [0, 1, 3, 4, 5], [0.2, 0.4, 0.8, 1, 1]),
        (WarmUp(length=2, after=Step(every=2, per="step")), [0, 1, 2, 3, 4], [1 / 3, 2 / 3, 1, 1, 0.1]),
        (WarmUp(length=2, after=OneCycle(total=9, start=0.25)), [1, 2], [2 / 3, 0.25]),
        (ReduceOnPlateau(), [0, 50], [1, 1]),
        (Adaptive(), [0, 50], [1, 1]),
    ],
    ids=lambda value: value.name if isinstance(value, Schedule) else "",
)
def test_known_points(schedule, t, factor):
    assert_allclose(schedule.factor(t), factor, rtol=1e-12, atol=1e-15)


# --- what all have in common ----------------------------------------------------------------------------------------


@every
def test_an_array_is_its_numbers(schedule):
    t = np.arange(30)
    together = schedule.factor(t)
    assert together.dtype == np.float64
    # NumPy's power rounds its last digit otherwise in a vector register than for a single number
    assert_allclose(together, [schedule.factor(int(x)) for x in t], rtol=1e-15)
    assert_allclose(schedule.factor(t.reshape(5, 6)), together.reshape(5, 6), rtol=1e-15)
    assert isinstance(schedule.factor(3), np.float64)


@every
@given(t=st.one_of(st.integers(0, 10**12), st.floats(0, 1e12)))
def test_factor_is_a_share(schedule, t):
    assert 0 <= schedule.factor(t) <= 1


@every
def test_after_the_peak_it_never_rises(schedule):
    factors = schedule.factor(np.arange(40))
    peak = factors.argmax()
    assert (np.diff(factors[: peak + 1]) >= 0).all()
    assert (np.diff(factors[peak:]) <= 1e-15).all()


@every
@pytest.mark.parametrize("bad", [-1, [0, -0.5], np.nan, [1.0, np.inf]])
def test_time_counts_from_zero(schedule, bad):
    with raises_naming(DomainError, schedule.name, "t", f"{schedule.per}s", "0"):
        schedule.factor(bad)


@every
def test_an_empty_epoch(schedule):
    assert schedule.factor(np.arange(0)).shape == (0,)


@every
def test_t_is_not_written_to(schedule):
    t = np.arange(30.0)
    t.flags.writeable = False
    schedule.factor(t)
    assert_array_equal(t, np.arange(30.0))


@every
def test_a_schedule_is_a_value(schedule):
    assert pickle.loads(pickle.dumps(schedule)) == schedule
    assert get_schedule(json.loads(json.dumps(schedule.to_dict()))) == schedule
    assert get_schedule(schedule) is schedule
    assert hash(get_schedule(schedule.to_dict())) == hash(schedule)


def test_a_subclass_without_a_curve_says_so():
    class Nothing(Schedule):
        name = "nothing"

    with raises_naming(TypeError, "Nothing", "curve"):
        Nothing().factor(0)


# --- length and unit ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("cls", [Cosine, OneCycle])
def test_bind_fills_in_the_total_in_the_schedules_unit(cls):
    assert cls(per="epoch").bind(epochs=7, steps=70).total == 7
    assert cls(per="step").bind(epochs=7, steps=70).total == 70
    assert cls(per="step", total=5).bind(epochs=7, steps=70).total == 5


@pytest.mark.parametrize("cls", [Cosine, OneCycle])
def test_without_a_total_it_asks_for_one(cls):
    with raises_naming(ProblemError, cls.name, "give", "total", "bind"):
        cls().factor(0)


@every
def test_bind_leaves_what_is_given(schedule):
    assert schedule.bind(epochs=3, steps=300) == schedule


def test_warm_up_hands_on_what_it_leaves():
    bound = WarmUp(length=10, after=Cosine(per="step")).bind(epochs=3, steps=110)
    assert bound.after == Cosine(per="step", total=100)
    assert_allclose(bound.factor([9, 10, 60, 110]), [10 / 11, 1, 0.5, 0], atol=1e-15)
    nested = WarmUp(length=2, after=WarmUp(length=3, after=Cosine(per="step"))).bind(epochs=1, steps=25)
    assert nested.after.after.total == 20


def test_warm_up_longer_than_the_run():
    bound = WarmUp(length=10, per="epoch", after=Cosine()).bind(epochs=4, steps=400)
    assert_allclose(bound.factor(np.arange(4)), np.arange(1, 5) / 11)


def test_warm_up_is_constant_afterwards_unless_told():
    assert WarmUp(length=3, per="epoch").after == Constant(per="epoch")


def test_warm_up_counts_one_unit():
    with raises_naming(ProblemError, "warm_up", "steps", "cosine", "epochs", "give", 'per="'):
        WarmUp(after=Cosine(per="epoch"))


@pytest.mark.parametrize("after", [ReduceOnPlateau(), Adaptive(), "cosine", 3])
def test_warm_up_wraps_functions_of_time_only(after):
    with raises_naming(ProblemError, "warm_up", "schedule", "function", "time"):
        WarmUp(per="epoch", after=after)


@pytest.mark.parametrize("cls", [ReduceOnPlateau, Adaptive])
def test_a_plateau_is_seen_at_the_end_of_an_epoch(cls):
    with raises_naming(ProblemError, "'epoch'", "'step'"):
        cls(per="step")
