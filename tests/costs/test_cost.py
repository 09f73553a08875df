"""`cost` as a function and as a command: the contract's keys, the engine's own memory, one-line faults."""

import json

import numpy as np
import pytest

from backlit import cost
from backlit.cli import main
from backlit.core import Dense, Network
from backlit.costs.memory import memory
from backlit.engine import Recipe, get_engine
from backlit.engine.native import extension
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


@pytest.mark.skipif(extension() is None, reason="the native engine was not built")
@pytest.mark.parametrize("m", [1, 7, 256])
def test_memory_is_what_the_engine_allocates(m):
    net = Network(20, [Dense(64, "gelu", norm="batch", dropout=0.1), Dense(64, "relu", skip_from=1), Dense(3)])
    optimizer = get_optimizer("adam")
    engine = get_engine("native", Recipe(net, optimizer, m, n_threads=1))
    with engine.engine(m, np.float64):
        pass
    plan = engine.made[m, np.dtype(np.float64), True][0]
    counted = memory(net, m, np.float64, optimizer, n_threads=1)
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
    assert timing.matmul_rate > 1e8


def test_a_problem_file_has_its_own_batch(tmp_path, capsys):
    path = tmp_path / "p.json"
    path.write_text(json.dumps({"inputs": 2, "layers": [{"units": 1}], "x": [[1.0, 2.0]] * 5, "y": [0.0] * 5}))
    assert cost(path).batch == 5
    assert main(["cost", str(path)]) == 0
    assert "batch 5" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        ([], "give a problem or the sizes"),
        (["--sizes", "a"], "--sizes takes whole numbers"),
        (["--sizes", "3"], "sizes names 1 numbers"),
        (["--sizes", "3,0"], "at least 1, not 0"),
        (["none.json"], "none.json: no such file"),
        (["--sizes", "3,2", "--batch", "0"], "batch must be at least 1"),
        (["--sizes", "3,2", "--dtype", "int8"], "dtype must be float32 or float64"),
        (["--sizes", "3,2", "--optimizer", "foo"], "unknown optimizer 'foo'"),
    ],
)
def test_a_fault_is_one_line(capsys, arguments, says):
    assert main(["cost", *arguments]) == 2
    captured = capsys.readouterr()
    assert captured.out == ""
    assert says in captured.err
    assert len(captured.err.strip().splitlines()) == 1


def test_the_function_raises_what_the_command_says():
    with pytest.raises(BacklitError, match="unknown activation"):
        cost(sizes=[2, 3, 1], activation="relo")
