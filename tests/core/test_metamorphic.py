"""Facts that hold for any network without knowing its numbers, and the chain rule as one product."""

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.testing import assert_allclose
from tests.core.rounding import assert_close, magnitudes
from tests.strategies import Problem, numbers, problems

from backlit.core import Dense, Network, Parameters, forward
from backlit.core.passes import backward


def rebuilt(problem: Problem, **changes) -> Problem:
    """The same problem with fields of its network changed."""
    net = problem.net
    fields = {"loss": net.loss, "reduction": net.reduction, "l2": net.l2, **changes}
    other = Network(net.inputs, fields.pop("layers", net.layers), **fields)
    return problem.but(net=other, params=Parameters(other, problem.params.theta))


def assert_same_gradient(problem: Problem, theta: np.ndarray, factor: float = 1.0) -> None:
    """Whether theta is `factor` times the problem's gradient."""
    trace, grad = problem.passes()
    claimed, size = Parameters(problem.net, theta), magnitudes(problem, trace)
    for slot, value in grad.flat.items():
        assert_close(claimed[slot], factor * value, 8 * factor * size.flat[slot], what=str(slot))


@given(problems())
def test_a_loss_times_c_has_c_times_the_gradient(problem):
    loss, c = problem.net.loss, 2.5
    times_c = replace(
        loss, name="own", value=lambda a, y: c * loss.value(a, y), gradient=lambda a, y: c * loss.gradient(a, y)
    )
    plain = rebuilt(problem, l2=0.0)
    if problem.net.loss.name == "cross_entropy" and np.ndim(problem.y) == 1:
        plain = plain.but(y=np.eye(problem.net.outputs)[problem.y])
    assert_same_gradient(plain, rebuilt(plain, loss=times_c).passes()[1].theta, c)


@given(problems(dropout=False))
def test_a_doubled_batch_leaves_the_gradient_of_a_mean_and_doubles_that_of_a_sum(problem):
    """Batch norm included: doubling leaves the moments."""
    w = problem.sample_weight
    plain = rebuilt(problem, l2=0.0)
    doubled = plain.but(
        X=np.concatenate([problem.X, problem.X]),
        y=np.concatenate([problem.y, problem.y]),
        sample_weight=None if w is None else np.concatenate([w, w]),
    )
    assert_same_gradient(plain, doubled.passes()[1].theta, 1 if problem.net.reduction == "mean" else 2)


@given(problems(dropout=False), st.randoms(use_true_random=False))
def test_the_order_of_the_examples_does_not_matter(problem, random):
    order = random.sample(range(problem.m), problem.m)
    w = problem.sample_weight
    shuffled = problem.but(X=problem.X[order], y=problem.y[order], sample_weight=None if w is None else w[order])
    assert_same_gradient(problem, shuffled.passes()[1].theta)
    (trace, grad), other = problem.passes(), shuffled.passes()[1]
    for l in range(1, problem.net.L + 1):
        assert_close(other.delta[l], grad.delta[l][order], 8 * magnitudes(problem, trace).delta[l])


@given(problems(norms=[None, "layer"], dropout=False, weights=False))
def test_a_weight_of_two_is_the_example_twice(problem):
    w = 1 + np.arange(problem.m) % 2
    twice = problem.but(X=np.repeat(problem.X, w, axis=0), y=np.repeat(problem.y, w, axis=0))
    assert_same_gradient(twice, problem.but(sample_weight=w).passes()[1].theta)


@given(problems())
def test_a_weight_of_zero_hides_the_targets_of_an_example(problem):
    if problem.sample_weight is None or problem.sample_weight.all():
        return
    hidden, y = problem.sample_weight == 0, np.array(problem.y, copy=True)
    y[hidden] = np.roll(y[~hidden][:1], 1, axis=-1)
    assert_same_gradient(problem, problem.but(y=y).passes()[1].theta)


@given(problems())
def test_the_size_of_the_weights_does_not_matter_to_a_mean(problem):
    if problem.sample_weight is not None and problem.net.reduction == "mean":
        assert_same_gradient(problem, problem.but(sample_weight=7 * problem.sample_weight).passes()[1].theta)


@given(problems(weights=False))
def test_a_sum_is_m_times_the_mean(problem):
    plain = rebuilt(problem, l2=0.0, reduction="mean")
    assert_same_gradient(plain, rebuilt(plain, reduction="sum").passes()[1].theta, problem.m)


@given(problems())
def test_l2_adds_lambda_times_the_weights_and_nothing_else(problem):
    grad, plain = rebuilt(problem, l2=0.25).passes()[1], rebuilt(problem, l2=0.0).passes()[1]
    for slot, value in grad.flat.items():
        pull = 0.25 * problem.params[slot] if slot.name == "W" else 0
        assert_allclose(value, plain.flat[slot] + pull, rtol=1e-13, atol=1e-13 * np.abs(value).max())


