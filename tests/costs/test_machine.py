"""What is measured of a machine, with clocks that are known, and what is predicted of it."""

from itertools import count as counter

import numpy as np
import pytest
from tests.helpers import raises_naming

from backlit.core import Dense, Network
from backlit.costs import machine
from backlit.costs.ledger import count
from backlit.costs.memory import Memory, extra_forward, memory
from backlit.engine import TrainConfig
from backlit.errors import ProblemError
from backlit.optim import get_optimizer

FLOAT32 = np.dtype("float32")


def recipe(m=16, optimizer="adam", units=4):
    net = Network(8, [Dense(units, "tanh"), Dense(2, "softmax")], loss="cross_entropy", l2=0.1)
    return TrainConfig(net, get_optimizer(optimizer), m, n_threads=1)


@pytest.mark.parametrize(("optimizer", "slots"), [("sgd", 0), ("adam", 2)])
@pytest.mark.parametrize(("units", "forwards"), [(4, (1, 1)), (4, (3, 2)), (400, (1, 2))])
def test_the_prediction_is_its_three_parts(monkeypatch, optimizer, slots, units, forwards):
    asked = recipe(optimizer=optimizer, units=units)
    ledger, theta = count(asked.net, 16, asked.optimizer), 4 * asked.net.n_parameters
    spent = Memory(theta, theta, slots * theta, 0, 0, (), forwards)
    sizes = []
    monkeypatch.setattr(machine, "useful_threads", lambda net, m, n: 2)
    monkeypatch.setattr(machine, "product_rate", lambda dtype, m, n, k: 1e3 * n * k)
    monkeypatch.setattr(machine, "vector_rate", lambda dtype, size: sizes.append(size) or 6.0 * size)
    monkeypatch.setattr(machine, "step_seconds", lambda *_: (0.5, "native"))
    timing = machine.measure(asked, FLOAT32, ledger, spent)
    assert sizes == [2**14, max(theta * (2 + slots) // 2, 2**12)]
    assert timing.matmul_rate == 2 * 1e3 * units * 8  # of the layer that has most of the products, on both threads
    assert timing.elementwise_rate == 2 * 6 * 2**14 / 12
    assert timing.memory_rate == 6 * sizes[1]
    again, products_again = extra_forward(asked.net, ledger, forwards)
    assert (again > products_again > 0) == (forwards != (1, 1))
    products = ledger.matmul("forward") + ledger.matmul("backward") + products_again
    whole = ledger.total("forward") + ledger.total("backward") + again
    assert timing.products_seconds == pytest.approx(products / timing.matmul_rate)
    assert timing.elementwise_seconds == pytest.approx((whole - products) / timing.elementwise_rate)
    update = (7 + 2 * slots) * theta / timing.memory_rate + ledger.total("optimizer") / timing.elementwise_rate
    assert timing.update_seconds == pytest.approx(update)
    assert timing.predicted_seconds == pytest.approx(
        products / timing.matmul_rate + timing.elementwise_seconds + update
    )
    assert (timing.measured_seconds, timing.engine) == (0.5, "native")


def test_what_is_computed_again_leaves_the_loss_and_l2_out():
    asked = recipe()
    ledger = count(asked.net, 16)
    layers = [[e for e in ledger.entries if e.phase == "forward" and e.layer == l] for l in (1, 2)]
    own = [sum(e.operations for e in entries if e.equation != "C1") for entries in layers]
    assert extra_forward(asked.net, ledger, (3, 2)) == (
        2 * own[0] + own[1], 2 * layers[0][0].matmul + layers[1][0].matmul,
    )  # fmt: skip
    assert extra_forward(asked.net, ledger, (1, 1)) == (0, 0)


@pytest.mark.parametrize(("seconds", "rounds"), [(1.0, 5), (0.01, 20), (0.001, 60)])
def test_the_fastest_of_some_rounds_the_first_not_counted(seconds, rounds):
    done, ticks = [], counter()
    least = machine.fastest(lambda: done.append(1), clock=lambda: (next(ticks) + 1) // 2 * seconds * 1.001)
    assert len(done) == 1 + rounds
    assert least == pytest.approx(1.001 * seconds)


def test_rates_are_operations_and_bytes_over_the_time_of_all_repeats(monkeypatch):
    monkeypatch.setattr(machine, "fastest", lambda run: run() and 0.5)
    assert machine.product_rate(FLOAT32, 40, 50, 10) == 2 * 40 * 50 * 10 * 100 / 0.5
    assert machine.product_rate(FLOAT32, 2000, 50, 30) == 2 * 2000 * 50 * 30 / 0.5
    assert machine.vector_rate(FLOAT32, 2**14) == 3 * 2**14 * 64 / 0.5
    assert machine.vector_rate(FLOAT32, 2**21) == 3 * 2**21 / 0.5


def test_the_product_that_is_timed_is_that_of_the_largest_layer():
    assert machine.typical_product((10, 300, 200, 5), 64) == (64, 200, 300)
    assert machine.typical_product((10, 20, 5), 64) == (1000, 20, 10)  # a small one has rows enough to be no mere call


@pytest.mark.parametrize(("step", "steps"), [(1e-4, 19), (1.0, 1), (1e-6, 50)])
def test_a_step_is_timed_in_runs_of_some(monkeypatch, step, steps):
    ticks, ran = counter(), []
    monkeypatch.setattr(machine.time, "perf_counter", lambda: next(ticks) * step)
    monkeypatch.setattr(machine, "fastest", lambda run, clock: run() or 0.5)
    real = machine.get_engine

    def spied(*arguments):
        engine = real(*arguments)
        run = engine.run
        monkeypatch.setattr(type(engine), "run", lambda self, state, data, rows, rates, stop: ran.append(
            (len(rows), len(rates))) or run(state, data, rows, rates, stop))  # fmt: skip
        return engine

    monkeypatch.setattr(machine, "get_engine", spied)
    seconds, name = machine.step_seconds(recipe(), FLOAT32)
    assert ran == [(16, 1), (16, 1), (16 * steps, steps)]
    assert seconds == pytest.approx(0.5 / steps)
    assert name in ("native", "reference")


def test_without_the_engine_memory_is_planned_for_one_thread(monkeypatch):
    with_it = memory(recipe(m=64, units=64), FLOAT32)
    monkeypatch.setattr("backlit.costs.memory.extension", lambda: None)
    without = memory(recipe(m=64, units=64), FLOAT32)
    assert without.parameters == with_it.parameters == without.gradients
    assert without.activations == with_it.activations == without.to_dict()["activations"] > 0
    limited = recipe(m=64, units=64)
    with raises_naming(ProblemError, "memory_limit", "10", "small"):
        memory(TrainConfig(limited.net, limited.optimizer, 64, memory_limit=10), FLOAT32)
