"""What is not finite stops training before it spreads; Ctrl-C and an exception in `stop` end it at a batch's edge."""

import signal
import threading

import numpy as np
import pytest
from tests.helpers import raises_naming

from backlit.core import Dense, Network
from backlit.engine import Data, ReferenceEngine, State, TrainConfig, get_engine, warn_once
from backlit.engine.native import NativeEngine
from backlit.errors import Divergence, DomainError, ProblemError
from backlit.optim import Sgd, get_optimizer


def start(net, n=40, *, batch_size=10, dtype=np.float64, optimizer="adam", **options):
    """An engine, a state, and data of n rows."""
    rng = np.random.default_rng(0)
    recipe = TrainConfig(net, get_optimizer(optimizer), batch_size, **options)
    state = State.start(net, net.init(seed=0, dtype=dtype), recipe.optimizer)
    X = rng.standard_normal((n, net.inputs)).astype(dtype)
    return NativeEngine(recipe), state, Data(X, rng.standard_normal((n, net.outputs)).astype(dtype))


NET = Network(4, [Dense(8, "tanh", norm="batch"), Dense(2)])


@pytest.mark.parametrize("bad", [np.nan, np.inf])
@pytest.mark.parametrize("where", ["X", "Y"])
def test_data_that_is_not_finite_stops_at_its_step(bad, where):
    engine, state, data = start(NET)
    getattr(data, where)[25, 1] = bad
    good = State.start(NET, state.params, engine.recipe.optimizer)
    engine.run(good, data, np.arange(20), np.full(2, 0.01), lambda: False)
    textbook_refuses = where == "Y" and not np.isfinite(bad)  # a target that is not finite is an error in the data
    with pytest.raises(DomainError if textbook_refuses else Divergence) as caught:
        engine.run(state, data, np.arange(40), np.full(4, 0.01), lambda: False)
    assert textbook_refuses or (caught.value.step, caught.value.layer) == (3, 0 if where == "X" else None)
    assert state.step == 2
    for kept, expected in [(state.params.theta, good.params.theta), *zip(state.slots, good.slots, strict=True)]:
        assert (kept == expected).all()
    assert (state.statistics.mean[1] == good.statistics.mean[1]).all()


@pytest.mark.parametrize("optimizer", ["sgd", {"name": "sgd", "momentum": 0.9}, "adagrad", "rmsprop", "adam", "adamw"])
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_a_rate_that_overflows_keeps_the_last_finite_numbers(optimizer, dtype):
    net = Network(4, [Dense(8, "identity"), Dense(8, "identity"), Dense(2)])
    engine, state, data = start(net, optimizer=optimizer, dtype=dtype)
    order, rates = np.tile(np.arange(40), 50), np.full(200, float(np.finfo(dtype).max) / 4)
    with raises_naming(Divergence, "is not finite") as caught:
        engine.run(state, data, order, rates, lambda: False)
    assert np.isfinite(state.params.theta).all()
    assert caught.value.step == state.step + 1
    reference = State.start(net, net.init(seed=0, dtype=dtype), engine.recipe.optimizer)
    with raises_naming(Divergence, "is not finite") as expected:
        ReferenceEngine(engine.recipe).run(reference, data, order, rates, lambda: False)
    assert caught.value.step == expected.value.step


def test_outputs_outside_the_losses_domain():
    net = Network(4, [Dense(2, "identity")], loss="poisson")
    engine, state, data = start(net)
    data.Y[:] = 1
    with raises_naming(DomainError, "takes outputs"):
        engine.run(state, data, np.arange(40), np.full(4, 0.01), lambda: False)
    with raises_naming(DomainError, "takes outputs"):
        engine.loss_and_gradient(state.params, data)
    assert state.step == 0


