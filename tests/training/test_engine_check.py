"""`train` checks the engine that trains: another loss's gradient, mixed-up kernels, float32 alone, all are refused."""

import json
from dataclasses import replace

import numpy as np
import pytest

from backlit import train
from backlit.cli import main
from backlit.core import Activation, Dense, Loss, Network
from backlit.engine import Data, ReferenceEngine, TrainConfig, native
from backlit.errors import WrongGradient
from backlit.training import Settings, engine_check
from backlit.training.engine_check import check_engine, checked_engine

needs_native = pytest.mark.skipif(native.extension() is None, reason="the compiled engine was not built")
NET = Network(
    4, [Dense(5, "relu"), Dense(4, "tanh", norm="batch", dropout=0.2), Dense(3, "softmax")], loss="cross_entropy"
)


def rows(dtype=np.float32, m=40):
    rng = np.random.default_rng(0)
    return Data(rng.standard_normal((m, 4)).astype(dtype), np.eye(3, dtype=dtype)[rng.integers(0, 3, m)])


@pytest.mark.parametrize("engine", ["reference", pytest.param("native", marks=needs_native)])
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_a_right_engine_is_certified(engine, dtype):
    found = check_engine(NET, NET.init(seed=1, dtype=dtype), rows(dtype), Settings(engine=engine))
    assert found.engine == engine
    assert found.rows == engine_check.ROWS
    assert 0 < found.max_relative_error < 1e-8
    assert found.own_error < (1e-5 if dtype == np.float32 else 1e-12)
    assert found.own_error or (engine, dtype) == ("reference", np.float64)
    assert {"C", "validation C", "W[1]", "gamma[2]"} <= set(found.errors)


class Altered(ReferenceEngine):
    """An engine that answers for another network, or with other numbers."""

    def __init__(self, net, change=lambda dtype, cost, g: (cost, g), other=None):
        super().__init__(TrainConfig(other or net, Settings().optimizer, 8))
        self.change = change

    def loss_and_gradient(self, params, data):
        cost, g = super().loss_and_gradient(params, data)
        return self.change(params.theta.dtype, cost, g)


def scaled(where, factor, only=None):
    def change(dtype, cost, g):
        g = g.copy()
        g[where] *= factor if only in (None, dtype) else 1
        return cost, g

    return change


def test_an_unaltered_one_passes():
    """Test the tester."""
    assert checked_engine(Altered(NET), NET.init(seed=1, dtype=np.float32), rows()).engine == "reference"


@pytest.mark.parametrize(("change", "named"), [
    (scaled(slice(0, 20), 1.001), "W[1]"),
    (scaled(slice(0, 20), 1 + 1e-6, np.float64), "W[1]"),
    (scaled(slice(0, 20), 1.001, np.float32), "W[1]"),
    (scaled(slice(None), -1.0, np.float32), "W[1], b[1]"),
    (lambda dtype, cost, g: (cost * 1.0001, g), "C"),
    (lambda dtype, cost, g: (cost, 32 * g), "W[1]"),
])  # fmt: skip
def test_a_wrong_number_in_either_precision_is_named(change, named):
    with pytest.raises(WrongGradient, match=r"nothing was trained: ") as raised:
        checked_engine(Altered(NET, change), NET.init(seed=1, dtype=np.float32), rows())
    assert named in str(raised.value)
    assert "\n" not in str(raised.value)


def test_the_gradient_of_another_loss_is_refused_though_it_belongs_to_the_engines_own_cost():
    net = Network(4, [Dense(5, "tanh"), Dense(3)], loss="half_squared_error")
    other = Network(4, net.layers, loss="huber")
    with pytest.raises(WrongGradient, match=r"W\[1\].*, C, validation C"):
        checked_engine(Altered(net, other=other), net.init(seed=1, dtype=np.float32), rows())


def test_a_wrong_derivative_of_ones_own_is_looked_for_where_it_stands():
    cube = Activation("cube", lambda u: u**3, lambda u: 2 * u**2)  # which should be 3u²
    net = Network(4, [Dense(5, "tanh"), Dense(5, cube), Dense(3, "softmax")], loss="cross_entropy")
    with pytest.raises(WrongGradient, match=r"look at the derivative of activation cube$"):
        check_engine(net, net.init(seed=1, dtype=np.float32), rows(), Settings(engine="reference"))


