"""Whatever the compiled module is called with, it raises or gives the right numbers, and goes on working."""

import subprocess
import sys
import threading
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
from tests.engine.right_calls import Call, Setting, gemm_capsule, make, recorded, right_engine_call
from tests.helpers import HANGS
from tests.scripts import load_script

from backlit.core import Dense, Network
from backlit.engine import Data, State, TrainConfig
from backlit.engine.native import NativeEngine, extension
from backlit.optim import get_optimizer

calls = load_script("native_calls") if extension() else None
NET = Network(3, [Dense(5, "tanh", norm="batch"), Dense(5, "tanh", skip_from=1), Dense(2)])


def test_some_wrong_calls():
    """In a process of their own, which must come to its end."""
    tally, failures = calls.run_calls(200, batch=200)
    assert failures == []
    assert min(tally["ValueError"], tally["TypeError"]) > 25


@pytest.mark.slow
def test_wrong_calls():
    """A short form of scripts/native_calls.py."""
    tally, failures = calls.run_calls(1600, batch=800)
    assert failures == []
    assert tally["ValueError"] > 250
    assert tally["TypeError"] > 250
    assert tally["IndexError"] > 2
    assert tally["accepted, the same values"] > 10  # laid out in another way, and the same numbers came out
    assert tally["refused within stop"] > 2


def test_a_call_that_dies_is_found(monkeypatch, tmp_path):
    """The watcher sees a process that ends by a signal, one that hangs, and one that gives other numbers."""
    script = tmp_path / "calls.py"
    for line, told, timeout in (
        ("os.kill(os.getpid(), 11)", "call 7 of seed 0 ended its process (-11)", HANGS),
        ("time.sleep(600)", "call 7 of seed 0 did not end", 2),
        ("assert False", "AssertionError", HANGS),
    ):
        script.write_text(f"import os, sys, time\nopen(sys.argv[5], 'w').write('7')\n{line}\n")
        monkeypatch.setattr(calls, "__file__", str(script))
        while True:
            _, failures = calls.run_calls(10, timeout=timeout)
            assert len(failures) == 1
            if "call none" not in failures[0] or timeout > HANGS:  # on a busy machine it may not have begun by then
                break
            timeout *= 4
        assert told in failures[0]


def right(way="plain"):
    """The structs of a right plan, and the arguments of a run."""
    setting = Setting(2, "f8", 2, extension().instruction_sets()[0], "adam", way)
    plan, optimizer, _ = recorded(setting)
    return plan, optimizer, setting.isa


def made(plan, optimizer, isa, gemm=None):
    return extension().Engine64(plan.make(), optimizer.make(), isa, gemm)


@pytest.mark.parametrize(
    ("field", "value", "told"),
    [
        ("threads", 0, "threads must be 1 to 1024, not 0"),
        ("threads", 10**6, "threads must be 1 to 1024"),
        ("m", 0, "m must be at least 1"),
        ("m", 10**6, "takes"),
        ("bytes", 64, "the workspace has 64 bytes"),
        ("bytes", -1, "bytes must be at least 0"),
        ("panel", 32, "no multiple of 64"),
        ("panel", -1, "no place for panel"),
        ("panel_numbers", 1, "panel_numbers must be at least"),
        ("gradient", 2**62, "takes"),
        ("share", -64, "no place for share"),
        ("losses", -1, "no place for losses"),
        ("parameters", 1, "parameters from"),
        ("n_0", 400, "parameters from"),
        ("l2", np.nan, "l2 must be finite"),
    ],
)
def test_a_plan_that_is_wrong(field, value, told):
    plan, optimizer, isa = right()
    plan.fields[field] = value
    with pytest.raises(ValueError, match=told) as caught:
        made(plan, optimizer, isa)
    assert "\n" not in str(caught.value)
    recorded.cache_clear()


@pytest.mark.parametrize(
    ("layer", "field", "value", "told"),
    [
        (1, "skip_from", 1, "which is no earlier one"),
        (2, "skip_from", 2, "which is no earlier one"),
        (2, "skip_from", 0, "has 9 units and skips from layer 0, which has 4"),
        (1, "units_at_once", 0, "units_at_once"),
        (1, "units_at_once", 100, "units_at_once"),
        (1, "W", 10**6, "parameters from"),
        (1, "gamma", -1, "gamma"),
        (2, "dropout", 1.0, "dropout"),
        (2, "kept", -1, "no place for kept"),
        (1, "norm_sums", -1, "no place for norm_sums"),
        (1, "moments", -1, "no place for moments"),
        (1, "grad_a", -1, "needs a place"),
        (1, "eps", -1.0, "eps"),
        (3, "n", 4, "takes"),
        (3, "dropout", 0.5, "short form"),
        (1, "packed", 2**40, "packed"),
    ],
)
def test_a_layer_that_is_wrong(layer, field, value, told):
    plan, optimizer, isa = right()
    layers = [args[0] for name, args, _ in plan.calls if name == "add"]
    layers[layer - 1].fields[field] = value
    with pytest.raises(ValueError, match=told):
        made(plan, optimizer, isa)
    recorded.cache_clear()


def test_a_pair_without_a_short_form():
    plan, optimizer, isa = right()
    plan.calls[:] = [
        (name, ["poisson", {}] if name == "set_loss" else args, kwargs) for name, args, kwargs in plan.calls
    ]
    with pytest.raises(ValueError, match="no short form of softmax with poisson"):
        made(plan, optimizer, isa)
    recorded.cache_clear()


