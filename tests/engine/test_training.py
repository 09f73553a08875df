"""Ten steps of training are the textbook's, whatever the optimizer, the batches, the weights and the clipping."""

import warnings
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, reject
from hypothesis import strategies as st
from tests.engine.kernels import CASES
from tests.strategies import Problem, draws, problems

from backlit.core import Dense, Network, Parameters
from backlit.core.targets import as_targets
from backlit.engine import Data, ReferenceEngine, State, TrainConfig
from backlit.engine.native import NativeEngine
from backlit.errors import BacklitError
from backlit.gradcheck.error_bounds import SAFETY, TIMES
from backlit.optim import Sgd, get_optimizer


def never() -> bool:
    return False


def ten_steps(engine, problem, dtype, rates):
    """The state and the results of the epochs that make about ten steps."""
    weight = None if problem.sample_weight is None else problem.sample_weight.astype(dtype)
    data = Data(problem.X.astype(dtype), as_targets(problem.net, problem.y, problem.m, dtype), weight)
    state = State.start(problem.net, problem.params.astype(dtype), engine.recipe.optimizer)
    rng, results = np.random.default_rng(5), []
    n_batches = -(-len(data) // engine.recipe.batch_size)
    while state.step < 10:
        order = rng.permutation(len(data))
        results.append(engine.run(state, data, order, rates[:n_batches] * 0.8 ** len(results), never))
        if not results[-1].steps:
            break
    return state, results


def moved_by_rounding(problem, recipe, dtype, rates, expected):
    """How far the roundings of ten steps may take the textbook's theta: Monte Carlo arithmetic, as in `error_bounds`.

    Far, where a norm divides by next to 0; and where a bias lies before batch norm: its gradient is 0 but for its
    rounding, which Adam divides by little more than its eps.  Not each shake moves such a bias.
    """
    rng, moved = np.random.default_rng(0), []
    with np.errstate(all="ignore"), warnings.catch_warnings():
        warnings.simplefilter("ignore", RuntimeWarning)
        for _ in range(TIMES):
            other = shaken(problem, dtype, rng)
            state, _ = ten_steps(ReferenceEngine(replace(recipe, net=other.net)), other, dtype, rates)
            moved.append(np.abs(state.params.theta - expected.params.theta).max())
    return SAFETY * max(moved)


def shaken(problem, dtype, rng):
    """The problem with X, theta, and each φ and φ' on the way, one unit in the last place higher or lower."""

    def shake(values):
        return values * (1 + np.finfo(dtype).eps * rng.choice((-1, 1), np.shape(values))).astype(dtype)

    def shaky(phi):
        return replace(phi, function=lambda u: shake(phi.function(u)), derivative=lambda u: shake(phi.derivative(u)))

    net = replace(
        problem.net, layers=tuple(replace(dense, activation=shaky(dense.activation)) for dense in problem.net.layers)
    )
    params = Parameters(net, shake(problem.params.theta.astype(dtype)))
    return replace(problem, net=net, params=params, X=shake(problem.X.astype(dtype)))


@st.composite
def recipes(draw, net):
    """A way to train: any optimizer, batch size and clipping."""
    optimizer = draw(st.sampled_from(sorted(CASES)))
    return TrainConfig(
        net,
        CASES[optimizer],
        draw(st.sampled_from([1, 2, 3, 4, 7])),
        clip_norm=draw(st.sampled_from([None, None, 0.5])),
        clip_value=draw(st.sampled_from([None, None, 0.1])),
        seed=draw(st.integers(0, 2**64 - 1)),
        alpha=draw(st.sampled_from([None, None, 0.3])),
    )


SMOOTH = ("identity", "sigmoid", "tanh", "gelu", "silu", "softplus", "mish", "elu", "softsign", "softmax")


def compare(problem, recipe, threads, dtype, rtol):
    rates = np.linspace(0.02, 0.01, 10)
    try:
        with np.errstate(all="ignore"), warnings.catch_warnings():
            warnings.simplefilter("ignore", RuntimeWarning)
            expected, told = ten_steps(ReferenceEngine(recipe), problem, dtype, rates)
    except BacklitError as error:
        with pytest.raises(type(error)):
            ten_steps(NativeEngine(recipe), problem, dtype, rates)
        return
    if any(result.gradient_norms.max() > 1e3 for result in told):  # on its way to diverge: rounding errors grow with it
        reject()
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("backlit.engine.native.useful_threads", lambda net, m, allowed: allowed)
        got, results = ten_steps(NativeEngine(replace(recipe, n_threads=threads)), problem, dtype, rates)
    assert got.step == expected.step
    allowed = rtol * np.abs(expected.params.theta).max()
    if np.abs(got.params.theta - expected.params.theta).max() > allowed:
        allowed += moved_by_rounding(problem, recipe, dtype, rates, expected)
    np.testing.assert_allclose(got.params.theta, expected.params.theta, rtol=0, atol=allowed)
    for mine, textbook in zip(results, told, strict=True):
        assert mine.loss == pytest.approx(textbook.loss, rel=100 * rtol, abs=100 * rtol)
        top = max(1, np.abs(textbook.gradient_norms).max())
        np.testing.assert_allclose(mine.gradient_norms, textbook.gradient_norms, rtol=0, atol=1000 * rtol * top)
    for mean, textbook_mean in zip(got.statistics.mean, expected.statistics.mean, strict=True):
        if mean is not None:
            np.testing.assert_allclose(mean, textbook_mean, rtol=0, atol=100 * rtol * max(1, np.abs(mean).max()))


@draws(120)
@given(st.data(), st.sampled_from([1, 2]))
def test_ten_steps(data, threads):
    """Smooth activations: a unit that sits at a kink may go either way by one rounding."""
    problem = data.draw(problems(running=False, rows=(5, 7), activation_names=SMOOTH, loss_names=SMOOTH_LOSSES))
    compare(problem, data.draw(recipes(problem.net)), threads, np.float64, 1e-10)


SMOOTH_LOSSES = ("half_squared_error", "squared_error", "mean_squared_error", "huber", "cross_entropy", "poisson")


@draws(30)
@given(st.data())
def test_ten_steps_in_float32(data):
    problem = data.draw(
        problems(
            running=False,
            rows=(7,),
            depths=(1, 2, 3),
            activation_names=SMOOTH,
            loss_names=SMOOTH_LOSSES,
            norms=[None],
        )
    )
    compare(problem, data.draw(recipes(problem.net)), 1, np.float32, 2e-4)


def relu_problem(rng, m=200):
    layers = [Dense(40, "relu", dropout=0.2), Dense(33, "relu", skip_scale=0.5), Dense(3, "softmax")]
    net = Network(9, layers, loss="cross_entropy", l2=1e-3)
    return Problem(net, net.init(seed=2), rng.standard_normal((m, 9)), rng.integers(0, 3, m))


@pytest.mark.parametrize("optimizer", sorted(CASES))
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_every_optimizer_with_relu(optimizer, dtype, rng):
    problem = relu_problem(rng)
    recipe = TrainConfig(problem.net, CASES[optimizer], 23, seed=4)
    compare(problem, recipe, 2, dtype, 1e-10 if dtype == np.float64 else 1e-4)


@pytest.mark.parametrize("threads", [1, 2, 3])
@pytest.mark.parametrize("norm", [None, "batch", "layer"])
def test_same_threads_same_bits(threads, norm, rng, monkeypatch):
    monkeypatch.setattr("backlit.engine.native.useful_threads", lambda net, m, allowed: allowed)
    net = Network(9, [Dense(70, "gelu", norm=norm), Dense(40, "relu"), Dense(3, "softmax")], loss="cross_entropy")
    problem = Problem(net, net.init(seed=2), rng.standard_normal((150, 9)), rng.integers(0, 3, 150))
    recipe = TrainConfig(net, get_optimizer("adam"), 32, n_threads=threads)
    rates = np.full(10, 0.01)
    thetas = [ten_steps(NativeEngine(recipe), problem, np.float32, rates)[0].params.theta for _ in range(4)]
    assert all((theta == thetas[0]).all() for theta in thetas)


def test_batches_without_weight_are_passed_over(rng):
    net = Network(2, [Dense(1)])
    X, Y = rng.standard_normal((6, 2)), rng.standard_normal((6, 1))
    recipe = TrainConfig(net, Sgd(learning_rate=0.1), 2)
    data = Data(X, Y, np.array([0, 0, 1, 2, 0, 1.0]))
    states = []
    for engine in (NativeEngine(recipe), ReferenceEngine(recipe)):
        state = State.start(net, net.init(seed=0), recipe.optimizer)
        result = engine.run(state, data, np.arange(6), np.array([1.0, 0.1, 0.2]), never)
        assert (result.steps, state.step) == (2, 2)
        states.append(state)
    np.testing.assert_allclose(states[0].params.theta, states[1].params.theta, rtol=1e-14)


def test_biases_that_are_not_trained_stay(rng):
    net = Network(3, [Dense(20, "tanh", train_bias=False), Dense(2)])
    params = Parameters(net, rng.standard_normal(net.n_parameters))
    recipe = TrainConfig(net, get_optimizer({"name": "adamw", "weight_decay": 0.5}), 4)
    state = State.start(net, params, recipe.optimizer)
    data = Data(rng.standard_normal((8, 3)), rng.standard_normal((8, 2)))
    NativeEngine(recipe).run(state, data, np.arange(8), np.full(2, 0.1), never)
    assert (state.params.b[1] == params.b[1]).all()
    assert (state.params.b[2] != params.b[2]).all()
    assert (state.params.W[1] != params.W[1]).all()
