"""Schedules: known points, arrays as numbers, the composition of a warm-up, the plateau's states, PyTorch's curves."""

import numpy as np
import pytest
from numpy.testing import assert_allclose

from backlit.errors import ProblemError
from backlit.optim import SCHEDULES, PlateauState, get_schedule
from backlit.optim.schedules import (
    Constant,
    Cosine,
    Exponential,
    InverseScaling,
    OneCycle,
    ReduceOnPlateau,
    Step,
    WarmUp,
)

KNOWN = [
    (Constant(), {0: 1, 99: 1}),
    (Step(every=10, rate=0.5), {0: 1, 9: 1, 10: 0.5, 19: 0.5, 20: 0.25}),
    (Exponential(rate=0.5), {0: 1, 1: 0.5, 3: 0.125}),
    (InverseScaling(power=0.5), {0: 1, 3: 0.5, 8: 1 / 3}),
    (InverseScaling(power=0.0), {0: 1, 50: 1}),
    (Cosine(total=8, floor=0.2), {0: 1, 4: 0.6, 8: 0.2, 9: 0.2, 100: 0.2, 2: 0.2 + 0.4 * (1 + np.sqrt(0.5))}),
    (OneCycle(total=11, rise=0.5, start=0.1, end=0.01), {0: 0.1, 2.25: 0.55, 4.5: 1, 7.25: 0.505, 10: 0.01, 30: 0.01}),
    (WarmUp(length=4), {0: 0.2, 1: 0.4, 3: 0.8, 4: 1, 9: 1}),
    (WarmUp(length=3, per="epoch", after=Exponential(rate=0.5)), {2: 0.75, 3: 1, 4: 0.5, 5: 0.25}),
    (ReduceOnPlateau(), {0: 1, 50: 1}),
]


@pytest.mark.parametrize(("schedule", "points"), KNOWN, ids=[schedule.name for schedule, _ in KNOWN])
def test_known_points(schedule, points):
    assert_allclose([schedule.factor(t) for t in points], list(points.values()), rtol=1e-13)


def test_every_schedule_has_known_points():
    assert {type(schedule) for schedule, _ in KNOWN} == set(SCHEDULES.values())


@pytest.mark.parametrize("schedule", [schedule for schedule, _ in KNOWN], ids=lambda s: s.name)
def test_an_array_of_times_gives_what_the_times_give(schedule):
    times = np.arange(24).reshape(2, 12)
    factors = schedule.factor(times)
    assert factors.shape == times.shape
    assert_allclose(factors, [[schedule.factor(int(t)) for t in row] for row in times], rtol=1e-15)
    assert np.ndim(schedule.factor(3)) == 0
    assert (factors >= 0).all()
    assert (factors <= 1).all()


@pytest.mark.parametrize("rise", [0.0, 1.0])
def test_one_cycle_without_a_rise_or_a_fall(rise):
    factors = OneCycle(total=10, rise=rise, start=0.1, end=0.01).factor(np.arange(10))
    assert (np.diff(factors) < 0).all() if rise == 0 else (np.diff(factors) > 0).all()


def test_bind_gives_the_length_once_and_in_the_right_unit():
    assert Cosine().bind(epochs=5, steps=50) == Cosine(total=5)
    assert Cosine(per="step").bind(epochs=5, steps=50) == Cosine(per="step", total=50)
    assert Cosine(total=7).bind(epochs=5, steps=50) == Cosine(total=7)
    assert Step(every=3).bind(epochs=5, steps=50) == Step(every=3)
    warm = WarmUp(length=10, after=Cosine(per="step")).bind(epochs=5, steps=50)
    assert warm.after == Cosine(per="step", total=40)
    assert_allclose(warm.factor(np.array([9, 10, 30, 50])), [10 / 11, 1, 0.5, 0], atol=1e-15)
    assert WarmUp(length=60, after=Cosine(per="step")).bind(epochs=5, steps=50).after.total == 1


@pytest.mark.parametrize(
    "spec", ["cosine", "one_cycle", {"name": "warm_up", "after": {"name": "cosine", "per": "step"}}]
)
def test_a_length_that_nobody_gave(spec):
    with pytest.raises(ProblemError, match="give its length as total, or let a trainer bind it"):
        get_schedule(spec).factor(0)


# --- the plateau ------------------------------------------------------------------------------------------------------


def watched(schedule: ReduceOnPlateau, metrics: list[float]) -> list[float]:
    """The factor after each metric."""
    state, factors = PlateauState(), []
    for metric in metrics:
        state = schedule.observe(state, metric)
        factors.append(state.factor)
    return factors


def test_the_rate_falls_after_more_than_patience_epochs_and_the_count_starts_again():
    schedule = ReduceOnPlateau(rate=0.5, patience=2)
    assert watched(schedule, [1.0] * 8) == [1, 1, 1, 0.5, 0.5, 0.5, 0.25, 0.25]


