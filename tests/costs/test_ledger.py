"""The ledger equals what is counted while the textbook runs, to the operation, and PyTorch's count of the products."""

from unittest.mock import patch

import numpy as np
import pytest
from hypothesis import given
from tests.strategies import problems

from backlit.core import Dense, Network, Parameters, backward, forward, passes, total_loss
from backlit.core.targets import as_inputs
from backlit.costs.ledger import count, counted, counting, operations_of
from backlit.engine import Data, ReferenceEngine, State, TrainConfig
from backlit.optim import get_optimizer


def measured(problem):
    """(forward and cost, backward) as counters of the textbook's own passes."""
    net = problem.net
    params = Parameters(net, counted(problem.params.theta.copy()))
    with counting() as up, patch.object(passes, "as_inputs", lambda *args: counted(as_inputs(*args))):
        trace = forward(net, params, problem.X, dropout=problem.dropout)
    with counting() as cost:
        total_loss(net, params, trace, problem.y, problem.sample_weight)
    with counting() as down:
        backward(net, params, trace, problem.y, problem.sample_weight)
    return (
        (up.total + cost.total, up.matmul + cost.matmul),
        (down.total - cost.total, down.matmul - cost.matmul),  # backward gives the loss too
    )


@given(problems())
def test_the_ledger_is_what_the_textbook_executes(problem):
    ledger = count(problem.net, len(problem.X), input_gradient=True, dropout=problem.dropout is not None)
    up, down = measured(problem)
    assert ledger.total("forward") == up[0]
    assert ledger.total("backward") == down[0]
    sums = {"BP3": 1.0, "BN9": 2 / 3, "LN7": 2 / 3, "BN10": 1.0, "LN8": 1.0}  # with the shares: a matrix times a vector
    in_sums = sum(e.operations * sums.get(e.equation, 0) for e in ledger.entries)
    assert ledger.matmul("forward") == up[1] - 2 * len(problem.X)  # shares times losses
    assert ledger.matmul("backward") == pytest.approx(down[1] - in_sums)


@pytest.mark.parametrize(
    "spec",
    ["sgd", {"name": "sgd", "momentum": 0.9}, {"name": "sgd", "momentum": 0.9, "nesterov": True}, "adagrad", "rmsprop",
     {"name": "rmsprop", "momentum": 0.9}, "adam", "amsgrad", "adamw"],
    ids=str,
)  # fmt: skip
def test_an_update_is_what_the_optimizer_executes(spec):
    optimizer = get_optimizer(spec)
    net = Network(3, [Dense(4), Dense(2, train_bias=False)])
    theta = np.ones(net.n_parameters)
    state = tuple(counted(slot) for slot in optimizer.init(theta))
    with counting() as counter:
        optimizer.update(counted(theta.copy()), state, 1, lr=0.1, theta=theta)
    moving = net.n_parameters - 2
    per_parameter = counter.total // net.n_parameters + 1
    assert count(net, 1, optimizer).total("optimizer") == moving * per_parameter


def test_products_of_a_known_network():
    ledger = count(
        Network(784, [Dense(512, "relu"), Dense(512, "relu"), Dense(10, "softmax")], loss="cross_entropy"), 1
    )
    products = 784 * 512 + 512 * 512 + 512 * 10
    assert ledger.matmul("forward") == 2 * products
    assert ledger.matmul("backward") == 2 * products + 2 * (512 * 512 + 512 * 10)  # no gradient of the input


def test_the_input_gradient_is_counted_where_it_is_wanted():
    net = Network(5, [Dense(3), Dense(2)])
    without, wanted = (count(net, 7, input_gradient=flag).matmul("backward") for flag in (False, True))
    assert wanted - without == 2 * 7 * 5 * 3


@pytest.mark.interop
@given(problems())
def test_the_products_are_those_that_pytorch_counts(problem):
    torch = pytest.importorskip("torch")
    from torch.utils.flop_counter import FlopCounterMode

    net, m = problem.net, len(problem.X)
    a = torch.ones(m, net.inputs, dtype=torch.float64)
    weights = [
        torch.ones(n, k, dtype=torch.float64, requires_grad=True) for n, k in zip(net.n[1:], net.n, strict=False)
    ]
    with FlopCounterMode(display=False) as flops:
        for W in weights:
            a = a @ W.T
        a.sum().backward()
    linear = [e for e in count(net, m).entries if e.equation in ("F1", "BP4", "BP5")]
    assert sum(e.matmul for e in linear) == flops.get_total_flops()


def test_a_counter_that_misses_is_noticed(monkeypatch):
    net, X = Network(2, [Dense(3, "tanh"), Dense(1)]), np.ones((4, 2))
    params = Parameters(net, counted(net.init().theta))
    with counting() as counter:
        forward(net, params, X)
        np.exp(params.W[1])  # an operation that no equation has
    ledger = count(net, 4)
    costs_of_the_loss = ledger.total("forward") - sum(
        e.operations for e in ledger.entries if e.equation in ("F1", "F2")
    )
    assert counter.total == ledger.total("forward") - costs_of_the_loss + 6


def test_counting_ends_with_its_block():
    with counting() as counter:
        pass
    operations_of(np.exp, np.ones(5))
    assert counter.total == 0
    assert operations_of(lambda x: (x @ x.T).sum(), np.ones((2, 3))) == 2 * 2 * 2 * 3 + 4


def test_counting_leaves_the_numbers_alone():
    net = Network(3, [Dense(4, "gelu", norm="batch"), Dense(2, "softmax")], loss="cross_entropy")
    data = Data(np.random.default_rng(0).normal(size=(6, 3)), np.eye(2)[[0, 1, 0, 1, 1, 0]])
    plain, seen = (State.start(net, net.init(), get_optimizer("adam")) for _ in range(2))
    seen.params = Parameters(net, counted(seen.params.theta))
    engine = ReferenceEngine(TrainConfig(net, get_optimizer("adam"), 3))
    for state in (plain, seen):
        engine.run(state, data, np.arange(6), np.array([0.1, 0.1]), lambda: False)
    np.testing.assert_array_equal(np.asarray(seen.params.theta), plain.params.theta)
