"""Each optimizer against its equation written out as sums over all gradients so far, and what all have in common."""

import pickle

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.testing import assert_allclose, assert_array_equal
from tests.helpers import raises_naming
from tests.optim.cases import OPTIMIZER_CASES, gradients, walk

from backlit.errors import DomainError, ShapeError
from backlit.optim import OPTIMIZERS, Adagrad, Adam, AdamW, Optimizer, RmsProp, Sgd

every = pytest.mark.parametrize("optimizer", OPTIMIZER_CASES.values(), ids=OPTIMIZER_CASES)
STEPS = 12
RATES = 0.1 * 0.9 ** np.arange(STEPS)  # a rate that changes tells v ← μv − ηg from v ← μv + g


def faded(rho, terms):
    """Σ_i ρ^(t−i) x_i for each t: what a sum with decay ρ holds, without a recurrence."""
    return np.array([sum(rho ** (t - i) * terms[i] for i in range(t + 1)) for t in range(len(terms))])


def sgd_steps(o: Sgd, g):
    v = faded(o.momentum, -RATES[:, None] * g)
    return o.momentum * v - RATES[:, None] * g if o.nesterov else v


def adagrad_steps(o: Adagrad, g):
    return -RATES[:, None] * g / (np.sqrt(np.cumsum(g**2, axis=0)) + o.eps)


def rmsprop_steps(o: RmsProp, g):
    d = g / (np.sqrt((1 - o.rho) * faded(o.rho, g**2)) + o.eps)
    return -RATES[:, None] * faded(o.momentum, d)


def adam_steps(o: Adam, g):
    t = np.arange(1, STEPS + 1)[:, None]
    v = (1 - o.beta2) * faded(o.beta2, g**2)
    v = np.maximum.accumulate(v, axis=0) if o.amsgrad else v
    m_hat = (1 - o.beta1) * faded(o.beta1, g) / (1 - o.beta1**t)
    return -RATES[:, None] * m_hat / (np.sqrt(v / (1 - o.beta2**t)) + o.eps)


WRITTEN_OUT = {Sgd: sgd_steps, Adagrad: adagrad_steps, RmsProp: rmsprop_steps, Adam: adam_steps, AdamW: adam_steps}
WRITTEN = {name: case for name, case in OPTIMIZER_CASES.items() if type(case) in WRITTEN_OUT}
every_written = pytest.mark.parametrize("optimizer", WRITTEN.values(), ids=WRITTEN)


def expected_path(optimizer, theta, g):
    path = []
    for lr, step in zip(RATES, WRITTEN_OUT[type(optimizer)](optimizer, g), strict=True):
        decay = lr * optimizer.weight_decay if isinstance(optimizer, AdamW) else 0
        theta = (1 - decay) * theta + step
        path.append(theta)
    return np.array(path)


@every_written
def test_update_is_the_equation(optimizer, rng):
    g, theta = gradients(rng, STEPS), rng.standard_normal(5)
    assert_allclose(walk(optimizer, theta, g, RATES), expected_path(optimizer, theta, g), rtol=1e-12, atol=1e-13)


def test_the_cases_cover_the_table():
    assert {type(o) for o in OPTIMIZER_CASES.values()} == set(OPTIMIZERS.values())
    assert {OPTIMIZERS[name] for name in OPTIMIZERS.shipped} <= set(WRITTEN_OUT)
    assert all(cls.name == name for name, cls in OPTIMIZERS.items())


def test_cases_tell_each_other_apart(rng):
    """Test the tester: each option changes the path, so a rule that forgets one fails above."""
    g, theta = gradients(rng, STEPS), rng.standard_normal(5)
    ends = {name: walk(o, theta, g, RATES)[-1] for name, o in OPTIMIZER_CASES.items()}
    assert_array_equal(ends.pop("nesterov-without-momentum"), ends["sgd"])
    ends = list(ends.values())
    assert all(np.abs(a - b).max() > 1e-4 for i, a in enumerate(ends) for b in ends[:i])


# --- what all have in common ----------------------------------------------------------------------------------------


@every
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_dtype_is_kept(optimizer, dtype, rng):
    """With a learning rate and a step number that are NumPy scalars, as a loop over arrays of them gives."""
    theta, g = rng.standard_normal((2, 5)).astype(dtype)
    state = optimizer.init(theta)
    for t in np.arange(1, 4):
        step, state = optimizer.update(g, state, t, lr=np.float64(0.1), theta=theta)
        assert {a.dtype for a in (step, *state)} == {np.dtype(dtype)}


@every
def test_float32_is_close_to_float64(optimizer, rng):
    g, theta = gradients(rng, STEPS), rng.standard_normal(5)
    low = walk(optimizer, theta.astype(np.float32), g.astype(np.float32), RATES)
    assert_allclose(low, walk(optimizer, theta, g, RATES), rtol=1e-5, atol=1e-5)


