"""`GradientFlow` during training, and its display."""

import copy
import json
import logging
import pickle
import time
from itertools import count
from types import SimpleNamespace

import numpy as np
import pytest
from numpy.testing import assert_allclose
from scipy import sparse
from sklearn.base import clone
from tests.helpers import raises_naming

from backlit import GradientFlow, GradientFlowDisplay, MLPClassifier, MLPRegressor
from backlit.core import Dense, Network, backward, forward
from backlit.diagnosis.gradient_flow import FlowRecord
from backlit.engine import Data
from backlit.errors import ProblemError
from backlit.training import Settings, fit
from backlit.training.run import Epoch, History


def trained(net, flow, epochs=4, m=96):
    X = np.random.default_rng(0).standard_normal((m, net.inputs)).astype(np.float32)
    data = Data(X, X[:, :1].copy())
    settings = Settings(epochs=epochs, batch_size=32, patience=None)
    return data, fit(net, net.init("xavier_normal", seed=0, dtype=np.float32), data, settings, callbacks=[flow])


def deep(phi, L):
    return Network(6, [Dense(12, phi)] * L + [Dense(1)])


def test_a_record_is_the_textbook_s_pass_at_that_epoch():
    net, flow = deep("tanh", 3), GradientFlow(every=1, rows=50)
    data, outcome = trained(net, flow)
    assert [record.epoch for record in flow.records] == [1, 2, 3, 4]
    params = outcome.params.astype(np.float64)
    grad = backward(net, params, forward(net, params, data.X[:50]), data.Y[:50])
    for l in range(1, net.L + 1):
        assert_allclose(flow.records[-1].flow.layers[l].delta, (grad.delta[l] ** 2).sum(axis=1).mean(), rtol=1e-12)
    assert flow.verdict == "healthy"


def test_it_warns_once(caplog):
    with caplog.at_level(logging.WARNING, "backlit"):
        trained(deep("sigmoid", 12), flow := GradientFlow(every=1))
    said = [record.message for record in caplog.records if "gradients are vanishing" in record.message]
    assert len(said) == 1
    assert len(flow.records) == 4
    assert {"vanishing", "start", "cause", "depth"} <= {finding.kind for finding in flow.records[0].findings}


def test_it_keeps_to_its_share_of_the_time(monkeypatch):
    """By a clock that goes on whenever it is looked at, and a share that leaves time for more than one measurement."""
    ticks = count()
    monkeypatch.setattr(time, "perf_counter", lambda: float(next(ticks)))
    assert GradientFlow().share == 0.02
    _, outcome = trained(deep("relu", 4), flow := GradientFlow(share=0.5), epochs=150, m=2000)
    assert len(flow.records) > 1
    assert flow.spent <= 0.5 * outcome.history.seconds + max(record.seconds for record in flow.records)


class Timed(GradientFlow):
    """One whose measurements take what it is told, by a clock that nothing else moves."""

    def __init__(self, costs, clock, **options):
        super().__init__(warn=False, **options)
        self.costs, self.clock = list(costs), clock

    def measure(self, run, started):
        cost = self.costs.pop(0) if len(self.costs) > 1 else self.costs[0]
        self.clock.now += cost
        return FlowRecord(len(run.history), None, "healthy", [], cost)


@pytest.mark.parametrize(("epoch", "costs"), [
    (1.0, [1e-3]), (0.01, [2e-3]), (0.01, [0.02]), (5e-3, [0.01, 0.03, 0.01]),
])  # fmt: skip
def test_its_interval_stretches_until_it_keeps_to_its_share(monkeypatch, epoch, costs):
    """By a clock of its own: whatever a measurement costs, all of them but a first that was guessed too low fit."""
    clock = SimpleNamespace(now=0.0)
    monkeypatch.setattr("backlit.diagnosis.gradient_flow.time.perf_counter", lambda: clock.now)
    flow, history = Timed(costs, clock), History()
    run = SimpleNamespace(net=deep("tanh", 3), history=history, data=range(5000), settings=Settings(epochs=4_000))
    longest = 0.0
    for number in range(1, 4_001):
        history.epochs.append(Epoch(number, 0.0, 0.1, (), epoch))
        before = len(flow.records)
        flow(run)
        if len(flow.records) > before:
            seconds = flow.records[-1].seconds
            late = max(seconds - longest, 0)
            assert before == 0 or flow.spent <= 0.02 * history.seconds + late + 1e-12  # the first rests on a guess
            longest = max(longest, seconds)
    assert len(flow.records) >= 3
    assert 0.01 * history.seconds < flow.spent <= 0.02 * history.seconds or costs == [1e-3]


