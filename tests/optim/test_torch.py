"""Optimizers, schedules and clipping against PyTorch's, step by step in float64."""

import numpy as np
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st
from numpy.testing import assert_allclose
from tests.optim.cases import OPTIMIZER_CASES, gradients, walk

from backlit.optim import Adagrad, Adam, AdamW, PlateauState, ReduceOnPlateau, RmsProp, Sgd, clip_by_norm, clip_by_value
from backlit.optim.schedules import Cosine, Exponential, OneCycle, Step

pytestmark = pytest.mark.interop
STEPS = 40


def common(o):
    return {"lr": o.learning_rate, "eps": o.eps}


def adam_words(o):
    return common(o) | {"betas": (o.beta1, o.beta2), "amsgrad": o.amsgrad}


TWINS = {
    Sgd: ("SGD", lambda o: {"lr": o.learning_rate, "momentum": o.momentum, "nesterov": o.nesterov and o.momentum > 0}),
    Adagrad: ("Adagrad", common),
    RmsProp: ("RMSprop", lambda o: common(o) | {"alpha": o.rho, "momentum": o.momentum}),
    Adam: ("Adam", adam_words),
    AdamW: ("AdamW", lambda o: adam_words(o) | {"weight_decay": o.weight_decay}),
}
CASES = {name: case for name, case in OPTIMIZER_CASES.items() if type(case) in TWINS}


def twin(optimizer, parameter):
    """PyTorch's optimizer of the same hyperparameters, on one tensor."""
    torch = pytest.importorskip("torch")
    name, words = TWINS[type(optimizer)]
    return getattr(torch.optim, name)([parameter], **words(optimizer))


def torch_walk(optimizer, theta, gs, rates):
    torch = pytest.importorskip("torch")
    parameter = torch.nn.Parameter(torch.tensor(theta))
    other, path = twin(optimizer, parameter), []
    for g, lr in zip(gs, rates, strict=True):
        other.param_groups[0]["lr"] = lr
        parameter.grad = torch.tensor(g)
        other.step()
        path.append(parameter.detach().numpy().copy())
    return np.array(path)


def assert_same_walk(optimizer, theta, g, rates):
    assert_allclose(walk(optimizer, theta, g, rates), torch_walk(optimizer, theta, g, rates), rtol=1e-12, atol=1e-12)


@pytest.mark.parametrize("optimizer", CASES.values(), ids=CASES)
def test_steps(optimizer, rng):
    g, theta = gradients(rng, STEPS), rng.standard_normal(5)
    assert_same_walk(optimizer, theta, g, [optimizer.learning_rate] * STEPS)


@pytest.mark.parametrize("cls", TWINS, ids=lambda cls: cls.name)
def test_steps_at_the_defaults(cls, rng):
    """Ours and, but for the learning rate of SGD, PyTorch's are the same numbers."""
    torch = pytest.importorskip("torch")
    optimizer, g, theta = cls(), gradients(rng, STEPS), rng.standard_normal(5)
    assert_same_walk(optimizer, theta, g, [optimizer.learning_rate] * STEPS)
    theirs = getattr(torch.optim, TWINS[cls][0])([torch.zeros(1)], lr=optimizer.learning_rate).defaults
    assert {k: theirs[k] for k in TWINS[cls][1](optimizer)} == TWINS[cls][1](optimizer)


@pytest.mark.parametrize(
    "optimizer",
    [o for o in CASES.values() if not (isinstance(o, Sgd) and o.momentum)],
    ids=[name for name, o in CASES.items() if not (isinstance(o, Sgd) and o.momentum)],
)
def test_steps_with_a_rate_that_changes(optimizer, rng):
    g, theta = gradients(rng, STEPS), rng.standard_normal(5)
    assert_same_walk(optimizer, theta, g, optimizer.learning_rate * Cosine(total=STEPS).factor(np.arange(STEPS)))


@pytest.mark.parametrize("nesterov", [False, True])
def test_momentum_differs_where_the_rate_changes_as_documented(nesterov):
    """PyTorch's step is −η_t Σ μ^(t−i) g_i, ours −Σ μ^(t−i) η_i g_i."""
    sgd = Sgd(momentum=0.5, nesterov=nesterov)
    g, rates = np.ones((2, 1)), [1.0, 0.1]
    ours, theirs = walk(sgd, np.zeros(1), g, rates), torch_walk(sgd, np.zeros(1), g, rates)
    assert_allclose(ours[0], theirs[0], rtol=1e-15)
    assert_allclose((ours[1] - ours[0]), -(0.5 + 0.1) if not nesterov else -(0.5 * 0.6 + 0.1), rtol=1e-12)
    assert_allclose((theirs[1] - theirs[0]), -0.1 * 1.5 if not nesterov else -0.1 * (1 + 0.5 * 1.5), rtol=1e-12)


