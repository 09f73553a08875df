"""Engines that run another in parts: with an L2 that each batch shares, and with sparse inputs."""

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal
from scipy import sparse

from backlit.core import Dense, Network
from backlit.engine import Data, DenseBatches, State, TrainConfig, get_engine
from backlit.optim import Sgd

NET = Network(3, [Dense(5, "tanh"), Dense(2, "identity")], l2=0.7)


def problem(weighted: bool) -> Data:
    rng = np.random.default_rng(0)
    X = np.where(rng.random((23, 3)) < 0.4, 0, rng.standard_normal((23, 3)))
    weight = rng.uniform(0, 2, 23) if weighted else None
    if weighted:
        weight[10:15] = 0  # a whole batch
    return Data(X, rng.standard_normal((23, 2)), weight)


@pytest.mark.parametrize("weighted", [False, True])
@pytest.mark.parametrize("name", ["native", "reference"])
def test_each_batch_has_its_own_share(name, weighted):
    """Plain gradient steps, written out: C = (Σ w ℓ + (α/2) ‖W‖²) / Σ w for each batch of 5, the last of 3."""
    data, params = problem(weighted), NET.init(seed=0)
    recipe = TrainConfig(NET, Sgd(learning_rate=0.1), 5, alpha=2.0)
    state = State.start(NET, params, recipe.optimizer)
    result = get_engine(name, recipe).run(state, data, np.arange(23), np.full(5, 0.1), lambda: False)
    expected, losses, rows = params.copy(), [], []
    for first in range(0, 23, 5):
        part = data.take(np.arange(first, min(first + 5, 23)))
        if not part.weight():
            continue
        net = Network(3, NET.layers, l2=2.0 / part.weight())
        loss, gradient = get_engine("reference", TrainConfig(net, Sgd(), 5)).loss_and_gradient(expected, part)
        expected.theta[:] -= 0.1 * gradient
        losses.append(loss)
        rows.append(len(part))
    assert_allclose(state.params.theta, expected.theta, rtol=1e-12)
    assert_allclose(result.loss, np.average(losses, weights=rows), rtol=1e-12)
    assert result.steps == len(losses) == (4 if weighted else 5)


@pytest.mark.parametrize("weighted", [False, True])
@pytest.mark.parametrize("name", ["native", "reference"])
def test_sparse_rows_are_the_dense_ones(name, weighted, monkeypatch):
    monkeypatch.setattr("backlit.engine.selection.BYTES_AT_ONCE", 11 * 3 * 8)  # two batches
    data, recipe = problem(weighted), TrainConfig(NET, Sgd(learning_rate=0.1), 5)
    thin = Data(sparse.csr_array(data.X), data.Y, data.sample_weight)
    states, results = [], []
    order = np.arange(23)  # so that a whole batch weighs nothing, and counts nothing
    for engine, given in ((get_engine(name, recipe), data), (DenseBatches(get_engine(name, recipe), 5), thin)):
        states.append(State.start(NET, NET.init(seed=0), recipe.optimizer))
        results.append(engine.run(states[-1], given, order, np.full(5, 0.1), lambda: False))
    assert results[0].steps == results[1].steps == (4 if weighted else 5)
    assert results[0].rows == results[1].rows == (18 if weighted else 23)
    assert_allclose(results[1].loss, results[0].loss, rtol=1e-13)
    assert_allclose(results[1].gradient_norms, results[0].gradient_norms, rtol=1e-13)
    assert not any(result.interrupted for result in results)
    assert_array_equal(states[0].params.theta, states[1].params.theta)
    plain, parts = get_engine(name, recipe), DenseBatches(get_engine(name, recipe), 5)
    params, statistics = states[0].params, states[0].statistics
    assert_allclose(parts.predict(params, statistics, thin.X), plain.predict(params, statistics, data.X), rtol=1e-14)
    assert_allclose(parts.loss(params, statistics, thin), plain.loss(params, statistics, data), rtol=1e-13)
    for found, wanted in zip(parts.loss_and_gradient(params, thin), plain.loss_and_gradient(params, data), strict=True):
        assert_allclose(found, wanted, rtol=1e-11, atol=1e-14)


def test_a_stop_ends_the_parts(monkeypatch):
    monkeypatch.setattr("backlit.engine.selection.BYTES_AT_ONCE", 5 * 3 * 8)
    data, recipe = problem(False), TrainConfig(NET, Sgd(), 5, alpha=1.0)
    thin = Data(sparse.csr_array(data.X), data.Y)
    asked = iter([False, False, *[True] * 99])
    state = State.start(NET, NET.init(seed=0), recipe.optimizer)
    engine = DenseBatches(get_engine("reference", recipe), 5)
    result = engine.run(state, thin, np.arange(23), np.full(5, 0.1), lambda: next(asked))
    assert result.interrupted
    assert result.rows == 5 * result.steps
    assert state.step == result.steps < 5
