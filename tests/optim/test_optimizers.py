"""Each optimizer against its equations written out a number at a time, and the rules that all of them keep."""

import math

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal
from tests.optim.runs import CASES, follow, gradients

from backlit.optim import OPTIMIZERS, Adagrad, Adam, AdamW, Optimizer, RmsProp, Sgd


def written_out(o: Optimizer, theta: float, gs: list[float], rates: list[float]) -> list[float]:
    """One parameter's path, from the papers: sums over the past in place of recursions wherever there is a sum."""
    path = []
    for t in range(1, len(gs) + 1):
        past, g, lr = gs[:t], gs[t - 1], rates[t - 1]
        if isinstance(o, Sgd):
            v = -sum(o.momentum ** (t - 1 - i) * rates[i] * gs[i] for i in range(t))
            theta += o.momentum * v - lr * g if o.nesterov else v
        elif isinstance(o, Adagrad):
            theta -= lr * g / (math.sqrt(sum(h * h for h in past)) + o.eps)
        elif isinstance(o, RmsProp):
            # the velocity of PyTorch and TensorFlow: of scaled gradients, times the newest rate
            scaled = [gs[i] / (math.sqrt(decayed([h * h for h in gs[: i + 1]], o.rho)) + o.eps) for i in range(t)]
            theta -= lr * sum(o.momentum ** (t - 1 - i) * scaled[i] for i in range(t))
        elif isinstance(o, Adam):
            squares = [decayed([h * h for h in gs[: i + 1]], o.beta2) for i in range(t)]
            v_hat = (max(squares) if o.amsgrad else squares[-1]) / (1 - o.beta2**t)
            decay = lr * o.weight_decay * theta if isinstance(o, AdamW) else 0.0
            theta -= lr * decayed(past, o.beta1) / (1 - o.beta1**t) / (math.sqrt(v_hat) + o.eps) + decay
        path.append(theta)
    return path


def decayed(values: list[float], rate: float) -> float:
    """The running mean from 0: Σ (1 − rate) rate^(t − i) values_i."""
    return sum((1 - rate) * rate ** (len(values) - 1 - i) * value for i, value in enumerate(values))


@pytest.fixture(params=CASES, ids=str)
def optimizer(request) -> Optimizer:
    return CASES[request.param]


def test_every_optimizer_has_a_case():
    assert {type(case) for case in CASES.values()} == set(OPTIMIZERS.values())


def test_update_is_the_written_out_equation(optimizer, rng):
    gs, theta = gradients(rng), rng.standard_normal(7)
    rates = (optimizer.learning_rate * np.linspace(1, 0.3, len(gs))).tolist()  # the rate changes at each step
    path = follow(optimizer, theta, gs, rates)
    expected = [written_out(optimizer, float(theta[i]), gs[:, i].tolist(), rates) for i in range(7)]
    assert_allclose(path, np.transpose(expected), rtol=1e-11, atol=1e-13)


def test_update_writes_to_none_of_its_arguments(optimizer, rng):
    theta = rng.standard_normal(7)
    state = optimizer.init(theta)
    for t, g in enumerate(gradients(rng, 3), start=1):
        given = [g, theta, *state]
        before = [array.copy() for array in given]
        for array in given:
            array.flags.writeable = False
        step, state = optimizer.update(g, state, t, lr=0.1, theta=theta)
        for array, copy in zip(given, before, strict=True):
            assert_array_equal(array, copy)
        assert not any(np.shares_memory(step, array) for array in given)
        theta = theta + step


def test_state_has_the_named_slots_and_starts_at_zero(optimizer):
    state = optimizer.init(np.ones(3, np.float32))
    assert len(state) == len(optimizer.slots) == len(set(optimizer.slots))
    assert all(slot.shape == (3,) and slot.dtype == np.float32 and not slot.any() for slot in state)
    _, state = optimizer.update(np.ones(3, np.float32), state, 1, lr=0.1, theta=np.ones(3, np.float32))
    assert len(state) == len(optimizer.slots)


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("lr", [0.1, np.float64(0.1)], ids=["float", "np.float64"])
def test_dtype_is_kept(optimizer, dtype, lr, rng):
    theta, g = rng.standard_normal((2, 5)).astype(dtype)
    step, state = optimizer.update(g, optimizer.init(theta), 1, lr=float(lr), theta=theta)
    assert step.dtype == dtype
    assert all(slot.dtype == dtype for slot in state)


def test_first_step_of_adam_has_the_length_of_the_rate(rng):
    """Freed of its start at 0, m/√v is the sign of the first gradient, whatever its size."""
    g = np.array([1e-3, -1.0, 1e4])
    step, _ = Adam(eps=0.0).update(g, (np.zeros(3), np.zeros(3)), 1, lr=0.5, theta=np.zeros(3))
    assert_allclose(step, [-0.5, 0.5, -0.5], rtol=1e-13)


def test_decay_of_adamw_does_not_pass_through_the_moments():
    theta = np.array([2.0, -4.0])
    step, (m, v) = AdamW(weight_decay=0.5).update(np.zeros(2), (np.zeros(2), np.zeros(2)), 1, lr=0.1, theta=theta)
    assert_allclose(step, -0.1 * 0.5 * theta, rtol=1e-15)
    assert not m.any()
    assert not v.any()


def test_amsgrad_never_forgets_a_large_gradient(rng):
    """After one gradient of 100, adam's rate recovers and amsgrad's does not."""
    gs = np.array([[100.0], *[[1.0]] * 60])
    last = {name: np.diff(follow(CASES[name], np.zeros(1), gs)[-2:, 0])[0] for name in ("adam", "amsgrad")}
    assert abs(last["amsgrad"]) < abs(last["adam"]) / 3
