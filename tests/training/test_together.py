"""Epochs that nobody looks at run by one call of the engine, and are the epochs that run one by one."""

import os
import signal
import time

import numpy as np
import pytest
from numpy.testing import assert_array_equal
from tests.helpers import quick_first
from tests.training.runs import classifier, curve, digits, learned, regressor, run_curve

from backlit.core import Dense, Network
from backlit.engine import Data, ReferenceEngine
from backlit.engine.native import NativeEngine
from backlit.errors import Divergence, DomainError
from backlit.optim import Sgd
from backlit.training import History, Settings, fit

ENGINES = {"native": NativeEngine, "reference": ReferenceEngine}
pytestmark = pytest.mark.parametrize("engine", ENGINES)


@pytest.fixture
def calls(engine, monkeypatch) -> list[int]:
    """How many epochs each call of the engine was asked for; one by one does not count."""
    asked, run_epochs = [], ENGINES[engine].run_epochs

    def counted(self, state, data, orders, learning_rates, stop):
        if len(orders) > 1:
            asked.append(len(orders))
        return run_epochs(self, state, data, orders, learning_rates, stop)

    monkeypatch.setattr(ENGINES[engine], "run_epochs", counted)
    return asked


def look(run) -> None:
    """A callback, before which each epoch has to be over."""


def described(outcome) -> tuple[list, str, int | None, int]:
    """All that a history says but for the time, and the steps."""
    names = ("number", "loss", "learning_rate", "gradient_norms", "validation_loss", "validation_score")
    history = outcome.history
    columns = [history.column(name) for name in names]
    return columns, history.stopped, history.best_epoch, outcome.state.step


def assert_same(one, other) -> None:
    assert described(one) == described(other)
    assert_array_equal(learned(one), learned(other))
    for slot, same in zip(one.state.slots, other.state.slots, strict=True):
        assert_array_equal(slot, same)


@pytest.mark.parametrize("options", [
    {},
    {"schedule": "cosine", "optimizer": "sgd"},
    {"schedule": {"name": "warm_up", "length": 9, "per": "step"}, "clip_norm": 0.5},
    {"schedule": {"name": "exponential", "rate": 0.9}, "shuffle": False},
    {"alpha": 0.1, "batch_size": 7},
    {"data": Data(curve().X, curve().Y, np.arange(60.0) % 16), "batch_size": 1},  # batches without weight among them
], ids=str)  # fmt: skip
def test_the_same_bits_as_one_by_one(engine, calls, options):
    together = run_curve(epochs=9, engine=engine, **options)
    assert calls == [9]
    assert_same(together, run_curve(epochs=9, engine=engine, callbacks=[look], **options))
    assert calls == [9]


@pytest.mark.parametrize("patience", quick_first([2, 1, 5]))
def test_a_run_ends_at_the_epoch_at_which_patience_does(engine, calls, patience):
    """An epoch gains the less the later it is, so that the tolerance decides after how many calls the run ends."""
    ends = set()
    for tol in np.geomspace(1e-4, 0.1, 12):
        told = {"epochs": 30, "engine": engine, "patience": patience, "tol": tol, "optimizer": Sgd(learning_rate=0.1)}
        together = run_curve(**told)
        assert_same(together, run_curve(callbacks=[look], **told))
        ends.add(len(together.history))
    assert len(ends) > 4
    assert max(calls) == patience + 1


def test_what_goes_on_has_the_same_bits(engine, calls):
    whole = run_curve(epochs=12, engine=engine)
    half = run_curve(epochs=5, engine=engine)
    assert_same(run_curve(epochs=7, engine=engine, state=half.state, history=half.history), whole)
    assert calls == [12, 5, 7]


@pytest.mark.parametrize("options", [
    {"callbacks": [look]},
    {"progress": True},
    {"validation": curve(20)},
    {"score": lambda *_: 0.0},
    {"restore_best": True},
    {"schedule": "reduce_on_plateau"},
], ids=lambda options: next(iter(options)))  # fmt: skip
def test_an_epoch_that_is_looked_at_runs_by_itself(engine, calls, options):
    run_curve(engine=engine, **options)
    assert calls == []


def test_a_checkpoint_is_written_after_each_epoch(engine, calls, tmp_path):
    net, settings = regressor(), Settings(epochs=4, patience=None, engine=engine)
    fit(net, net.init(), curve(), settings, checkpoint=tmp_path / "run")
    assert calls == []


