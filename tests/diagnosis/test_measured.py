"""What is read of one pass, each quantity against its definition written out."""

import math

import numpy as np
import pytest

from backlit.core import Dense, Network, backward, forward
from backlit.diagnosis.measurement import LayerFlow, MeasuredFlow, average, divide, mean_cosine, measure_flow

NET = Network(4, [Dense(6, "tanh"), Dense(5, "relu"), Dense(5, "elu", skip_from=2, skip_scale=0.5), Dense(2)])
BIASED = {"scheme": "gaussian", "sigma_w": 2.0, "sigma_b": 1.0}


@pytest.fixture(scope="module")
def passed():
    draw = np.random.default_rng(3)
    params = NET.init(BIASED, seed=2)
    params.b[2][0] = -100  # a unit that is dead
    trace = forward(NET, params, draw.standard_normal((7, 4)))
    grad = backward(NET, params, trace, draw.standard_normal((7, 2)))
    return params, trace, grad, measure_flow(NET, params, trace, grad)


def test_lengths_are_means_over_examples_of_squares_over_units(passed):
    params, trace, grad, flow = passed
    assert flow.L == 4
    for l in range(1, 5):
        layer = flow.layers[l]
        assert layer.q == pytest.approx((trace.z[l] ** 2).sum() / trace.z[l].size)
        assert layer.delta == pytest.approx((grad.delta[l] ** 2).sum() / 7)
        assert layer.grad_a == pytest.approx((grad.a[l] ** 2).sum() / 7)
        assert layer.grad_to_weight == pytest.approx(np.linalg.norm(grad.W[l]) / np.linalg.norm(params.W[l]))


def test_the_correlation_is_the_mean_cosine_of_all_pairs(passed):
    _, trace, _, flow = passed
    z = trace.z[2]
    pairs = [z[i] @ z[j] / np.linalg.norm(z[i]) / np.linalg.norm(z[j]) for i in range(7) for j in range(i)]
    assert flow.layers[2].correlation == pytest.approx(np.mean(pairs))
    assert math.isnan(mean_cosine(z[:1]))
    assert mean_cosine(np.array([[0.0, 0.0], [3.0, 4.0], [3.0, 4.0]])) == pytest.approx(1 / 3)


def test_dead_and_saturated_are_shares_of_units_and_of_entries(passed):
    _, trace, _, flow = passed
    assert flow.layers[2].dead == (trace.z[2] < 0).all(axis=0).mean() > 0
    assert flow.layers[2].saturated == (trace.z[2] < 0).mean()
    slopes = 1 - np.tanh(trace.z[1]) ** 2
    assert 0 < flow.layers[1].saturated == (slopes < 0.05).mean() < 1
    assert (flow.layers[1].dead, flow.layers[4].dead, flow.layers[4].saturated) == (0, 0, 0)


def one_pass(last, loss, Y):
    """The flow through one layer of 5 that is sure of itself, and the slopes p (1 − p) of its outputs."""
    net = Network(4, [Dense(5, last)], loss=loss)
    params = net.init({"scheme": "gaussian", "sigma_w": 20.0}, seed=2)
    trace = forward(net, params, np.random.default_rng(3).standard_normal((7, 4)))
    flow = measure_flow(net, params, trace, backward(net, params, trace, Y))
    return flow.layers[1], trace.a[1] * (1 - trace.a[1])


CLASSES = np.eye(5)[[0, 1, 2, 3, 4, 0, 1]]


@pytest.mark.parametrize(("last", "loss", "Y"), [
    ("softmax", "cross_entropy", CLASSES),
    ("softmax[3,2]", "cross_entropy", np.hstack([np.eye(3)[[0, 1, 2, 0, 1, 2, 0]], np.eye(2)[[0, 1, 0, 1, 0, 1, 1]]])),
    ("sigmoid", "binary_cross_entropy", CLASSES),
])  # fmt: skip
def test_a_slope_that_delta_goes_around_is_neither_dead_nor_saturated(last, loss, Y):
    """δ = p − y: an output that is sure and wrong learns all the same."""
    layer, slopes = one_pass(last, loss, Y)
    assert (layer.dead, layer.saturated) == (0, 0)
    assert (slopes < 0.05 / 4).mean() > 0.3


