"""The reference engine is core's passes and an optimizer's update, batch after batch, and nothing else."""

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal
from tests.helpers import raises_naming

from backlit.core import Dense, DropoutKey, Network, Parameters, Statistics, backward, forward
from backlit.core.passes import total_loss
from backlit.engine import Data, ReferenceEngine, State, TrainConfig, get_engine, reference
from backlit.errors import Divergence, ProblemError
from backlit.optim import AdamW, Sgd, clip_by_norm, get_optimizer

OPTIMIZERS = [
    "sgd",
    {"name": "sgd", "momentum": 0.9, "nesterov": True},
    "adagrad",
    "rmsprop",
    "adam",
    "amsgrad",
    "adamw",
]


def never() -> bool:
    return False


def small_net(**options) -> Network:
    """Every kind of layer: batch norm and a frozen bias, dropout, a skip."""
    layers = [
        Dense(5, "tanh", norm="batch", train_bias=False),
        Dense(4, "silu", dropout=0.3),
        Dense(4, "tanh", skip_from=2, norm="layer"),
        Dense(2),
    ]
    return Network(3, layers, **{"l2": 0.01, **options})


def started(net: Network, optimizer, rng: np.random.Generator, **options) -> tuple[ReferenceEngine, State]:
    params = net.init(seed=1)
    params.theta += 0.1 * rng.standard_normal(net.n_parameters)
    recipe = TrainConfig(net, optimizer, **{"batch_size": 4, **options})
    return ReferenceEngine(recipe), State.start(net, params, optimizer)


def data(rng: np.random.Generator, n: int = 10, weight: np.ndarray | None = None) -> Data:
    return Data(rng.standard_normal((n, 3)), rng.standard_normal((n, 2)), weight)


@pytest.mark.parametrize("spec", OPTIMIZERS, ids=str)
def test_a_pass_is_core_and_optimizer_by_hand(spec, rng):
    """Three steps, the last batch shorter, each with its own rate and mask; from core's functions alone."""
    net, optimizer = small_net(), get_optimizer(spec)
    engine, state = started(net, optimizer, rng, clip_norm=0.5, clip_value=0.2, seed=7)
    given, order, rates = data(rng), rng.permutation(10), np.array([0.01, 0.02, 0.005])

    theta, slots, statistics = state.params.theta.copy(), optimizer.init(state.params.theta), Statistics(net)
    bias_1, loss, norms = state.params.b[1].copy(), 0.0, np.zeros(net.L)
    for t, rows in enumerate((order[:4], order[4:8], order[8:])):
        params = Parameters(net, theta)
        trace = forward(net, params, given.X[rows], dropout=DropoutKey(7, t))
        grad = backward(net, params, trace, given.Y[rows])
        loss += grad.loss * len(rows) / 10
        norms += [np.sqrt((W**2).sum()) / 3 for W in grad.W[1:]]
        g = np.clip(clip_by_norm(grad.theta, 0.5), -0.2, 0.2)
        Parameters(net, g).b[1][:] = 0
        step, slots = optimizer.update(g, slots, t + 1, lr=rates[t], theta=theta)
        theta = theta + step
        Parameters(net, theta).b[1][:] = bias_1
        statistics.update(1, trace.norm[1])

    result = engine.run(state, given, order, rates, never)
    assert_allclose(state.params.theta, theta, rtol=1e-13, atol=1e-15)
    for ours, expected in zip(state.slots, slots, strict=True):
        assert_allclose(ours, expected, rtol=1e-13, atol=1e-15)
    assert_allclose(state.statistics.mean[1], statistics.mean[1], rtol=1e-13)
    assert_allclose(state.statistics.variance[1], statistics.variance[1], rtol=1e-13)
    assert_allclose(result.loss, loss, rtol=1e-13)
    assert_allclose(result.gradient_norms, norms, rtol=1e-13)
    assert (result.steps, state.step, result.interrupted) == (3, 3, False)


@pytest.mark.parametrize("spec", OPTIMIZERS, ids=str)
def test_a_frozen_bias_stays_to_the_bit_and_the_rest_moves(spec, rng):
    engine, state = started(small_net(), get_optimizer(spec), rng)
    frozen, before = state.params.b[1].copy(), state.params.copy()
    assert frozen.all()  # so that weight decay would move it
    for _ in range(3):
        engine.run(state, data(rng), np.arange(10), np.full(3, 0.05), never)
    assert_array_equal(state.params.b[1], frozen)
    for slot, value in state.params.items():
        if str(slot) != "b[1]":
            assert (value != before[slot]).any(), slot


def test_a_frozen_bias_leaves_nothing_in_the_optimizers_memory(rng):
    engine, state = started(small_net(), get_optimizer("adam"), rng)
    engine.run(state, data(rng), np.arange(10), np.full(3, 0.05), never)
    for vector in state.slots:
        assert not Parameters(small_net(), vector).b[1].any()


