"""`cost` as a function and as a command: the contract's keys, the engine's own memory, one-line faults."""

import json
import subprocess
from dataclasses import replace

import numpy as np
import pytest
from tests.commands import run_command
from tests.helpers import assert_names, raises_naming
from tests.needs import needs_native

from backlit import cost
from backlit.cli import main
from backlit.core import Dense, Network
from backlit.costs.machine import Timing
from backlit.costs.memory import memory
from backlit.engine import Data, State, TrainConfig, get_engine, native_engine
from backlit.errors import BacklitError
from backlit.optim import get_optimizer

SIZES = [784, 512, 512, 10]


def test_the_command_gives_the_contracts_json(capsys):
    assert main(["cost", "--sizes", "784,512,512,10", "--batch", "1", "--format", "json"]) == 0
    result = json.loads(capsys.readouterr().out)
    assert {"forward", "backward", "optimizer", "memory", "layers"} <= set(result)
    for phase in ("forward", "backward", "optimizer"):
        assert {"matmul_flops", "total_flops"} <= set(result[phase])
    assert set(result["memory"]) == {"parameters", "gradients", "optimizer", "activations", "workspace", "peak"}
    assert result["forward"]["matmul_flops"] == 2 * (784 * 512 + 512 * 512 + 512 * 10)
    assert len(result["layers"]) == 3
    assert {"timing", "measured", "checkpointing"}.isdisjoint(result)
    assert main(["cost", "--sizes", "8,4", "--timing", "--format", "json"]) == 0
    assert json.loads(capsys.readouterr().out)["timing"]["measured_seconds"] > 0


def test_parts_add_up_to_the_whole():
    result = cost(sizes=SIZES, batch=64)
    described = result.to_dict()
    for phase in ("forward", "backward"):
        whole = [row for row in result.ledger.entries if row.phase == phase]
        assert sum(e.operations for e in whole) == described[phase]["total_flops"]
        assert sum(row[phase]["total_flops"] for row in described["layers"]) == described[phase]["total_flops"]
    parts = dict(described["memory"])
    assert parts.pop("peak") == sum(parts.values())


@pytest.mark.parametrize(("name", "slots"), [("sgd", 0), ("adagrad", 1), ("adam", 2), ("amsgrad", 3)])
def test_memory_of_the_optimizer_is_its_slots(name, slots):
    counted = cost(sizes=SIZES, optimizer=name).memory
    assert counted.optimizer == slots * counted.parameters
    assert counted.gradients == counted.parameters


@needs_native
@pytest.mark.parametrize("m", [1, 7, 256])
def test_memory_is_what_the_engine_allocates(m):
    net = Network(20, [Dense(64, "gelu", norm="batch", dropout=0.1), Dense(64, "relu", skip_from=1), Dense(3)])
    optimizer = get_optimizer("adam")
    engine = get_engine("native", TrainConfig(net, optimizer, m, n_threads=1))
    with engine.engine(m, np.float64):
        pass
    plan = engine.made[m, np.dtype(np.float64), True][0]
    counted = memory(TrainConfig(net, optimizer, m, n_threads=1), np.float64)
    assert counted.gradients + counted.activations + counted.workspace == plan.bytes
    assert counted.parameters == 8 * net.n_parameters


def test_activations_grow_with_the_units_and_the_batch():
    small, wide, large = (cost(sizes=[16, n, 4], batch=m).memory.activations for n, m in ((64, 8), (128, 8), (64, 16)))
    assert small < wide < 2.2 * small
    assert large == 2 * small


def test_timing_measures_a_step():
    timing = cost(sizes=[32, 64, 4], batch=32, timing=True).timing
    assert timing.measured_seconds > 0
    assert timing.predicted_seconds > 0
    assert timing.matmul_rate > 1e7
    parts = timing.products_seconds + timing.elementwise_seconds + timing.update_seconds
    assert timing.predicted_seconds == pytest.approx(parts)