@given(problems(dropout=False, skips=False, depths=(2, 3, 4)), st.data())
def test_permuting_hidden_units_permutes_the_gradient(problem, data):
    l = data.draw(st.integers(1, problem.net.L - 1))
    order = np.array(data.draw(st.permutations(range(problem.net.n[l]))))
    assert_same_gradient(problem, permuted(relabeled(problem, l, order).passes()[1].flat, l, np.argsort(order)).theta)


def relabeled(problem: Problem, l: int, order: np.ndarray) -> Problem:
    """The same function with the units of layer l in another order."""
    statistics = problem.statistics
    if statistics and statistics.of(l):
        statistics = replace_moments(problem, l, order)
    return problem.but(params=permuted(problem.params, l, order), statistics=statistics)


def replace_moments(problem: Problem, l: int, order: np.ndarray):
    from copy import deepcopy

    statistics = deepcopy(problem.statistics)
    statistics.mean[l], statistics.variance[l] = statistics.mean[l][order], statistics.variance[l][order]
    return statistics


def permuted(params: Parameters, l: int, order: np.ndarray) -> Parameters:
    copy = params.copy()
    for name in ("W", "b", "gamma", "beta"):
        array = getattr(params, name)[l]
        if array is not None:
            getattr(copy, name)[l][...] = array[order]
    copy.W[l + 1][...] = params.W[l + 1][:, order]
    return copy


@given(problems(loss_names=["cross_entropy"], activation_names=["tanh", "softplus", "softmax"]))
def test_delta_of_softmax_with_cross_entropy_sums_to_0(problem):
    if problem.net.has_short_form:
        assert_allclose(problem.passes()[1].u[problem.net.L].sum(axis=1), 0, atol=1e-14)


@given(
    problems(
        norms=[None],
        skips=False,
        activation_names=["relu", "leaky_relu", "identity"],
        loss_names=["half_squared_error"],
    )
)
def test_without_biases_relu_gives_equal_w_times_gradient_over_layers(problem):
    """⟨W_l, ∂C/∂W_l⟩ is ⟨a_L, ∂C/∂a_L⟩ at every layer: the output is homogeneous of degree 1 in each W_l."""
    plain = rebuilt(problem, l2=0.0)
    params = plain.params.copy()
    for b in params.b[1:]:
        b[:] = 0
    products = [(W * G).sum() for W, G in zip(params.W[1:], plain.passes(params)[1].W[1:], strict=True)]
    size = max(np.abs(W * G).sum() for W, G in zip(params.W[1:], plain.passes(params)[1].W[1:], strict=True))
    assert_allclose(products, products[0], rtol=1e-12, atol=1e-13 * size)


def test_chain_rule_as_one_product(rng):
    """∂ℓ/∂a_l = ∏_{k>l} W_kᵀ diag φ'(z_k) · ∂ℓ/∂a_L, and δ_l has one more factor in front, diag φ'(z_l)."""
    net = Network(3, [Dense(4, "tanh"), Dense(5, "silu"), Dense(2, "sigmoid"), Dense(3, "mish")])
    problem = numbers(net, rng, 1)
    trace, grad = problem.passes()

    def diag(k: int) -> np.ndarray:
        return np.diag(net.layer(k).activation.derivative(trace.z[k][0]))

    for l in range(net.L + 1):
        product = np.eye(net.n[l])
        for k in range(l + 1, net.L + 1):
            product = product @ problem.params.W[k].T @ diag(k)
        slope = product @ grad.a[net.L][0]
        assert_allclose(grad.a[l][0], slope, rtol=1e-12)
        if l:
            assert_allclose(grad.delta[l][0], diag(l) @ slope, rtol=1e-12)


@pytest.mark.parametrize("depth", [1, 40])
def test_an_identity_skip_hands_the_gradient_down_whole(depth, rng):
    """With W = 0 each block is the identity, however many there are."""
    net = Network(3, [Dense(3, "tanh", skip_from=l) for l in range(depth)])
    params = net.init("zeros")
    X, y = rng.standard_normal((2, 4, 3))
    trace = forward(net, params, X)
    assert_allclose(trace.a[depth], X, rtol=0)
    assert_allclose(backward(net, params, trace, y).a[0], X - y, rtol=0)


@given(problems(norms=["batch"], running=False))
def test_a_bias_in_front_of_batch_norm_has_no_effect(problem):
    trace, grad = problem.passes()
    size = magnitudes(problem, trace)
    for l in range(1, problem.net.L + 1):
        assert_close(grad.b[l], np.zeros_like(grad.b[l]), 8 * size.flat.b[l])