def test_masks_change_with_the_step_and_the_seed_and_are_none_of_the_runs(rng):
    """The mask belongs to the step, not to the call: two calls of one step are one call of two."""
    net, given = small_net(), data(rng, 8)
    ends = {}
    for name, seed, cuts in [("whole", 3, [8]), ("in two calls", 3, [4, 4]), ("other seed", 4, [8])]:
        engine, state = started(net, Sgd(), np.random.default_rng(0), seed=seed)
        start = 0
        for cut in cuts:
            engine.run(state, given, np.arange(start, start + cut), np.full(cut // 4, 0.1), never)
            start += cut
        ends[name] = state.params.theta
    assert_array_equal(ends["whole"], ends["in two calls"])
    assert (ends["whole"] != ends["other seed"]).any()

    engine, state = started(net, Sgd(learning_rate=0.0), np.random.default_rng(0))
    losses = [engine.run(state, given, np.arange(4), np.zeros(1), never).loss for _ in range(2)]
    assert losses[0] != losses[1]  # the parameters stood still, the mask did not


def test_stop_is_asked_at_each_batchs_edge(rng):
    engine, state = started(small_net(), Sgd(), rng)
    asked = iter([False, False, True, True])
    result = engine.run(state, data(rng), np.arange(10), np.full(3, 0.1), lambda: next(asked))
    assert (result.steps, state.step, result.interrupted) == (2, 2, True)

    before = state.params.theta.copy()
    result = engine.run(state, data(rng), np.arange(10), np.full(3, 0.1), lambda: True)
    assert (result.steps, state.step, result.interrupted) == (0, 2, True)
    assert_array_equal(state.params.theta, before)


# --- weights ----------------------------------------------------------------------------------------------------------


def test_weights_are_those_of_the_batchs_rows(rng):
    net, weight = small_net(), rng.uniform(0.5, 2, 10)
    engine, state = started(net, Sgd(), rng)
    given, order, params = data(rng, weight=weight), rng.permutation(10)[:4], state.params.copy()
    trace = forward(net, params, given.X[order], dropout=DropoutKey(0, 0))
    grad = backward(net, params, trace, given.Y[order], weight[order])
    result = engine.run(state, given, order, np.array([0.1]), never)
    moved = np.where(engine.frozen, 0, -0.1 * grad.theta)
    assert_allclose(state.params.theta, params.theta + moved, rtol=1e-13)
    assert_allclose(result.loss, grad.loss, rtol=1e-13)


def test_a_batch_of_weight_zero_is_passed_over(rng):
    """Its examples move neither the parameters nor the moments nor the optimizer's clock, and do not count."""
    net, weight = small_net(), np.repeat([1.0, 0.0, 1.0], [4, 4, 2])
    given, optimizer = data(rng, weight=weight), AdamW()
    engine, state = started(net, optimizer, np.random.default_rng(0))
    with_zeros = engine.run(state, given, np.arange(10), np.array([0.1, 0.5, 0.2]), never)
    engine, other = started(net, optimizer, np.random.default_rng(0))
    kept = np.array([0, 1, 2, 3, 8, 9])
    without = engine.run(other, given, kept, np.array([0.1, 0.2]), never)
    assert_array_equal(state.params.theta, other.params.theta)
    assert_array_equal(state.statistics.variance[1], other.statistics.variance[1])
    assert with_zeros.steps == without.steps == state.step == 2
    assert with_zeros.loss == without.loss
    assert_array_equal(with_zeros.gradient_norms, without.gradient_norms)


# --- prediction -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("rows_at_once", [1, 3, 7, 100])
def test_prediction_and_loss_in_slices_are_those_of_the_whole(rows_at_once, rng, monkeypatch):
    net, weight = small_net(), rng.uniform(0, 2, 7)
    engine, state = started(net, Sgd(), rng)
    given = data(rng, 7, weight)
    engine.run(state, given, np.arange(7), np.full(2, 0.1), never)  # so that the running moments are not 0 and 1
    monkeypatch.setattr(reference, "ROWS_AT_ONCE", rows_at_once)
    trace = forward(net, state.params, given.X, statistics=state.statistics)
    assert_allclose(engine.predict(state.params, state.statistics, given.X), trace.a[-1], rtol=1e-12)
    without_l2 = total_loss(small_net(l2=0.0), state.params, trace, given.Y, weight)
    assert_allclose(engine.loss(state.params, state.statistics, given), without_l2, rtol=1e-12)


def test_prediction_of_no_rows(rng):
    engine, state = started(small_net(), Sgd(), rng)
    assert engine.predict(state.params, state.statistics, np.empty((0, 3))).shape == (0, 2)


def test_loss_and_gradient_are_those_of_the_data_as_one_batch_without_dropout(rng):
    net, weight = small_net(reduction="sum"), rng.uniform(0, 2, 10)
    engine, state = started(net, Sgd(), rng)
    given = data(rng, weight=weight)
    loss, gradient = engine.loss_and_gradient(state.params, given)
    grad = backward(net, state.params, forward(net, state.params, given.X), given.Y, weight)
    assert loss == grad.loss
    assert_array_equal(gradient, grad.theta)


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("spec", OPTIMIZERS, ids=str)
def test_dtype_is_kept(spec, dtype, rng):
    net, optimizer = small_net(), get_optimizer(spec)
    engine = ReferenceEngine(TrainConfig(net, optimizer, 4, clip_norm=0.1, clip_value=0.05))
    state = State.start(net, net.init(seed=0, dtype=dtype), optimizer)
    given = Data(rng.standard_normal((10, 3)).astype(dtype), rng.standard_normal((10, 2)).astype(dtype))
    engine.run(state, given, np.arange(10), np.full(3, 0.1), never)
    assert {state.params.theta.dtype, state.statistics.mean[1].dtype, *(s.dtype for s in state.slots)} == {
        np.dtype(dtype)
    }
    assert engine.predict(state.params, state.statistics, given.X).dtype == dtype


def test_a_state_has_vectors_of_its_own(rng):
    net = small_net()
    params = net.init(seed=0)
    before = params.theta.copy()
    state = State.start(net, params, Sgd())
    ReferenceEngine(TrainConfig(net, Sgd(), 4)).run(state, data(rng), np.arange(10), np.full(3, 0.1), never)
    assert_array_equal(params.theta, before)


# --- divergence -------------------------------------------------------------------------------------------------------


def snapshot(state: State) -> list[np.ndarray]:
    arrays = [state.params.theta, *state.slots, state.statistics.mean[1], state.statistics.variance[1]]
    return [array.copy() for array in arrays]


@pytest.mark.parametrize(("bad", "name", "layer"), [
    ({"X": np.inf}, "a[0]", 0),
    ({"Y": 1e308}, "the loss", None),
    ({"W": np.inf}, "z[2]", 2),
], ids=["input", "target", "weight"])  # fmt: skip
def test_what_is_not_finite_stops_at_its_step_and_is_named(bad, name, layer, rng):
    """The second batch is bad: the first step's numbers are left in every vector, the moments of batch norm too."""
    engine, state = started(small_net(), get_optimizer("adam"), rng)
    given = data(rng)
    engine.run(state, given, np.arange(4), np.array([0.1]), never)
    for field in bad.keys() & {"X", "Y"}:
        getattr(given, field)[5] = bad[field]
    if "W" in bad:
        state.params.W[2][:] = bad["W"]
    before = snapshot(state)
    with raises_naming(Divergence, "diverged", "step 2", name, "lower") as error:
        engine.run(state, given, np.arange(4, 10), np.array([0.1, 0.1]), never)
    assert error.value.step == 2
    assert error.value.layer == layer
    assert state.step == 1
    for array, copy in zip(snapshot(state), before, strict=True):
        assert_array_equal(array, copy)


def test_an_infinite_gradient_that_clipping_would_hide_is_found():
    """u = 700, a = 1e4 and the loss are finite; ∂C/∂W[1] = 1e4 · 1e305 is not, and would be 0.1 after clipping."""
    net = Network(1, [Dense(1, "exp"), Dense(1)], loss="absolute_error")
    params = Parameters.from_arrays(net, {"W": [None, [[7e-303]], [[1e-300]]]})
    engine, state = ReferenceEngine(TrainConfig(net, Sgd(), 1, clip_value=0.1)), State.start(net, params, Sgd())
    with raises_naming(Divergence, "diverged", "step 1", "grad.W[1]", "finite") as error:
        engine.run(state, Data(np.array([[1e305]]), np.array([[0.0]])), np.arange(1), np.array([0.1]), never)
    assert error.value.layer == 1
    assert_array_equal(state.params.theta, params.theta)


def test_an_infinite_mean_square_in_float32_is_a_divergence():
    """g² overflows where g does not: v = ∞ would make this and every later step of Adam 0 without a word."""
    net, optimizer = Network(1, [Dense(1)]), get_optimizer("adam")
    params = net.init(seed=0, dtype=np.float32)
    given = Data(np.array([[1e12]], np.float32), np.array([[0.0]], np.float32))
    engine, state = ReferenceEngine(TrainConfig(net, optimizer, 1)), State.start(net, params, optimizer)
    with raises_naming(Divergence, "update", "finite"):
        engine.run(state, given, np.arange(1), np.array([0.1]), never)
    assert_array_equal(state.params.theta, params.theta)
    assert not state.slots[1].any()
    clipped = ReferenceEngine(TrainConfig(net, optimizer, 1, clip_norm=1.0))
    assert clipped.run(state, given, np.arange(1), np.array([0.1]), never).steps == 1


def test_engines_by_name():
    recipe = TrainConfig(small_net(), Sgd(), 4)
    assert isinstance(get_engine("reference", recipe), ReferenceEngine)
    with raises_naming(ProblemError, "engine", "'cuda'"):
        get_engine("cuda", recipe)