def test_so_is_a_wrong_gradient_of_ones_own_loss():
    quartic = Loss("quartic", lambda a, y: ((a - y) ** 4).sum(axis=1), lambda a, y: (a - y) ** 3)
    net = Network(4, [Dense(5, "tanh"), Dense(3)], loss=quartic)
    with pytest.raises(WrongGradient, match=r"look at the derivative of loss quartic$"):
        check_engine(net, net.init(seed=1, dtype=np.float32), rows(), Settings(engine="reference"))


def test_what_backlit_ships_is_its_own_fault():
    with pytest.raises(WrongGradient, match='use engine="native", and report this'):
        checked_engine(Altered(NET, scaled(slice(0, 20), 1.001)), NET.init(seed=1), rows(np.float64))


def test_another_loss_in_validation_alone_is_refused():
    engine = Altered(NET)
    engine.loss = lambda *args: 1.01 * ReferenceEngine.loss(engine, *args)
    with pytest.raises(WrongGradient, match="trained: validation C disagrees"):
        checked_engine(engine, NET.init(seed=1, dtype=np.float32), rows())


@needs_native
def test_train_does_not_train_with_mixed_up_kernels(monkeypatch, tmp_path, capsys):
    """The compiled engine is told of tanh where the network has ReLU."""
    plan_struct = native.plan_struct

    def mixed_up(module, plan, alpha):
        layers = tuple(replace(one, activation=Dense(1, "tanh").activation) for one in plan.net.layers[:-1])
        return plan_struct(module, replace(plan, net=replace(plan.net, layers=(*layers, plan.net.layers[-1]))), alpha)

    monkeypatch.setattr(native, "plan_struct", mixed_up)
    with pytest.raises(WrongGradient, match="the native engine computes a wrong gradient"):
        train(dataset="iris", epochs=2, engine="native")
    out = tmp_path / "m.safetensors"
    assert main(["train", "--dataset", "iris", "--epochs", "2", "--out", str(out)]) == 1
    said = capsys.readouterr()
    assert said.err.count("backlit: ") == 1
    assert "nothing was trained" in said.err
    assert 'engine="reference"' in said.err
    assert not out.exists()
    assert main(["train", "--dataset", "iris", "--epochs", "2", "--engine", "reference", "--no-compare"]) == 0


def test_units_on_kinks_are_no_fault_of_the_engine():
    """All-zero rows and zero biases: every unit of the first layer lies on its kink, and rounding decides on more."""
    net = Network(4, [Dense(6, "relu"), Dense(6, "relu"), Dense(3, "softmax")], loss="cross_entropy")
    data = rows()
    data.X[:20] = 0
    found = check_engine(net, net.init(seed=1, dtype=np.float32), data, Settings())
    assert found.max_relative_error < 1e-7


def test_a_unit_that_float32_puts_on_the_other_side_of_its_kink_is_no_fault():
    """−0.1 − 0.2 + 0.3, of float32 numbers, is 7e-9 or 0, as it is added up."""
    net = Network(2, [Dense(1, "relu"), Dense(1)])
    params = net.init(seed=1, dtype=np.float32)
    params.theta[:] = 1
    params.b[1][:] = np.float32(0.3)
    data = Data(np.array([[-0.1, -0.2]], np.float32), np.zeros((1, 1), np.float32))
    engine = Altered(net)
    single = engine.loss_and_gradient(params, data)[1]
    double = engine.loss_and_gradient(params.astype(np.float64), data)[1]
    assert np.abs(single - double).max() > 0.1  # W[1]'s gradient is 0 on one side
    checked_engine(engine, params, data)
    with pytest.raises(WrongGradient, match=r"W\[1\]"):
        checked_engine(Altered(net, scaled(slice(0, 2), -1.0, np.float64)), params, data)


@pytest.mark.parametrize("X", [100.0, 1000.0])
def test_numbers_that_overflow_are_left_to_training(X):
    """e^100 is infinite in float32, e^1000 in float64 too: no fault of the engine."""
    net = Network(4, [Dense(5, "exp"), Dense(1)])
    params = net.init(seed=1, dtype=np.float32)
    params.W[1][:] = 0.25
    data = Data(np.full((8, 4), X, np.float32), np.zeros((8, 1), np.float32))
    check_engine(net, params, data, Settings())


def test_the_json_says_which_engine(capsys):
    assert main(["train", "--dataset", "iris", "--epochs", "2", "--no-compare", "--format", "json"]) == 0
    found = json.loads(capsys.readouterr().out)
    assert found["gradient_check"]["engine"] == found["engine"]
    assert found["gradient_check"]["trained_in"]["dtype"] == "float32"
    assert 0 < found["gradient_check"]["trained_in"]["max_relative_error"] < 1e-4
