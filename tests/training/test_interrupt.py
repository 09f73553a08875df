"""Ctrl-C: the batch under way is finished, what was learned is kept, the handler is put back; twice stops at once."""

import json
import os
import signal
import subprocess
import sys
import threading

import numpy as np
import pytest
from numpy.testing import assert_array_equal
from tests.helpers import HANGS
from tests.training.runs import learned, run_curve

from backlit.engine import ReferenceEngine
from backlit.training.progress import stop_on_interrupt


@pytest.fixture(autouse=True)
def python_handler():
    """Python's own handler, which a suite that was started in the background may lack; it must be there at the end."""
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    after = signal.signal(signal.SIGINT, before)
    assert after is signal.default_int_handler


def interrupt() -> None:
    os.kill(os.getpid(), signal.SIGINT)


@pytest.fixture
def at_step(monkeypatch):
    """Do something in the middle of step number n of a run."""
    step = ReferenceEngine.step

    def arrange(n, action):
        def stepped(self, state, *args):
            if state.step == n - 1:
                action()
            return step(self, state, *args)

        monkeypatch.setattr(ReferenceEngine, "step", stepped)

    return arrange


def test_the_batch_under_way_is_finished_and_kept(at_step):
    """Signal in step 6 of 4 an epoch: epoch 2 ends after its second batch, and is recorded."""
    at_step(6, interrupt)
    outcome = run_curve(epochs=50)
    assert outcome.history.stopped == "interrupted"
    assert outcome.state.step == 6
    assert len(outcome.history) == 2

    at_step(-1, interrupt)
    whole = run_curve(epochs=2)
    assert (learned(whole) != learned(outcome)).any()
    assert outcome.history.epochs[0].loss == whole.history.epochs[0].loss


def test_a_signal_between_epochs_leaves_no_empty_epoch():
    outcome = run_curve(epochs=50, callbacks=[lambda run: interrupt() if len(run.history) == 3 else None])
    assert (outcome.history.stopped, outcome.state.step, len(outcome.history)) == ("interrupted", 12, 3)


def test_an_interrupted_run_can_go_on_and_ends_with_the_best(at_step):
    outcome = run_curve(
        epochs=50, restore_best=True, callbacks=[lambda run: interrupt() if len(run.history) == 3 else None]
    )
    assert outcome.history.best_epoch == int(np.argmin(outcome.history.column("loss"))) + 1
    on = run_curve(epochs=2, state=outcome.state, history=outcome.history)
    assert on.history.column("number") == [1, 2, 3, 4, 5]
    assert on.history.stopped == "epochs"


def test_a_second_signal_stops_at_once(at_step):
    def twice():
        interrupt()
        interrupt()

    at_step(2, twice)
    with pytest.raises(KeyboardInterrupt, match=r"^$"):
        run_curve(epochs=50)


def test_the_handler_is_put_back_after_an_error():
    with pytest.raises(ZeroDivisionError, match="division"):
        run_curve(callbacks=[lambda run: 1 / 0])
    assert signal.getsignal(signal.SIGINT) is signal.default_int_handler


def test_the_callers_own_handler_gets_the_second_signal_and_all_later_ones():
    seen = []
    signal.signal(signal.SIGINT, lambda *_: seen.append("caller"))
    with stop_on_interrupt() as stop:
        assert not stop()
        interrupt()
        assert stop()
        assert seen == []
        interrupt()
        assert seen == ["caller"]
    interrupt()
    assert seen == ["caller", "caller"]
    signal.signal(signal.SIGINT, signal.default_int_handler)


@pytest.mark.parametrize("handler", [signal.SIG_IGN, None])
def test_a_signal_that_is_ignored_or_handled_by_what_is_not_python_stays_so(monkeypatch, handler):
    """None is what `getsignal` says of a handler that was not installed from Python, and none can be put back."""
    if handler is None:
        monkeypatch.setattr(signal, "getsignal", lambda number: None)
    before = signal.signal(signal.SIGINT, handler or signal.default_int_handler)
    with stop_on_interrupt() as stop:
        assert signal.signal(signal.SIGINT, before) is (handler or before)  # as it was
        assert not stop()


def test_another_thread_trains_without_touching_the_handler():
    found = {}

    def work():
        outcome = run_curve(
            epochs=3, callbacks=[lambda run: found.update(handler=signal.getsignal(signal.SIGINT)) and None]
        )
        found["learned"] = learned(outcome)

    thread = threading.Thread(target=work)
    thread.start()
    thread.join()
    assert found["handler"] is signal.default_int_handler
    assert_array_equal(found["learned"], learned(run_curve(epochs=3)))


CHILD = """
import json, signal, sys, time
import numpy as np
from backlit.core import Dense, Network
from backlit.engine import Data
from backlit.training import Settings, fit

signal.signal(signal.SIGINT, signal.default_int_handler)
x = np.linspace(-1, 1, 2000)[:, None]
net = Network(1, [Dense(16, "tanh"), Dense(1)])

def callback(run):
    if len(run.history) == 2:
        print("ready", flush=True)
    if len(run.history) == 2 and sys.argv[1] == "asleep":
        while True:  # a batch that takes very long
            time.sleep(0.05)
            if signal.getsignal(signal.SIGINT) is signal.default_int_handler:
                print("asked", flush=True)

settings = Settings(epochs=10**6, batch_size=10, patience=None)
outcome = fit(net, net.init(seed=0), Data(x, x**2), settings, callbacks=[callback])
print(json.dumps({"stopped": outcome.history.stopped, "epochs": len(outcome.history), "steps": outcome.state.step,
                  "last": outcome.history.epochs[-1].loss, "first": outcome.history.epochs[0].loss}))
"""


def child(mode: str) -> subprocess.Popen:
    """A process that trains until it is told to stop, and is in its third epoch or later."""
    started = subprocess.Popen(
        [sys.executable, "-c", CHILD, mode], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )
    assert started.stdout.readline() == "ready\n", started.stderr.read()
    return started


def test_a_process_that_is_sent_one_signal_ends_well_and_tells_what_it_learned():
    process = child("busy")
    process.send_signal(signal.SIGINT)
    out, err = process.communicate(timeout=HANGS)
    result = json.loads(out)
    assert (process.returncode, err, result["stopped"]) == (0, "", "interrupted")
    assert result["epochs"] >= 2
    assert (result["epochs"] - 1) * 200 <= result["steps"] <= result["epochs"] * 200
    assert result["last"] < result["first"]


def test_a_process_that_is_sent_two_signals_ends_at_once():
    process = child("asleep")
    process.send_signal(signal.SIGINT)
    assert process.stdout.readline() == "asked\n"  # the first was taken as a request
    process.send_signal(signal.SIGINT)
    _, err = process.communicate(timeout=HANGS)
    assert "KeyboardInterrupt" in err
    assert process.returncode != 0  # though the batch is not over
