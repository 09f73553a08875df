"""Softmax by groups: each group is softmax, none acts on another, and both engines and files know it by its name."""

import pickle
from dataclasses import replace

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal
from tests.helpers import raises_naming

from backlit.core import Dense, Network, backward, forward, get_activation, total_loss
from backlit.core.activations import softmax
from backlit.core.activations.softmax import softmax_by_groups
from backlit.core.parameters import Parameters
from backlit.errors import DomainError, ProblemError

SIZES = (3, 2, 4)


def draw(m=5):
    rng = np.random.default_rng(0)
    return rng.standard_normal((m, 9)), rng.standard_normal((m, 9))


def test_each_group_is_a_softmax():
    u, _ = draw()
    p = softmax_by_groups(SIZES).function(u)
    for part, own in zip(np.split(p, [3, 5], axis=1), np.split(u, [3, 5], axis=1), strict=True):
        assert_array_equal(part, softmax(own))


def test_pull_back_is_the_transposed_jacobian_by_complex_step():
    u, g = draw(1)
    phi = softmax_by_groups(SIZES)
    J = np.array([phi.function(u + 1e-30j * row).imag[0] / 1e-30 for row in np.eye(9)]).T
    assert_allclose(phi.pull_back(u, g)[0], J.T @ g[0], rtol=1e-13)
    assert_allclose(phi.derivative(u)[0], np.diag(J), rtol=1e-13)


def test_the_gradient_of_a_network_is_the_cost_s_slope():
    net = Network(2, [Dense(4, "tanh"), Dense(9, softmax_by_groups(SIZES))], loss="cross_entropy")
    params, X = net.init(seed=1), draw()[0][:, :2]
    y = np.hstack([np.eye(k)[np.arange(5) % k] for k in SIZES])
    grad = backward(net, params, forward(net, params, X), y)
    for j in range(net.n_parameters):
        theta = params.theta.astype(complex)
        theta[j] += 1e-30j
        moved = Parameters(net, theta)
        slope = total_loss(net, moved, forward(net, moved, X), y).imag / 1e-30
        assert_allclose(grad.theta[j], slope, rtol=1e-11, atol=1e-13)


def test_scores_far_apart_keep_loss_and_gradient():
    """By the logarithm of a p that had rounded to 0 the loss was 708 a label, and the gradient 0."""
    net = Network(1, [Dense(5, "softmax[3,2]")], loss="cross_entropy")
    params = net.init()
    params.W[1][:, 0], params.b[1][:] = [1, 0, 0, 1, 0], 0
    for x in (1.0, 50.0, 800.0, 5000.0):
        trace = forward(net, params, np.array([[x]]))
        grad = backward(net, params, trace, np.array([[0.0, 1, 0, 0, 1]]))
        assert_allclose(grad.loss, x + np.log1p(2 * np.exp(-x)) + x + np.log1p(np.exp(-x)), rtol=1e-14)
        assert_array_equal(grad.delta[1], trace.a[1] - np.array([[0.0, 1, 0, 0, 1]]))


def test_the_short_form_is_the_chain_rule():
    net = Network(2, [Dense(4, "tanh", norm="layer"), Dense(9, softmax_by_groups(SIZES))], loss="cross_entropy")
    phi = replace(net.layers[-1].activation, name="own", function=lambda u: softmax_by_groups(SIZES).function(u))
    other = Network(2, [net.layers[0], Dense(9, phi)], loss="cross_entropy")
    assert net.has_short_form
    assert not other.has_short_form
    X, y = draw()[0][:, :2], np.hstack([np.eye(k)[np.arange(5) % k] for k in SIZES])
    params = net.init(seed=1)
    same = Parameters(other, params.theta)
    trace, long = forward(net, params, X), forward(other, same, X)
    grad, general = backward(net, params, trace, y), backward(other, same, long, y)
    assert_allclose(grad.loss, general.loss, rtol=1e-14)
    assert_allclose(grad.theta, general.theta, rtol=1e-11, atol=1e-14)


def test_targets_are_probabilities_in_each_group():
    net = Network(1, [Dense(5, "softmax[3,2]")], loss="cross_entropy")
    trace = forward(net, net.init(), np.zeros((1, 1)))
    with raises_naming(DomainError, "row 0", "y", "sums to 2", "sum", "1", "group"):
        backward(net, net.init(), trace, np.array([[1.0, 1, 0, 0, 0]]))


def test_its_name_is_its_spec():
    phi = get_activation("softmax[3,2,4]")
    assert phi is softmax_by_groups(SIZES)
    net = Network(2, [Dense(9, phi)], loss="cross_entropy")
    assert Network.from_dict(net.to_dict()) == net
    copy = pickle.loads(pickle.dumps(phi))
    assert copy == phi
    assert_array_equal(copy.function(draw()[0]), phi.function(draw()[0]))


@pytest.mark.parametrize("name", ["softmax[]", "softmax[0,2]", "softmax[3,-2]", "softmax[3", "softmax[3,2.5]"])
def test_names_that_cannot_be(name):
    with raises_naming(ProblemError, "unknown activation"):
        get_activation(name)


def test_groups_that_do_not_fit():
    with raises_naming(ProblemError, "9", "scores", "8"):
        softmax_by_groups(SIZES).function(np.zeros((1, 8)))
    with raises_naming(ProblemError, "for the output"):
        Network(2, [Dense(9, softmax_by_groups(SIZES)), Dense(1)])