def test_a_problem_file_has_its_own_batch(tmp_path, capsys):
    path = tmp_path / "p.json"
    path.write_text(json.dumps({"inputs": 2, "layers": [{"units": 1}], "x": [[1.0, 2.0]] * 5, "y": [0.0] * 5}))
    assert cost(path).batch == 5
    assert main(["cost", str(path)]) == 0
    assert "A step on 5 examples" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        ([], ("give", "problem", "sizes")),
        (["--sizes", "a"], ("--sizes", "whole", "numbers")),
        (["--sizes", "3"], ("sizes", "numbers", "1")),
        (["--sizes", "3,0"], ("at least 1", "0")),
        (["none.json"], ("none.json", "file")),
        (["--sizes", "3,2", "--batch", "0"], ("batch", "at least 1")),
        (["--sizes", "3,2", "--dtype", "int8"], ("dtype", "float32", "float64")),
        (["--sizes", "3,2", "--optimizer", "foo"], ("optimizer", "'foo'")),
        (["--sizes", "3,2", "--optimizer", ""], ("optimizer", "''")),
        (["--sizes", "0"], ("sizes", "numbers", "1")),
        (["--sizes", "0,3"], ("inputs", "at least 1", "0")),
        (["--sizes", ""], ("--sizes", "whole", "numbers")),
        (["--sizes", "3,2", "--batch", "-4"], ("batch", "at least 1", "-4")),
        (["--sizes", "3,2", "--memory-limit", "64XB"], ("memory_limit", "bytes", "64MB")),
        (["--sizes", "3,2", "--memory-limit", "0"], ("memory_limit", "at least 1")),
        (["--sizes", "30,20,2", "--memory-limit", "1kB"], ("smallest", "possible")),
        (["--sizes", "3,2", "--html", "/no/such/folder/page.html"], ("does not exist",)),
    ],
)
def test_a_fault_is_one_line(capsys, arguments, says):
    code, out, err = run_command(capsys, "cost", *arguments)
    assert (code, out) == (2, "")
    assert_names(err, *says)


@needs_native
@pytest.mark.parametrize(("sizes", "batch", "limit"), [([800, 1500, 1500, 10], 300, None), ([256] * 20, 1200, "30MB")])
def test_a_process_that_trains_grows_by_what_is_predicted(sizes, batch, limit):
    result = cost(sizes=sizes, batch=batch, peak=True, memory_limit=limit, n_threads=1)
    assert result.measured_peak == pytest.approx(result.memory.peak, rel=0.02)


@needs_native
@pytest.mark.parametrize(("code", "says"), [
    ("import sys; sys.exit('first\\nlast')", ("measurement", "failed", "last")),
    ("import os; os.kill(os.getpid(), 9)", ("measurement", "failed", "ended", "outside")),
])  # fmt: skip
def test_a_process_that_fails_is_one_line(monkeypatch, code, says):
    real = subprocess.run
    monkeypatch.setattr("subprocess.run", lambda command, **options: real([*command[:2], code], **options))
    with raises_naming(BacklitError, *says):
        cost(sizes=[3, 2], peak=True)


def test_without_the_engine_no_peak_is_measured(monkeypatch):
    monkeypatch.setattr("backlit.costs.machine.extension", lambda: None)
    with raises_naming(BacklitError, "native", "engine", "Linux"):
        cost(sizes=[3, 2], peak=True)


def test_a_network_is_taken_as_it_is():
    net = Network(20, [Dense(64, "gelu"), Dense(3)], l2=0.1)
    result = cost(net, batch=32, optimizer="sgd", dtype=np.float64)
    assert (result.batch, result.dtype, result.optimizer.name) == (32, "float64", "sgd")
    assert result.memory.parameters == 8 * net.n_parameters


def test_a_limit_shows_its_plan(capsys, two_processors):
    sizes = ",".join(["64"] * 60)
    arguments = ["cost", "--sizes", sizes, "--batch", "500", "--memory-limit", "7MB"]
    assert main([*arguments, "--format", "json"]) == 0
    described = json.loads(capsys.readouterr().out)
    plan = described["checkpointing"]
    assert plan["peak"] == described["memory"]["peak"] <= plan["memory_limit"] == 7_000_000
    assert sorted([*plan["kept"], *map(int, plan["recomputed"])]) == list(range(1, 60))
    again = sum(plan["recomputed"].values())
    assert plan["extra_matmul_flops"] == again * 2 * 500 * 64 * 64
    assert main(arguments) == 0
    shown = capsys.readouterr().out
    assert "of a forward pass" in shown
    assert max(map(len, shown.splitlines())) <= 80