def test_products_by_blas_need_a_gemm_of_their_own_numbers():
    plan, optimizer, isa = right("blas")
    with pytest.raises(ValueError, match="no gemm was given"):
        made(plan, optimizer, isa)
    with pytest.raises(ValueError, match="no gemm of these numbers"):
        made(plan, optimizer, isa, gemm_capsule("sgemm"))
    made(plan, optimizer, isa, gemm_capsule("dgemm"))


def test_what_is_unknown_is_named():
    module = extension()
    for ask, told in [
        (lambda: module.LayerPlan().set_activation("swish", {}), "no activation 'swish'"),
        (lambda: module.LayerPlan().set_activation("elu", {}), "elu needs its parameter alpha"),
        (lambda: module.LayerPlan().set_activation("tanh", {"alpha": 1.0}), "tanh has no parameter 'alpha'"),
        (lambda: module.LayerPlan().set_norm("group"), "no norm 'group'"),
        (lambda: module.Plan().set_loss("huber", {"alpha": 1.0}), "huber has no parameter 'alpha'"),
        (lambda: module.OptimizerPlan("lion", {}), "no optimizer 'lion'"),
        (lambda: module.OptimizerPlan("adagrad", {}), "needs its hyperparameter eps"),
        (lambda: module.OptimizerPlan("adagrad", {"eps": 1.0, "rho": 1.0}), "no hyperparameter 'rho'"),
        (lambda: module.widths("sse9"), "no instruction set 'sse9'"),
    ]:
        with pytest.raises(ValueError, match=told):
            ask()


def training(stop, *, rows=20):
    """An engine, and a run of it."""
    rng = np.random.default_rng(0)
    engine = NativeEngine(TrainConfig(NET, get_optimizer("adam"), 4))
    state = State.start(NET, NET.init(seed=0), get_optimizer("adam"))
    data = Data(rng.standard_normal((rows, 3)), rng.standard_normal((rows, 2)))
    return (
        engine,
        state,
        data,
        lambda: engine.run(state, data, np.arange(rows), np.full(rows // 4, 0.01), lambda: stop(engine, state, data)),
    )


def test_an_engine_is_not_run_from_within_its_own_stop():
    def again(engine, state, data):
        engine.run(state, data, np.arange(20), np.full(5, 0.01), lambda: False)

    engine, state, data, run = training(again)
    with pytest.raises(RuntimeError, match="this engine is at work"):
        run()
    assert state.step == 0
    engine.run(state, data, np.arange(20), np.full(5, 0.01), lambda: False)  # and it works afterwards
    assert state.step == 5


def test_a_prediction_within_stop_is_another_plan_and_may_be():
    seen = []
    _, state, _, run = training(
        lambda engine, state, data: seen.append(engine.predict(state.params, state.statistics, data.X))
    )
    run()
    assert seen[0].shape == (20, 2)
    assert state.step == 5


def test_one_engine_of_the_module_in_two_threads():
    """Without Python's lock, which `NativeEngine` has: one call works, the others raise, and nothing else happens."""
    rng = np.random.default_rng(0)
    call = next(c for c in iter(lambda: right_engine_call(rng), None) if c.name == "run")
    engine, expected, at_work, go_on = make(call), calls.perform(call), threading.Event(), threading.Event()

    def wait():
        at_work.set()
        return not go_on.wait(HANGS)

    with ThreadPoolExecutor(2) as pool:
        first = pool.submit(calls.perform, Call("run", call.arguments | {"stop": wait}, call.engine, call.kind), engine)
        assert at_work.wait(HANGS)
        with pytest.raises(RuntimeError, match="at work"):
            calls.perform(call, engine)
        with pytest.raises(RuntimeError, match="at work"):
            _ = engine.forwards
        go_on.set()
        assert first.result(HANGS) == expected


def test_the_order_may_be_written_into_while_the_engine_reads_it():
    order = np.tile(np.arange(20), 50_000)
    rng = np.random.default_rng(0)
    engine = NativeEngine(TrainConfig(NET, get_optimizer("sgd"), 4))
    state = State.start(NET, NET.init(seed=0), get_optimizer("sgd"))
    data = Data(rng.standard_normal((20, 3)), rng.standard_normal((20, 2)))
    asked = []

    def stop():
        asked.append(1)
        if len(asked) == 2:  # some batches have been done
            order[:] = 2**50
        return False

    with pytest.raises(IndexError, match="order names row 1125899906842624, and X has rows 0 to 19"):
        engine.run(state, data, order, np.full(250_000, 1e-4), stop)
    assert 0 < state.step < 250_000
    assert np.isfinite(state.params.theta).all()


def test_a_batch_of_many_rows_of_one_input():
    """Its gradient copies a row as long as the batch, for which the plan once had no room: the process died."""
    code = (
        "import numpy as np\n"
        "from backlit.core import Dense, Network\n"
        "from backlit.engine import Data, TrainConfig, get_engine\n"
        "from backlit.optim import get_optimizer\n"
        "net = Network(1, [Dense(600, 'tanh'), Dense(3)])\n"
        "rng = np.random.default_rng(0)\n"
        "data = Data(rng.standard_normal((6000, 1)), rng.standard_normal((6000, 3)))\n"
        "recipe, params = TrainConfig(net, get_optimizer('sgd'), 6000), net.init(seed=0)\n"
        "native, textbook = (get_engine(name, recipe) for name in ('native', 'reference'))\n"
        "found, wanted = (engine.loss_and_gradient(params, data)[1] for engine in (native, textbook))\n"
        "assert abs(found - wanted).max() < 1e-12\n"
    )
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=HANGS)
    assert run.returncode == 0, run.stderr