@given(seed=st.integers(0, 2**32 - 1), name=st.sampled_from([*CASES]), rate=st.floats(1e-4, 1))
def test_steps_for_any_gradients(seed, name, rate):
    rng, optimizer = np.random.default_rng(seed), CASES[name]
    g, theta = gradients(rng, 20), rng.standard_normal(5)
    ours, theirs = walk(optimizer, theta, g, [rate] * 20), torch_walk(optimizer, theta, g, [rate] * 20)
    size = np.maximum.accumulate(np.abs(theirs), axis=0) + np.abs(theta)  # where theta crosses 0 its digits are lost
    assert np.all(np.abs(ours - theirs) <= 1e-12 * (1 + size))


# --- schedules ------------------------------------------------------------------------------------------------------


def torch_rates(make, steps, base=0.3):
    """The learning rates that PyTorch's scheduler gives in `steps` steps."""
    torch = pytest.importorskip("torch")
    optimizer = torch.optim.SGD([torch.nn.Parameter(torch.zeros(1))], lr=base)
    scheduler, rates = make(torch.optim.lr_scheduler, optimizer), []
    for step in range(steps):
        rates.append(optimizer.param_groups[0]["lr"])
        optimizer.step()
        if step < steps - 1:
            scheduler.step()
    return np.array(rates)


@pytest.mark.parametrize(
    ("schedule", "make", "steps"),
    [
        (Step(every=7, rate=0.3), lambda s, o: s.StepLR(o, 7, gamma=0.3), 40),
        (Exponential(rate=0.9), lambda s, o: s.ExponentialLR(o, 0.9), 40),
        (Cosine(total=30), lambda s, o: s.CosineAnnealingLR(o, 30), 31),
        (Cosine(total=30, floor=0.1), lambda s, o: s.CosineAnnealingLR(o, 30, eta_min=0.03), 31),
    ],
    ids=["step", "exponential", "cosine", "cosine-floor"],
)
def test_schedules(schedule, make, steps):
    assert_allclose(0.3 * schedule.factor(np.arange(steps)), torch_rates(make, steps), rtol=1e-12, atol=1e-15)


@given(
    total=st.integers(2, 60),
    rise=st.floats(0, 1),
    start=st.floats(0.01, 1),
    end=st.floats(1e-6, 1),
)
def test_one_cycle(total, rise, start, end):
    assume(rise * total != 1)  # a rise of no length, through which PyTorch divides
    schedule = OneCycle(total=total, rise=rise, start=start, end=end)
    theirs = torch_rates(
        lambda s, o: s.OneCycleLR(
            o,
            max_lr=0.3,
            total_steps=total,
            pct_start=rise,
            div_factor=1 / start,
            final_div_factor=start / end,
            cycle_momentum=False,
        ),
        total,
    )
    assert_allclose(0.3 * schedule.factor(np.arange(total)), theirs, rtol=1e-9, atol=1e-12)


def torch_plateau(schedule, metrics, mode):
    torch = pytest.importorskip("torch")
    optimizer = torch.optim.SGD([torch.nn.Parameter(torch.zeros(1))], lr=1.0)
    scheduler = torch.optim.lr_scheduler.ReduceLROnPlateau(
        optimizer,
        mode=mode,
        factor=schedule.rate,
        patience=schedule.patience,
        threshold=schedule.threshold,
        min_lr=schedule.floor,
        eps=0.0,
    )
    rates = []
    for metric in metrics:
        scheduler.step(metric)
        rates.append(optimizer.param_groups[0]["lr"])
    return rates


@given(
    metrics=st.lists(st.integers(1, 20).map(lambda k: k / 10), min_size=20, max_size=60),
    patience=st.integers(0, 4),
    threshold=st.sampled_from([0.0, 1e-4, 0.15]),
    floor=st.sampled_from([0.0, 0.2]),
    mode=st.sampled_from(["min", "max"]),
)
def test_reduce_on_plateau(metrics, patience, threshold, floor, mode):
    schedule = ReduceOnPlateau(rate=0.5, patience=patience, threshold=threshold, floor=floor)
    state, ours = PlateauState(), []
    for metric in metrics:
        state = schedule.observe(state, metric if mode == "min" else -metric)
        ours.append(state.factor)
    assert ours == torch_plateau(schedule, metrics, mode)


# --- clipping -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("limit", [0.01, 1.0, 1e6])
def test_clipping(limit, rng):
    torch = pytest.importorskip("torch")
    g = rng.standard_normal(50) * 10
    for ours, theirs, rtol in (
        (clip_by_norm, torch.nn.utils.clip_grad_norm_, 1e-7),  # PyTorch divides by ‖g‖ + 1e-6, and ‖g‖ is 70
        (clip_by_value, torch.nn.utils.clip_grad_value_, 0),
    ):
        parameter = torch.nn.Parameter(torch.zeros(50, dtype=torch.float64))
        parameter.grad = torch.tensor(g)
        theirs([parameter], limit)
        assert_allclose(ours(g, limit), parameter.grad.numpy(), rtol=rtol)