@every
def test_update_writes_to_nothing(optimizer, rng):
    theta = rng.standard_normal(5)
    state = optimizer.init(theta)
    for t, g in enumerate(gradients(rng, 4), start=1):
        for array in (theta, g, *state):
            array.flags.writeable = False  # writing raises
        before = (theta.copy(), g.copy(), *(s.copy() for s in state))
        step, new = optimizer.update(g, state, t, lr=0.1, theta=theta)
        for array, kept in zip((theta, g, *state), before, strict=True):
            assert_array_equal(array, kept)
        assert_array_equal(optimizer.update(g, state, t, lr=0.1, theta=theta)[0], step)
        theta, state = theta + step, new


@every
def test_results_share_no_memory(optimizer, rng):
    """A caller may write into the step and into each vector of the state."""
    theta = rng.standard_normal(5)
    state = optimizer.init(theta)
    for t, g in enumerate(gradients(rng, 3), start=1):
        step, new = optimizer.update(g, state, t, lr=0.1, theta=theta)
        arrays = (theta, g, *state, step, *new)
        assert not any(np.shares_memory(a, b) for i, a in enumerate(arrays) for b in arrays[:i])
        state = new


@every
def test_init_is_a_zero_for_each_slot(optimizer):
    theta = np.ones(5, dtype=np.float32)
    state = optimizer.init(theta)
    assert len(state) == len(optimizer.slots) == len(set(optimizer.slots))
    assert all(s.shape == (5,) and s.dtype == np.float32 and not s.any() for s in state)


@every
def test_no_gradient_no_step(optimizer):
    """0/0 is not met on the way; only weight decay moves a parameter that has no gradient."""
    theta = np.zeros(3, dtype=np.float32)
    step, _ = optimizer.update(np.zeros_like(theta), optimizer.init(theta), 1, lr=0.1, theta=theta)
    assert_array_equal(step, theta)


@every
@given(scale=st.floats(1e-3, 1e3))
def test_each_parameter_is_alone(optimizer, scale):
    """Permuting the parameters permutes the steps, and one's gradient is nothing to another."""
    rng = np.random.default_rng(7)
    g, theta = gradients(rng, 4), rng.standard_normal(5)
    order = rng.permutation(5)
    path = walk(optimizer, theta, g, RATES[:4])
    assert_array_equal(walk(optimizer, theta[order], g[:, order], RATES[:4]), path[:, order])
    g[:, 4] *= scale
    assert_array_equal(walk(optimizer, theta, g, RATES[:4])[:, :4], path[:, :4])


@every_written
def test_adaptive_optimizers_ignore_the_scale_of_the_cost(optimizer, rng):
    """With eps as good as 0, c·g gives g's steps; momentum's steps are c times as long."""
    g, theta = rng.standard_normal((STEPS, 5)), np.zeros(5)
    if hasattr(optimizer, "eps"):
        optimizer = type(optimizer)(**{k: v for k, v in optimizer.to_dict().items() if k != "name"} | {"eps": 1e-30})
    factor = 1.0 if hasattr(optimizer, "eps") else 1024.0
    longer = walk(optimizer, theta, 1024 * g, RATES)
    assert_allclose(longer, factor * walk(optimizer, theta, g, RATES), rtol=1e-12)


@every
def test_a_wrong_shape_is_told(optimizer):
    theta = np.zeros(3)
    state = optimizer.init(theta)
    with raises_naming(ShapeError, "shape", "g", "(3, 1)", "theta", "(3,)"):
        optimizer.update(np.zeros((3, 1)), state, 1, lr=0.1, theta=theta)
    with raises_naming(ShapeError, "state", "init(theta)"):
        optimizer.update(theta, (*state, theta), 1, lr=0.1, theta=theta)


@every
@pytest.mark.parametrize("t", [0, -1])
def test_steps_count_from_one(optimizer, t):
    theta = np.zeros(3)
    with raises_naming(DomainError, "t", "steps", "1", f"not {t}"):
        optimizer.update(theta, optimizer.init(theta), t, lr=0.1, theta=theta)


@every
def test_an_optimizer_is_a_value(optimizer):
    assert pickle.loads(pickle.dumps(optimizer)) == optimizer
    assert hash(optimizer) == hash(type(optimizer)(**{k: v for k, v in optimizer.to_dict().items() if k != "name"}))


def test_a_subclass_without_slots_or_rule_says_so():
    class Nothing(Optimizer):
        name = "nothing"

    theta = np.zeros(1)
    with raises_naming(TypeError, "Nothing", "slots"):
        Nothing(learning_rate=1).init(theta)
    with raises_naming(TypeError, "Nothing", "rule"):
        Nothing(learning_rate=1).rule(theta, (), 1, 0.1, theta)


def test_a_class_with_an_update_of_its_own_is_refused_for_engines_ask_its_rule():
    with raises_naming(TypeError, "Stubborn", "update", "rule"):

        class Stubborn(Sgd):
            def update(self, g, state, t, *, lr, theta):
                return 0 * g, state

    class Mixin:
        def update(self, g, state, t, *, lr, theta):
            return 0 * g, state

    with raises_naming(TypeError, "Mixed", "update", "rule"):

        class Mixed(Mixin, Sgd):
            pass