def test_a_stop_is_heard_within_a_batch():
    net = Network(64, [Dense(64, "tanh") for _ in range(4)] + [Dense(1)])
    engine, state, data = start(net, n=20_000, batch_size=20)
    asked = []

    def stop():
        asked.append(state.step)
        return len(asked) == 3  # the first time is before the first step

    order = np.tile(np.arange(20_000), 50)
    result = engine.run(state, data, order, np.full(50_000, 1e-4), stop)
    assert result.interrupted
    assert 0 < result.steps == state.step < 50_000
    assert len(asked) == 3


def test_ctrl_c_reaches_python():
    net = Network(64, [Dense(64, "tanh") for _ in range(4)] + [Dense(1)])
    engine, state, data = start(net, n=20_000, batch_size=20)
    order, rates = np.tile(np.arange(20_000), 200), np.full(200_000, 1e-4)
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    press, asked = threading.Timer(0.1, signal.raise_signal, [signal.SIGINT]), []

    def stop():
        asked.append(state.step)
        if len(asked) == 2:  # a step has been done, however long the start took on a machine that is busy
            press.start()
        return False

    try:
        with pytest.raises(KeyboardInterrupt, match=r"^$"):
            engine.run(state, data, order, rates, stop)
    finally:
        signal.signal(signal.SIGINT, before)
    assert 0 < state.step < 200_000
    assert np.isfinite(state.params.theta).all()


def test_an_exception_in_stop_comes_out_and_the_state_counts_its_steps():
    engine, state, data = start(NET)

    def stop():
        raise RuntimeError("enough")

    with pytest.raises(RuntimeError, match="enough"):
        engine.run(state, data, np.arange(40), np.full(4, 0.01), stop)
    assert state.step == 0


@pytest.mark.parametrize(
    ("order", "rates", "error"),
    [
        (np.array([0, 40]), np.ones(1), IndexError),
        (np.array([-1]), np.ones(1), IndexError),
        (np.arange(40), np.ones(3), ValueError),
    ],
)
def test_calls_that_would_read_beyond_the_data_are_refused(order, rates, error):
    engine, state, data = start(NET)
    with pytest.raises(error, match=r"order names row|rates must have"):
        engine.run(state, data, order, rates, lambda: False)


def test_an_optimizer_of_the_users_own_goes_to_the_reference_engine():
    class Slower(Sgd):
        pass

    assert get_engine("auto", TrainConfig(NET, Slower(), 4)).name == "reference"
    with raises_naming(ProblemError, "optimizer", "Slower", "your own"):
        get_engine("native", TrainConfig(NET, Slower(), 4))


def test_what_is_the_users_own_goes_to_the_reference_engine(caplog):
    from backlit.core.activations import Activation

    warn_once.cache_clear()  # another test may have had it said
    square = Activation("square", lambda u: u * u, lambda u: 2 * u, "u^2", "2u", (0, np.inf))
    net = Network(2, [Dense(2, square), Dense(1)])
    recipe = TrainConfig(net, get_optimizer("adam"), 4)
    for _ in range(2):
        assert get_engine("auto", recipe).name == "reference"
    assert [record.message for record in caplog.records if "square" in record.message] == [
        "training with the reference engine, which is slower: layer 1 has an activation of your own, square"
    ]
    with raises_naming(ProblemError, "square"):
        get_engine("native", recipe)


def test_memory_of_a_million_rows_stays_flat():
    import resource

    net = Network(4, [Dense(8, "relu"), Dense(1)])
    recipe = TrainConfig(net, get_optimizer("adam"), 256)
    X = np.zeros((1_000_000, 4), np.float32)
    data = Data(X, X[:, :1].copy())
    state = State.start(net, net.init(seed=0, dtype=np.float32), recipe.optimizer)
    engine, order, rates = NativeEngine(recipe), np.arange(1_000_000), np.full(3907, 1e-3)
    engine.run(state, data, order[:2560], rates[:10], lambda: False)
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    engine.run(state, data, order, rates, lambda: False)
    engine.predict(state.params, state.statistics, X)
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < 12_000  # kB; the outputs are 4 MB
