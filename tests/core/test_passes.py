"""Trace and Gradients as results: shapes, what is None, and where a number left the finite ones."""

import numpy as np
import pytest
from hypothesis import given
from numpy.testing import assert_array_equal
from tests.strategies import problems

from backlit.core import Dense, DropoutKey, Network, backward, forward


@given(problems())
def test_shapes(problem):
    trace, grad = problem.passes()
    net, m = problem.net, problem.m
    assert trace.m == m
    for l in range(1, net.L + 1):
        for quantity in (trace.z, trace.u, trace.h, trace.a, grad.a, grad.u, grad.delta):
            assert len(quantity) == net.L + 1
            assert quantity[l].shape == (m, net.n[l])
        assert grad.W[l].shape == (net.n[l], net.n[l - 1])
        assert grad.b[l].shape == (net.n[l],)
        assert (grad.gamma[l] is None) == (grad.beta[l] is None) == (trace.norm[l] is None) == (not net.layer(l).norm)
        assert (trace.mask[l] is None) == (problem.dropout is None or not net.layer(l).dropout)
    for quantity in (trace.z, trace.u, trace.h, trace.norm, trace.mask, grad.u, grad.delta, grad.W, grad.b):
        assert quantity[0] is None
    assert_array_equal(trace.a[0], problem.X)
    assert grad.a[0].shape == (m, net.inputs)
    assert grad.theta.shape == (net.n_parameters,)
    assert isinstance(grad.loss, float)


@given(problems())
def test_the_layers_equations_link_the_quantities(problem):
    """What a reader checks by hand: u is z where there is no norm, a is h where nothing follows it."""
    trace, params = problem.forward(), problem.params
    assert trace.first_non_finite() is None
    for l, layer in problem.net.numbered():
        assert_array_equal(trace.z[l], trace.a[l - 1] @ params.W[l].T + params.b[l])
        assert_array_equal(trace.h[l], layer.activation.function(trace.u[l]))
        if layer.norm is None:
            assert_array_equal(trace.u[l], trace.z[l])
        if trace.mask[l] is None and layer.skip_from is None:
            assert_array_equal(trace.a[l], trace.h[l])


def test_a_skip_comes_after_dropout_and_is_not_masked():
    net = Network(3, [Dense(3, "tanh", dropout=0.9, skip_from=0, skip_scale=2.0)])
    X = np.ones((20, 3))
    trace = forward(net, net.init(seed=0), X, dropout=DropoutKey(1))
    assert_array_equal(trace.a[1], trace.h[1] * trace.mask[1] + 2 * X)
    assert (trace.a[1] == 2).any()


@pytest.mark.parametrize(("x", "first"), [(1.0, None), (np.nan, "a[0]"), (np.inf, "a[0]"), (1e300, "z[2]")])
def test_first_non_finite(x, first):
    net = Network(1, [Dense(1), Dense(1)])
    params = net.init("zeros")
    params.W[1][:], params.W[2][:] = 1, 1e300
    trace = forward(net, params, [[x]])
    assert trace.first_non_finite() == first
    backward(net, params, trace, [[0.0]])  # and no pass warns or raises: who trains looks, and says where


def test_first_non_finite_names_the_activation():
    net = Network(1, [Dense(1, "exp")])
    params = net.init("zeros")
    params.W[1][:] = 1000
    assert forward(net, params, [[1.0]]).first_non_finite() == "h[1]"


def test_lists_and_one_flat_example_are_taken():
    net = Network(2, [Dense(2, "tanh"), Dense(1)])
    params = net.init(seed=0)
    assert_array_equal(forward(net, params, [1, 2]).a[2], forward(net, params, np.array([[1.0, 2.0]])).a[2])
