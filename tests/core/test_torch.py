"""Every number of both passes against PyTorch's functions and its autograd, for every network Hypothesis can draw."""

import numpy as np
import pytest
from hypothesis import given
from numpy.testing import assert_allclose
from tests.core.complex_step import weight_of_rows
from tests.core.rounding import assert_close, magnitudes
from tests.core.torch_twin import probe, running_statistics, twin
from tests.strategies import SHIPPED, problems

from backlit.core import Dense, Network, Statistics, forward
from backlit.core.norms import normalize

pytestmark = pytest.mark.interop


@given(problems(**SHIPPED))
def test_forward(problem):
    trace, other = problem.forward(), twin(problem)
    for name, ours, theirs in probe(trace, other):
        assert_allclose(ours, theirs, rtol=1e-10, atol=1e-10, err_msg=name)
    assert_allclose(problem.cost(), other.cost.item(), rtol=1e-10, atol=1e-12)


@given(problems(**SHIPPED))
def test_parameter_gradients(problem):
    trace, grad = problem.passes()
    other, size = twin(problem), magnitudes(problem, trace)
    theirs = other.slopes(other.cost, list(other.leaves.values()))
    for (slot, ours), expected in zip(grad.flat.items(), theirs, strict=True):
        assert_close(ours, expected, size.flat[slot], rtol=1e-10, eps=1e-13, what=f"grad {slot}")


@given(problems(**SHIPPED))
def test_every_quantity_of_every_layer(problem):
    trace, grad = problem.passes()
    other, size = twin(problem, from_logits=False), magnitudes(problem, trace)
    of = (torch_weights(problem) * other.losses).sum()
    L = problem.net.L
    for name, ours, sizes, tensors, first in (
        ("delta", grad.delta, size.delta, other.z, 1),
        ("u", grad.u, size.u, other.u, 1),
        ("a", grad.a, size.a, other.a, 0),
    ):
        for l, expected in enumerate(other.slopes(of, tensors[first:]), start=first):
            assert_close(ours[l], expected, sizes[l], rtol=1e-10, eps=1e-13, what=f"{name}[{l}] of {L}")


def torch_weights(problem):
    torch = pytest.importorskip("torch")
    return torch.from_numpy(np.asarray(weight_of_rows(problem)))


@pytest.mark.parametrize("m", [2, 3, 64])
def test_running_statistics_follow_torchs(m, rng):
    net = Network(3, [Dense(4, norm="batch", eps=1e-3), Dense(2, "softmax")], loss="cross_entropy")
    params, statistics = net.init("he_normal", seed=3), Statistics(net)
    batches = [rng.standard_normal((m, 3)) * 3 + 1 for _ in range(6)]
    for X in batches:
        statistics.update(1, forward(net, params, X).norm[1])
    mean, variance = running_statistics(1e-3, [X @ params.W[1].T + params.b[1] for X in batches])
    assert_allclose(statistics.mean[1], mean, rtol=1e-13)
    assert_allclose(statistics.variance[1], variance, rtol=1e-13)
    assert statistics.of(2) is None


def test_batch_of_one_leaves_the_running_variance_finite():
    """Torch refuses a single example; we keep the numbers finite, with variance 0."""
    net = Network(2, [Dense(2, norm="batch")])
    statistics = Statistics(net)
    statistics.update(1, normalize(net.layer(1), np.ones((1, 2))))
    assert_allclose(statistics.variance[1], 0.9)
    assert_allclose(statistics.mean[1], 0.1)