def test_softmax_under_another_loss_is_saturated_where_p_is_near_0_or_1():
    layer, slopes = one_pass("softmax", "squared_error", CLASSES)
    assert layer.saturated == (slopes < 0.05 / 4).mean() > 0.3


def test_the_noise_scale_is_that_of_every_example_s_own_gradient(passed):
    _, trace, grad, flow = passed
    for l in range(1, 5):
        each = np.array([np.outer(grad.delta[l][i], trace.a[l - 1][i]) for i in range(7)])
        variance = ((each - each.mean(axis=0)) ** 2).sum() / 6
        signal = (grad.W[l] ** 2).sum() - variance / 7
        expected = variance / signal if signal > 0 else math.inf
        assert flow.layers[l].noise_scale == pytest.approx(expected)


@pytest.mark.parametrize(("layer", "more", "rows"), [
    ({"norm": "batch"}, {}, 6), ({}, {"l2": 0.1}, 6), ({}, {"reduction": "sum"}, 6), ({}, {}, 1),
])  # fmt: skip
def test_the_noise_scale_is_unknown_where_examples_are_not_apart(layer, more, rows):
    net = Network(3, [Dense(4, "tanh", **layer), Dense(1)], **more)
    params, X = net.init(seed=0), np.random.default_rng(0).standard_normal((rows, 3))
    trace = forward(net, params, X)
    assert (
        measure_flow(net, params, trace, backward(net, params, trace, np.zeros((rows, 1)))).layers[1].noise_scale
        is None
    )


def test_two_examples_are_enough_for_a_noise_scale():
    net = Network(3, [Dense(1)])
    params, X = net.init(seed=0), np.random.default_rng(0).standard_normal((2, 3))
    trace = forward(net, params, X)
    flow = measure_flow(net, params, trace, backward(net, params, trace, np.ones((2, 1))))
    assert flow.layers[1].noise_scale > 0


def test_terms_at_the_top_are_none_and_a_weight_of_0_has_no_ratio(passed):
    _, _, _, flow = passed
    assert [flow.grad_ratio(4), flow.weight_term(4), flow.derivative_term(4)] == [None, None, None]
    assert flow.top_to_bottom == pytest.approx(math.prod(flow.grad_ratio(l) for l in (1, 2, 3)))
    net = Network(2, [Dense(1)])
    params = net.init("zeros")
    trace = forward(net, params, np.ones((2, 2)))
    assert math.isnan(
        measure_flow(net, params, trace, backward(net, params, trace, np.ones((2, 1)))).layers[1].grad_to_weight
    )


@pytest.mark.parametrize(("a", "b"), [(1.0, 0.0), (math.inf, 1.0), (1.0, math.inf), (math.nan, 1.0)])
def test_a_ratio_without_meaning_is_nan(a, b):
    assert math.isnan(divide(a, b))
    assert divide(3.0, 2.0) == 1.5


def layer_flow(q, delta, grad_a, noise=1.0):
    return LayerFlow(q, delta, grad_a, 0.5, 0.0, 0.1, 0.2, noise)


def test_an_average_weighs_seeds_alike_whatever_their_loss():
    """Two seeds with the same flow and losses far apart: δ is in units of the top's, other quantities are not."""
    flows = [MeasuredFlow([None, layer_flow(q, 4 * s, 2 * s), layer_flow(2 * q, s, s, None if s > 1 else 3.0)],
                          np.array([[4.0, 1.0]]))
             for q, s in ((1.0, 1.0), (3.0, 1e6))]  # fmt: skip
    mean = average(flows)
    assert [(one.q, one.delta, one.grad_a) for one in mean.layers[1:]] == [(2.0, 4.0, 2.0), (4.0, 1.0, 1.0)]
    assert (mean.layers[1].noise_scale, mean.layers[2].noise_scale) == (1.0, None)
    assert mean.levels.tolist() == [[4.0, 1.0]] * 2
    assert average(flows[:1]) is flows[0]
    dead = MeasuredFlow([None, layer_flow(1.0, 0.0, 0.0), layer_flow(1.0, 0.0, 0.0)], np.empty((0, 2)))
    assert average([dead, dead]).layers[1].delta == 0.0