def test_an_improvement_starts_the_count_again():
    schedule = ReduceOnPlateau(rate=0.5, patience=1)
    assert watched(schedule, [1.0, 1.0, 0.9, 0.9, 0.8, 0.8, 0.8]) == [1, 1, 1, 1, 1, 1, 0.5]


def test_less_than_the_threshold_is_no_improvement():
    schedule = ReduceOnPlateau(rate=0.5, patience=0, threshold=0.1)
    assert watched(schedule, [1.0, 0.91, 0.89]) == [1, 0.5, 0.5]


def test_a_metric_below_zero_that_stands_still_is_no_improvement():
    """A score is watched as its negative; with best · (1 − threshold) it would improve by standing still."""
    schedule = ReduceOnPlateau(rate=0.5, patience=1, threshold=0.01)
    assert watched(schedule, [-0.9] * 5) == [1, 1, 0.5, 0.5, 0.25]
    assert watched(schedule, [-0.9, -0.905, -0.905]) == [1, 1, 0.5]
    assert watched(schedule, [-0.9, -0.92, -0.94]) == [1, 1, 1]


def test_the_factor_stops_at_the_floor():
    assert watched(ReduceOnPlateau(rate=0.1, patience=0, floor=0.05), [1.0] * 4) == [1, 0.1, 0.05, 0.05]


def test_a_metric_that_is_not_a_number_never_improves():
    assert watched(ReduceOnPlateau(rate=0.5, patience=0), [1.0, float("nan"), 0.5]) == [1, 0.5, 0.5]


def test_observing_writes_to_no_state():
    state = PlateauState(1.0, 3, 0.5)
    ReduceOnPlateau(patience=3).observe(state, 2.0)
    assert state == PlateauState(1.0, 3, 0.5)


# --- PyTorch ----------------------------------------------------------------------------------------------------------

N = 30


def curves(torch):
    """Pairs of a schedule and PyTorch's scheduler on an optimizer."""
    of = torch.optim.lr_scheduler
    return {
        "step": (Step(every=7, rate=0.3), lambda o: of.StepLR(o, 7, gamma=0.3)),
        "exponential": (Exponential(rate=0.8), lambda o: of.ExponentialLR(o, 0.8)),
        "cosine": (Cosine(total=N, floor=0.1), lambda o: of.CosineAnnealingLR(o, N, eta_min=0.1)),
        "one_cycle": (OneCycle(total=N), lambda o: of.OneCycleLR(o, max_lr=1.0, total_steps=N, cycle_momentum=False)),
        "warm_up": (WarmUp(length=9), lambda o: of.LinearLR(o, start_factor=0.1, total_iters=9)),
        "warm_up, then cosine": (
            WarmUp(length=9, after=Cosine(per="step", total=N - 9)),
            lambda o: of.SequentialLR(
                o, [of.LinearLR(o, start_factor=0.1, total_iters=9), of.CosineAnnealingLR(o, N - 9)], [9]
            ),
        ),
    }


NAMES = ["step", "exponential", "cosine", "one_cycle", "warm_up", "warm_up, then cosine"]


@pytest.mark.interop
@pytest.mark.filterwarnings("ignore:The epoch parameter in `scheduler.step:UserWarning")  # inside its SequentialLR
@pytest.mark.parametrize("name", NAMES)
def test_pytorchs_curve(name):
    torch = pytest.importorskip("torch")
    assert set(curves(torch)) == set(NAMES)
    schedule, make = curves(torch)[name]
    optimizer = torch.optim.SGD([torch.nn.Parameter(torch.zeros(1))], lr=1.0)
    scheduler, rates = make(optimizer), []
    for _ in range(N):
        rates.append(optimizer.param_groups[0]["lr"])
        optimizer.step()
        if len(rates) < N:
            scheduler.step()
    assert_allclose(schedule.factor(np.arange(N)), rates, rtol=1e-12)


@pytest.mark.interop
@pytest.mark.parametrize("seed", range(5))
def test_pytorchs_plateau(seed):
    torch = pytest.importorskip("torch")
    metrics = np.random.default_rng(seed).uniform(0.2, 1, 80) * np.linspace(1, 0.7, 80)
    optimizer = torch.optim.SGD([torch.nn.Parameter(torch.zeros(1))], lr=1.0)
    scheduler = torch.optim.lr_scheduler.ReduceLROnPlateau(
        optimizer, factor=0.5, patience=4, threshold=0.02, min_lr=0.01
    )
    expected = []
    for metric in metrics:
        scheduler.step(metric)
        expected.append(optimizer.param_groups[0]["lr"])
    assert expected[-1] < 0.1
    schedule = ReduceOnPlateau(rate=0.5, patience=4, threshold=0.02, floor=0.01)
    assert_allclose(watched(schedule, metrics.tolist()), expected, rtol=1e-13)
