"""The native engine gives the textbook's numbers, for every network that Hypothesis draws."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.core.rounding import assert_close, magnitudes
from tests.engine.kernels import DRAWN
from tests.strategies import Problem, draws, numbers, problems

from backlit.core import Dense, DropoutKey, Network, Parameters, Statistics, forward
from backlit.core.dropout import dropout_mask
from backlit.core.targets import as_targets
from backlit.engine import Data, ReferenceEngine, State, TrainConfig
from backlit.engine.native import NativeEngine, extension
from backlit.engine.native_support import one_blas_thread
from backlit.optim import get_optimizer

ISAS = extension().instruction_sets() if extension() else ["none"]
EPS32 = np.finfo(np.float32).eps


def data_of(problem, dtype=np.float64):
    """A drawn problem's examples as engines take them."""
    y = as_targets(problem.net, problem.y, problem.m, dtype)
    weight = None if problem.sample_weight is None else problem.sample_weight.astype(dtype)
    return Data(problem.X.astype(dtype), np.ascontiguousarray(y), weight)


def native(net, *, isa=None, threads=1, batch_size=4, optimizer="adam", **options):
    recipe = TrainConfig(net, get_optimizer(optimizer), batch_size, n_threads=threads, **options)
    return NativeEngine(recipe, isa)


def check_gradient(problem, engine):
    """float64: to 1e-10 of each tensor's largest entry, and a few roundings of what was added up to get it."""
    problem = problem.but(dropout=None)
    trace, grad = problem.passes()
    loss, theta = engine.loss_and_gradient(problem.params, data_of(problem))
    size, got = magnitudes(problem, trace).flat, Parameters(problem.net, theta)
    assert loss == pytest.approx(grad.loss, rel=1e-10, abs=1e-10)
    for slot, expected in grad.flat.items():
        roundings = 256 * problem.net.L * np.finfo(float).eps
        assert_close(got[slot], expected, size[slot], rtol=1e-10, eps=roundings, what=f"grad.{slot}")


def check_single(problem, engine):
    """float32: as far from the float64 textbook as roundings allow, or as a few times the textbook's own error."""
    problem = problem.but(dropout=None)
    _, exact = problem.passes()
    data, params = data_of(problem, np.float32), problem.params.astype(np.float32)
    loss, theta = engine.loss_and_gradient(params, data)
    textbook_loss, textbook = ReferenceEngine(engine.recipe).loss_and_gradient(params, data)
    few = 200 * EPS32 * problem.net.L
    assert abs(loss - exact.loss) <= few * (1 + abs(exact.loss)) + 20 * abs(textbook_loss - exact.loss)
    error, own = np.abs(theta - exact.theta).max(), np.abs(textbook - exact.theta).max()
    assert error <= few * (1 + np.abs(exact.theta).max()) + 20 * own


@draws(150)
@given(problems(running=False, **DRAWN), st.sampled_from(ISAS), st.sampled_from([1, 2, 3]))
def test_loss_and_gradient(problem, isa, threads):
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("backlit.engine.native.useful_threads", lambda net, m, allowed: allowed)
        check_gradient(problem, native(problem.net, isa=isa, threads=threads))


@given(problems(running=False, **DRAWN), st.sampled_from(ISAS))
def test_loss_and_gradient_in_float32(problem, isa):
    check_single(problem, native(problem.net, isa=isa))


@draws(30)
@given(
    problems(running=False, rows=(1, 17, 40), widths=(1, 15, 33, 70), depths=(1, 2, 3), **DRAWN),
    st.sampled_from(ISAS),
    st.sampled_from([1, 2]),
)
def test_gradient_at_widths_around_a_vector(problem, isa, threads):
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("backlit.engine.native.useful_threads", lambda net, m, allowed: allowed)
        check_gradient(problem, native(problem.net, isa=isa, threads=threads))