def test_a_call_has_so_many_epochs_as_take_some_milliseconds(engine, calls):
    data, _ = digits()
    net, settings = classifier(), Settings(epochs=40, patience=None, engine=engine)
    fit(net, net.init(), data, settings)
    assert calls == [23, 17]  # 2**26 over 1000 rows of 1810 parameters and 1000 more


@pytest.mark.parametrize("rate", np.geomspace(3, 1e4, 6).round(2))
def test_divergence_is_told_as_one_by_one(engine, calls, rate):
    """A linear network at a rate that is too high: the higher, the fewer the epochs before it overflows."""
    x = np.linspace(-1, 1, 40)[:, None]
    net, data = Network(1, [Dense(3), Dense(1)]), Data(x, 2 * x)
    settings = Settings(epochs=60, batch_size=13, optimizer=Sgd(learning_rate=rate), patience=None, engine=engine)
    runs = [fit(net, net.init(seed=1), data, settings, callbacks=given) for given in ([], [look])]
    together, alone = runs
    assert calls
    assert described(together) == described(alone)
    assert together.history.stopped == "diverged"
    assert_array_equal(together.params.theta, alone.params.theta)
    first, second = (outcome.divergence for outcome in runs)
    assert isinstance(first, Divergence)
    assert (str(first), first.step, first.layer) == (str(second), second.step, second.layer)


def test_epochs_before_another_error_are_in_the_history(engine):
    """A Poisson loss without exp: some step takes an output below 0, which is no divergence, but a wrong network."""
    x = np.linspace(0.5, 1, 40)[:, None]
    net, data = Network(1, [Dense(1)], loss="poisson"), Data(x, 0 * x)
    params = net.init(seed=0)
    params.theta[:] = 1
    settings = Settings(epochs=60, batch_size=40, optimizer=Sgd(learning_rate=0.1), patience=None, engine=engine)
    histories = []
    for callbacks in ([], [look]):
        histories.append(History())
        with pytest.raises(DomainError, match="takes outputs"):
            fit(net, params, data, settings, history=histories[-1], callbacks=callbacks)
    assert len(histories[0]) == len(histories[1]) > 3
    assert histories[0].column("loss") == histories[1].column("loss")


def test_ctrl_c_ends_a_call_at_a_batch(engine, calls, monkeypatch):
    """It is pressed within the third epoch or a later one; those before are whole, and it is as far as it came."""
    wrapped, press_at = ENGINES[engine].run_epochs, {"native": 4, "reference": 250}[engine]  # one asks every 5 ms
    monkeypatch.setattr("backlit.training.trainer.WORK_TOGETHER", 2**40)
    before, asked = signal.signal(signal.SIGINT, signal.default_int_handler), []

    def run_epochs(self, state, data, orders, learning_rates, stop):
        def pressed():
            asked.append(state.step)
            if len(asked) == press_at:
                os.kill(os.getpid(), signal.SIGINT)
            return stop()

        return wrapped(self, state, data, orders, learning_rates, pressed)

    monkeypatch.setattr(ENGINES[engine], "run_epochs", run_epochs)
    try:
        outcome = run_curve(epochs=2000, engine=engine, data=curve(2000), batch_size=20)
    finally:
        assert signal.signal(signal.SIGINT, before) is signal.default_int_handler
    n, steps = len(outcome.history), outcome.state.step
    assert calls == [2000]
    assert (outcome.history.stopped, len(asked)) == ("interrupted", press_at + (engine == "reference"))
    assert 2 < n < 2000
    assert (n - 1) * 100 < steps <= n * 100
    whole = run_curve(epochs=n, engine=engine, data=curve(2000), batch_size=20, callbacks=[look])
    assert outcome.history.column("loss")[:-1] == whole.history.column("loss")[:-1]
    on = run_curve(epochs=1, engine=engine, data=curve(2000), state=outcome.state, history=outcome.history)
    assert on.history.column("number")[-2:] == [n, n + 1]


def test_an_interrupt_before_the_first_step_leaves_no_epoch(engine, calls, monkeypatch):
    monkeypatch.setattr("backlit.training.progress.Stop.__call__", lambda self: True)
    outcome = run_curve(engine=engine)
    assert (outcome.history.stopped, len(outcome.history), outcome.state.step) == ("interrupted", 0, 0)
    assert calls == [6]


def test_the_time_of_a_call_is_shared_out(engine, calls):
    began = time.perf_counter()
    seconds = run_curve(epochs=40, engine=engine).history.column("seconds")
    assert calls == [40]
    assert 0 < sum(seconds) < time.perf_counter() - began
    assert len(set(seconds)) == 1
