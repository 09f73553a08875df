"""Engines that are kept between calls: of one network, in one thread, with whatever seed is asked for."""

import os
import threading
from dataclasses import replace

import numpy as np
import pytest

from backlit import MLPClassifier
from backlit.core import Dense, Network
from backlit.core.parameters import Statistics
from backlit.engine import TrainConfig, kept_engine, selection
from backlit.engine.native import extension
from backlit.engine.selection import MOST
from backlit.optim import Adam

NET = Network(2, [Dense(3, "tanh", dropout=0.5), Dense(1)])
CONFIG = TrainConfig(NET, Adam(), batch_size=4)


@pytest.fixture(autouse=True)
def nothing_kept():
    selection.forget()
    yield
    selection.forget()


def engine(config, name="reference"):
    return kept_engine(name, config)


def test_the_same_engine_comes_back():
    first = engine(CONFIG)
    assert engine(CONFIG) is first
    assert engine(replace(CONFIG)) is first


@pytest.mark.parametrize(
    "other",
    [
        replace(CONFIG, batch_size=5),
        replace(CONFIG, optimizer=Adam(learning_rate=0.5)),
        replace(CONFIG, alpha=0.1),
        replace(CONFIG, net=Network(2, [Dense(3, "tanh", dropout=0.5), Dense(1)])),  # equal, but another
    ],
)
def test_another_engine_for_other_settings(other):
    assert engine(other) is not engine(CONFIG)
    assert engine(other).recipe == other


def test_another_seed_is_another_seed():
    first = engine(CONFIG, "auto")
    second = engine(replace(CONFIG, seed=7), "auto")
    assert (first.recipe.seed, second.recipe.seed) == (0, 7)


@pytest.mark.skipif(extension() is None, reason="the native engine was not built")
def test_an_equal_network_has_the_plans_of_the_one_before():
    first = engine(CONFIG, "auto")
    params, X = NET.init(seed=0), np.ones((2, 2))
    right = first.predict(params, Statistics(NET), X)
    equal = Network(2, [Dense(3, "tanh", dropout=0.5), Dense(1)])
    second = engine(replace(CONFIG, net=equal, seed=7), "auto")
    assert second.made is first.made
    assert second.recipe.net is second.net is equal
    assert engine(replace(CONFIG, net=equal, seed=7), "auto") is second, "it stays as it was taken over"
    assert (first.recipe.net, first.recipe.seed) == (NET, 0)
    np.testing.assert_array_equal(second.predict(equal.init(seed=0), Statistics(equal), X), right)
    other = Network(2, [Dense(3, "relu", dropout=0.5), Dense(1)])
    assert engine(replace(CONFIG, net=other), "auto").made is not first.made


def test_no_more_than_a_few_and_no_large_ones_are_kept():
    for k in range(10):
        engine(replace(CONFIG, batch_size=k + 1))
    assert len(selection.SHELF.engines) == MOST
    assert engine(replace(CONFIG, batch_size=10)) is selection.SHELF.engines[-1][1]
    large = TrainConfig(Network(2, [Dense(4000)]), Adam(), batch_size=1)
    assert engine(large) is not engine(large)


def test_each_thread_keeps_its_own():
    first, found = engine(CONFIG), []
    thread = threading.Thread(target=lambda: found.append(engine(CONFIG)))
    thread.start()
    thread.join()
    assert found[0] is not first


@pytest.mark.skipif(not hasattr(os, "fork"), reason="no fork here")
@pytest.mark.filterwarnings("ignore::DeprecationWarning")  # that a process with threads forks
def test_a_forked_child_predicts():
    rng = np.random.default_rng(0)
    X, y = rng.normal(size=(40, 3)), np.arange(40) % 3
    model = MLPClassifier((4,), max_iter=2, n_iter_no_change=9, random_state=0, n_threads=2)
    with np.testing.suppress_warnings() as quiet:
        quiet.filter(Warning)
        model.fit(X, y)
    right = model.predict(X)
    child = os.fork()
    if child == 0:
        os._exit(0 if not selection.SHELF.engines and (model.predict(X) == right).all() else 1)
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0


def test_a_prediction_after_training_goes_by_the_new_weights():
    first = engine(CONFIG, "auto")
    params = NET.init(seed=0)
    X = np.ones((2, 2))
    before = first.predict(params, Statistics(NET), X)
    params.theta[:] = 0
    after = engine(CONFIG, "auto").predict(params, Statistics(NET), X)
    assert np.abs(before).max() > 0
    np.testing.assert_array_equal(after, np.zeros((2, 1)))