@given(problems(**DRAWN), st.sampled_from([1, 2]))
def test_prediction_and_its_loss(problem, threads):
    engine = native(problem.net, threads=threads)
    statistics = problem.statistics or Statistics(problem.net)
    data, reference = data_of(problem), ReferenceEngine(engine.recipe)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("backlit.engine.native.useful_threads", lambda net, m, allowed: allowed)
        patch.setattr("backlit.engine.native.ROWS_AT_ONCE", 3)
        got = engine.predict(problem.params, statistics, data.X)
        loss = engine.loss(problem.params, statistics, data)
    expected = reference.predict(problem.params, statistics, data.X)
    np.testing.assert_allclose(got, expected, rtol=1e-10, atol=1e-10 * max(1, np.abs(expected).max()))
    assert loss == pytest.approx(reference.loss(problem.params, statistics, data), rel=1e-9, abs=1e-10)


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_large_products_without_avx_are_blas_of_the_numbers_own_size(dtype, rng, monkeypatch):
    """On one thread of BLAS, for the engine's threads call it."""
    net = Network(200, [Dense(200, "tanh"), Dense(3)])
    params = net.init(seed=0, dtype=dtype)
    data = Data(rng.standard_normal((64, 200)).astype(dtype), rng.standard_normal((64, 3)).astype(dtype))
    engine = native(net, isa="baseline", batch_size=64)
    assert engine.plan(64, np.dtype(dtype)).uses_blas
    entered, held = [], one_blas_thread
    monkeypatch.setattr("backlit.engine.native.one_blas_thread", lambda: entered.append(1) or held())
    loss, theta = engine.loss_and_gradient(params, data)
    expected, gradient = ReferenceEngine(engine.recipe).loss_and_gradient(params, data)
    eps = float(np.finfo(dtype).eps)
    assert loss == pytest.approx(expected, rel=100 * eps)
    np.testing.assert_allclose(theta, gradient, rtol=0, atol=1000 * eps * np.abs(gradient).max())
    assert entered == [1]


@pytest.mark.parametrize("way", ["rows", "columns", "blas"])
@pytest.mark.parametrize("threads", [1, 2])
@pytest.mark.parametrize("activation", ["relu", "tanh"])
def test_every_way_to_multiply(way, threads, activation, rng, monkeypatch):
    monkeypatch.setattr("backlit.engine.native.useful_threads", lambda net, m, allowed: allowed)
    monkeypatch.setattr("backlit.engine.plan.choose_product", lambda *_: way)
    layers = [Dense(40, activation), Dense(70, activation), Dense(40, activation, skip_from=1), Dense(3)]
    net = Network(20, layers)
    X = rng.standard_normal((37, 20))
    problem = Problem(net, net.init("he_normal", seed=3), X, rng.standard_normal((37, 3)))
    check_gradient(problem, native(problem.net, threads=threads))


def test_fifty_layers(rng):
    net = Network(6, [Dense(6, "tanh") for _ in range(49)] + [Dense(2, "softmax")], loss="cross_entropy")
    check_gradient(numbers(net, rng, 5), native(net))


@given(
    st.integers(0, 2**64 - 1),
    st.integers(0, 2**64 - 1),
    st.integers(1, 60),
    st.integers(0, 50),
    st.integers(1, 50),
    st.sampled_from([0.1, 0.5, 0.999, 1e-12]),
)
def test_masks_are_numpys(seed, step, l, first, count, p):
    kept = np.empty(count, np.uint8)
    extension().mask(seed, step, l, first, p, kept)
    whole = dropout_mask(DropoutKey(seed, step), l, (1, first + count), p)[0]
    assert (kept == (whole[first:] > 0)).all()


def test_the_masks_of_a_step_are_the_textbooks():
    """The parameters after a step with dropout tell which units were dropped."""
    net = Network(4, [Dense(64, "relu", dropout=0.5), Dense(1)])
    params, rng = net.init(seed=1), np.random.default_rng(0)
    X, Y = rng.standard_normal((3, 4)), rng.standard_normal((3, 1))
    engine = native(net, batch_size=3, optimizer={"name": "sgd", "learning_rate": 1.0}, seed=11)
    state = State.start(net, params, engine.recipe.optimizer)
    state.step = 5
    engine.run(state, Data(X, Y), np.arange(3), np.ones(1), lambda: False)
    moved = state.params.W[2] != params.W[2]
    trace = forward(net, params, X, dropout=DropoutKey(11, 5))
    assert (moved == (trace.a[1] > 0).any(axis=0)).all()
    assert 0 < moved.sum() < 64