# --- momentum -------------------------------------------------------------------------------------------------------


@given(
    curvatures=st.lists(st.floats(0.01, 1), min_size=1, max_size=4),
    momentum=st.floats(0, 0.99),
    lr=st.floats(0.01, 1),
)
def test_nesterov_looks_ahead(curvatures, momentum, lr):
    """On C = ½ Σ c θ², Sutskever's form takes the gradient at θ + μ v; ours steps from one such point to the next."""
    c = np.array(curvatures)
    sgd = Sgd(momentum=momentum, nesterov=True)
    ahead = theta = np.ones_like(c)
    state, v = sgd.init(ahead), np.zeros_like(c)
    for t in range(1, 20):
        step, state = sgd.update(c * ahead, state, t, lr=lr, theta=ahead)
        ahead = ahead + step
        v = momentum * v - lr * c * (theta + momentum * v)
        theta = theta + v
        assert_allclose(ahead, theta + momentum * v, rtol=1e-9, atol=1e-12)


@given(condition=st.floats(2, 100), sign=st.sampled_from([-1.0, 1.0]))
def test_nesterov_converges_at_its_rate(condition, sign):
    """With η = 1/L and μ = (√κ − 1)/(√κ + 1) a quadratic's cost falls at least as (1 − 1/√κ)^t (Nesterov 2004, 2.2).

    The bound, cost(x_t) ≤ 2 (1 − 1/√κ)^t cost(x_0), is for x_{t+1} = y_t − ∇C(y_t)/L, where theta is y.
    """
    c, root = np.array([1.0, 1 / condition]), np.sqrt(condition)
    sgd = Sgd(learning_rate=1, momentum=(root - 1) / (root + 1), nesterov=True)
    theta, steps = np.array([1.0, sign]), 60
    state = sgd.init(theta)
    cost = (c * theta**2).sum() / 2
    for t in range(1, steps + 1):
        step, state = sgd.update(c * theta, state, t, lr=1.0, theta=theta)
        theta = theta + step
    x = theta - c * theta
    assert (c * x**2).sum() / 2 <= 2 * cost * (1 - 1 / root) ** (steps + 1) * (1 + 1e-9)


def test_velocity_keeps_the_learning_rate_of_its_step():
    """After the rate has fallen to 0, classical momentum coasts on: −η(μ + μ²) g more."""
    sgd, g = Sgd(momentum=0.5), np.array([1.0])
    path = walk(sgd, np.zeros(1), np.array([g, g, g]), [1.0, 0.0, 0.0])
    assert_array_equal(path[:, 0], [-1.0, -1.5, -1.75])


# --- known first steps ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("optimizer", "size"),
    [(Adagrad(), 1.0), (RmsProp(rho=0.75), 2.0), (Adam(), 1.0), (Adam(amsgrad=True), 1.0), (AdamW(), 1.0)],
    ids=["adagrad", "rmsprop", "adam", "amsgrad", "adamw"],
)
def test_first_step_is_the_rate_in_every_parameter(optimizer, size):
    theta = np.zeros(3)
    step, _ = optimizer.update(np.array([1e3, -1.0, 1e3]), optimizer.init(theta), 1, lr=0.25, theta=theta)
    assert_allclose(step, 0.25 * size * np.array([-1, 1, -1]), rtol=1e-6)


def test_adams_means_are_freed_of_their_start():
    """A constant gradient gives the same step at each t."""
    g = np.full((50, 1), 3.0)
    steps = np.diff(walk(Adam(eps=1e-30), np.zeros(1), g, np.full(50, 0.1)), axis=0)
    assert_allclose(steps, -0.1, rtol=1e-12)


def test_amsgrad_never_forgets_a_large_gradient():
    """After one large gradient Adam's steps grow back; AMSGrad's denominator only shrinks by the bias correction."""
    g = np.full((400, 1), 0.01)
    g[0] = 10.0
    options = {"beta1": 0.0, "beta2": 0.9, "eps": 1e-12}
    rates = np.ones(400)
    adam = np.diff(walk(Adam(**options), np.zeros(1), g, rates), axis=0)
    amsgrad = np.diff(walk(Adam(**options, amsgrad=True), np.zeros(1), g, rates), axis=0)
    assert_allclose(adam[-1], -1.0, rtol=1e-6)
    assert_allclose(amsgrad[-1], -0.01 / (10 * np.sqrt(0.1)), rtol=1e-6)


def test_weight_decay_is_not_in_the_gradient():
    """A parameter with a gradient 10⁶ times as large shrinks no less."""
    theta = np.ones(2)
    g = np.array([1.0, 1e6])
    adamw, adam = AdamW(weight_decay=0.5), Adam()
    step, state = adamw.update(g, adamw.init(theta), 1, lr=0.1, theta=theta)
    plain, plain_state = adam.update(g, adam.init(theta), 1, lr=0.1, theta=theta)
    assert_allclose(step - plain, [-0.05, -0.05], rtol=1e-12)
    for a, b in zip(state, plain_state, strict=True):
        assert_array_equal(a, b)