def test_a_short_run_is_measured_once_at_its_end():
    trained(deep("tanh", 3), flow := GradientFlow(), epochs=3, m=40)
    assert [record.epoch for record in flow.records] == [3]


def test_training_is_the_same_with_it():
    _, with_flow = trained(deep("tanh", 3), GradientFlow(every=1))
    _, without = trained(deep("tanh", 3), lambda run: None)
    assert (with_flow.params.theta == without.params.theta).all()


def test_its_records_are_plain_numbers():
    trained(deep("tanh", 3), flow := GradientFlow(every=2))
    records = json.loads(json.dumps(flow.to_dict()))["records"]
    assert [record["epoch"] for record in records] == [record.epoch for record in flow.records]
    assert [layer["delta"] for layer in records[0]["layers"]] == [
        layer.delta for layer in flow.records[0].flow.layers[1:]
    ]


@pytest.mark.parametrize(("name", "value"), [("every", 0), ("share", 2.0), ("rows", 0)])
def test_options_that_cannot_be(name, value):
    with raises_naming(ProblemError, name):
        GradientFlow(**{name: value})


def test_display_shows_what_was_recorded():
    plt = pytest.importorskip("matplotlib.pyplot")
    trained(deep("sigmoid", 5), flow := GradientFlow(every=2))
    display = GradientFlowDisplay.from_history(flow)
    assert [line.get_label() for line in display.lines_] == ["epoch 1", "epoch 3"]
    deltas = [layer.delta for layer in flow.records[0].flow.layers[1:]]
    assert_allclose(display.lines_[0].get_ydata(), np.array(deltas) / deltas[-1])
    _, ax = plt.subplots()
    X = np.random.default_rng(0).standard_normal((40, 3))
    estimator = MLPRegressor(hidden_layer_sizes=(5, 5), tol=1e9, n_iter_no_change=1, random_state=0).fit(X, X[:, 0])
    shown = GradientFlowDisplay.from_estimator(estimator, X, ax=ax)
    assert shown.ax_ is ax
    assert len(shown.lines_[0].get_ydata()) == 3
    plt.close("all")
    with raises_naming(ProblemError, "no records"):
        GradientFlowDisplay.from_history(GradientFlow())
    with raises_naming(ProblemError, "network", "yet"):
        GradientFlowDisplay.from_estimator(MLPRegressor(), X)


def test_another_training_begins_the_records_anew():
    """Epochs count from 1 again: the first run's records must not keep the second from being measured."""
    trained(deep("sigmoid", 12), flow := GradientFlow(every=1), epochs=3)
    before = flow.records
    trained(deep("tanh", 3), flow, epochs=2)
    assert [record.epoch for record in before] == [1, 2, 3]
    assert [record.epoch for record in flow.records] == [1, 2]
    assert not flow.warned


@pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")
def test_a_callback_of_an_estimator_that_is_copied_pickled_and_cloned():
    X = np.random.default_rng(0).standard_normal((4_000, 6))
    model = MLPClassifier((8,), max_iter=3, random_state=0, callbacks=[GradientFlow(every=1)]).fit(X, X[:, 0] > 0)
    flow = model.callbacks[0]
    pickled = pickle.dumps(model)
    assert len(pickled) < X.nbytes / 10  # no examples in it
    for same in (pickle.loads(pickled), copy.deepcopy(model)):
        assert [record.epoch for record in same.callbacks[0].records] == [1, 2, 3]
        same.fit(X[:500], X[:500, 1] > 0)
    assert len(flow.records) == 3
    fresh = clone(model)
    assert fresh.callbacks[0].records == []
    assert fresh.callbacks[0].every == 1
    assert [record.epoch for record in fresh.fit(X, X[:, 0] > 0).callbacks[0].records] == [1, 2, 3]


@pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")
def test_display_takes_what_fit_takes():
    """Labels that are no indices, a sparse X; and after `partial_fit` the epochs of all calls."""
    plt = pytest.importorskip("matplotlib.pyplot")
    X = np.random.default_rng(0).standard_normal((60, 4))
    index = np.arange(60) % 3
    model = MLPClassifier((5, 5), max_iter=3, random_state=0).fit(X, index)
    expected = GradientFlowDisplay.from_estimator(model, X, index).ratios
    for labels in (np.array(["a", "b", "c"])[index], index + 1):
        named = MLPClassifier((5, 5), max_iter=3, random_state=0).fit(X, labels)
        assert GradientFlowDisplay.from_estimator(named, X, labels).ratios == expected
        assert GradientFlowDisplay.from_estimator(named, sparse.csr_matrix(X), labels).ratios == expected
    assert GradientFlowDisplay.from_estimator(model.partial_fit(X, index), X).epochs == [4]
    plt.close("all")