@needs_native
def test_extra_operations_are_those_that_the_engine_does():
    net = Network(32, [*(Dense(48 if l % 3 else 32, "tanh", norm="layer") for l in range(30)), Dense(2)])
    result = cost(net, batch=64, memory_limit=cost(net, batch=64).memory.peak - 300_000)
    engine = native_engine(TrainConfig(net, result.optimizer, 64, memory_limit=result.checkpointing.memory_limit))
    data = Data(np.zeros((64, 32), np.float32), np.zeros((64, 2), np.float32))
    state = State.start(net, net.init(dtype=np.float32), result.optimizer)
    engine.run(state, data, np.arange(64), np.full(1, 1e-3), lambda: False)
    forwards = engine.made[64, np.dtype(np.float32), True][1].forwards
    layers = [
        sum(e.operations for e in result.ledger.entries if e.phase == "forward" and e.layer == l) for l in range(1, 32)
    ]
    measured = sum((count - 1) * one for count, one in zip(forwards, layers, strict=True))
    assert result.checkpointing.extra_operations == measured > 0


def test_the_page_is_whole_and_escaped(tmp_path):
    path = tmp_path / "<p>.html"
    assert main(["cost", "--sizes", "784,512,10", "--batch", "32", "--html", str(path)]) == 0
    page = path.read_text(encoding="utf-8")
    assert page.startswith("<!doctype html>")
    assert "784 → 512 → 10" in page
    assert "http" not in page.replace("http://www.w3.org/", "")  # names of SVG, of which nothing is fetched
    assert "<table>" in cost(sizes=[3, 2])._repr_html_()


@pytest.mark.parametrize("sizes", [[2, 3, 1], [2, 1]])
def test_the_function_raises_what_the_command_says(sizes):
    with raises_naming(BacklitError, "unknown activation"):
        cost(sizes=sizes, activation="relo")


@pytest.mark.parametrize(("last", "activation", "loss"), [
    (1, "sigmoid", "binary_cross_entropy"), (2, "softmax", "cross_entropy"), (3, "softmax", "cross_entropy"),
])  # fmt: skip
def test_sizes_are_those_of_a_classifier(last, activation, loss):
    net = cost(sizes=[5, 4, last], activation="tanh").net
    assert net == Network(5, [Dense(4, "tanh"), Dense(last, activation)], loss=loss)


def test_the_optimizer_is_the_one_asked_for_else_the_problem_s_else_adam():
    problem = {"inputs": 2, "layers": [{"units": 1}], "optimizer": {"name": "rmsprop"}}
    assert cost(problem).optimizer.name == "rmsprop"
    assert cost(problem, optimizer="sgd").optimizer.name == "sgd"
    assert cost({"inputs": 2, "layers": [{"units": 1}]}).optimizer.name == "adam"


def test_what_was_measured_is_beside_what_was_predicted():
    counted = cost(sizes=[32, 16, 4], batch=8)
    timing = Timing(2e-6, 4e-6, 1e-6, 6e-7, 4e-7, 5e9, 4e9, 3e9, "native")
    measured = replace(counted, measured_peak=2 * counted.memory.peak, timing=timing)
    described = measured.to_dict()
    assert described["measured"] == {"peak": 2 * counted.memory.peak, "predicted_peak": counted.memory.peak}
    assert described["timing"] == vars(timing)
    assert {"measured", "timing"}.isdisjoint(counted.to_dict())
    shown = str(measured)
    assert "+100.0%" in shown
    assert "time:      predicted 2 µs, measured 4 µs (native engine)" in shown
    assert "products 1 µs, elementwise 1 µs, update 0 µs" in shown
    assert "5 GFLOP/s in products, 3 GB/s in memory" in shown


def test_under_a_limit_a_layer_s_activations_are_those_of_its_turn(two_processors):
    counted, small = (cost(sizes=[64] * 40, batch=500, memory_limit=limit) for limit in (None, "4MB"))
    assert small.memory.pooled
    assert not counted.memory.pooled
    for free, pooled in zip(counted.layers(), small.layers(), strict=True):
        assert pooled["activations"] == free["activations"] > 0
        assert free["forwards"] == 1
    assert max(row["forwards"] for row in small.layers()) > 1
