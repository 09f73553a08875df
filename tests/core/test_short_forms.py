"""The output pairs whose δ is p − y are the general chain rule, said shorter; and they keep finite what it cannot."""

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from numpy.testing import assert_allclose, assert_array_equal
from tests.core.rounding import assert_close, magnitudes
from tests.strategies import Problem, numbers, problems, within

from backlit.core import ACTIVATIONS, LOSSES, SHORT_FORMS, Dense, Network, Parameters, backward, forward, get_loss
from backlit.core.passes import example_losses

pairs = pytest.mark.parametrize("pair", SHORT_FORMS, ids="+".join)


def general(problem: Problem) -> Problem:
    """The same problem under an output activation of another name, for which core knows no short form."""
    net = problem.net
    last = net.layers[-1]
    hidden_name = replace(last.activation, name=f"own_{last.activation.name}")
    layer = Dense(last.units, hidden_name, norm=last.norm, eps=last.eps, train_bias=last.train_bias)
    other = Network(net.inputs, [*net.layers[:-1], layer], loss=net.loss, reduction=net.reduction, l2=net.l2)
    return problem.but(net=other, params=Parameters(other, problem.params.theta))


@pairs
def test_short_form_is_the_chain_rule(pair, rng):
    """Behind a hidden layer with a norm, with uneven weights: δ and ℓ of both ways agree."""
    activation, loss = pair
    for K in (1, 2, 5):
        net = Network(3, [Dense(4, "tanh", norm="layer"), Dense(K, activation)], loss=loss)
        problem = numbers(net, rng, 6, weighted=True, hard=K % 2 == 0)
        assert net.has_short_form
        assert not general(problem).net.has_short_form
        (short_trace, short), (trace, long) = problem.passes(), general(problem).passes()
        assert_allclose(short.delta[2], long.delta[2], rtol=1e-12, atol=1e-14)
        assert_allclose(
            example_losses(net, short_trace, problem.y),
            example_losses(general(problem).net, trace, problem.y),
            rtol=1e-12,
            atol=1e-14,
        )
        assert_allclose(short.theta, long.theta, rtol=1e-12, atol=1e-14)


@given(problems())
def test_short_form_in_any_network(problem):
    if not problem.net.has_short_form:
        return
    (trace, short), long = problem.passes(), general(problem).passes()[1]
    size = magnitudes(problem, trace)
    for slot, value in short.flat.items():
        assert_close(value, long.flat[slot], size.flat[slot], what=str(slot))


@pairs
def test_delta_is_prediction_minus_target(pair, rng):
    activation, loss = pair
    problem = numbers(Network(2, [Dense(3, activation)], loss=loss), rng, 4, hard=False)
    trace, grad = problem.passes()
    assert_array_equal(grad.delta[1], trace.a[1] - problem.y)


@pytest.mark.parametrize("option", [{"dropout": 0.5}, {"skip_from": 0}])
@pairs
def test_no_short_form_where_something_stands_between_activation_and_loss(pair, option):
    activation, loss = pair
    assert not Network(3, [Dense(3, activation, **option)], loss=loss).has_short_form


def test_no_short_form_for_other_pairs():
    for phi in ACTIVATIONS:
        for loss in LOSSES:
            assert Network(2, [Dense(2, phi)], loss=loss).has_short_form == ((phi, loss) in SHORT_FORMS)


# --- stability --------------------------------------------------------------------------------------------------------


def at_scores(activation: str, loss: str, u, y, dtype=np.float32):
    """ℓ and δ of an output layer whose scores are exactly u."""
    u = np.array(u, dtype)
    K = u.shape[1]
    net = Network(K, [Dense(K, activation)], loss=loss)
    params = Parameters.from_arrays(net, {"W": [None, np.eye(K)]}, dtype)
    trace = forward(net, params, u)
    assert_array_equal(trace.u[1], u)
    return example_losses(net, trace, y), backward(net, params, trace, y)


def test_cross_entropy_of_logits_at_1e4_in_float32():
    u = [[1e4, 0, -1e4], [1e4, 0, -1e4], [1e4, 0, -1e4]]
    losses, grad = at_scores("softmax", "cross_entropy", u, [0, 1, 2])
    assert_array_equal(losses, [0, 1e4, 2e4])
    assert_array_equal(grad.delta[1], [[0, 0, 0], [1, -1, 0], [1, 0, -1]])
    assert losses.dtype == grad.theta.dtype == np.float32
    assert np.isfinite(grad.theta).all()


def test_saturated_sigmoid_with_binary_cross_entropy_in_float32():
    u, y = [[1e4], [1e4], [-1e4], [-1e4], [0]], [[1], [0], [1], [0], [0.5]]
    losses, grad = at_scores("sigmoid", "binary_cross_entropy", u, y)
    assert_allclose(losses, [0, 1e4, 1e4, 0, np.log(2)], rtol=1e-7)
    assert_array_equal(grad.delta[1], [[0], [1], [-1], [0], [0]])
    assert np.isfinite(grad.theta).all()


def test_a_confident_right_answer_keeps_its_digits():
    """−ln σ(40) is 4.2e−18; through 1 − p it would be 0."""
    losses, _ = at_scores("sigmoid", "binary_cross_entropy", [[40.0]], [[1]], np.float64)
    assert_allclose(losses, [np.log1p(np.exp(-40.0))], rtol=1e-14)


def test_poisson_of_a_very_negative_score():
    losses, grad = at_scores("exp", "poisson", [[-1e4], [-1e4]], [[0], [3]])
    assert_array_equal(losses, [0, 3e4])
    assert_array_equal(grad.delta[1], [[0], [-3]])


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("loss", LOSSES)
@pytest.mark.parametrize("activation", ACTIVATIONS)
def test_every_pair_is_finite_at_scores_of_1e4(activation, loss, dtype):
    """exp is left out upwards, where inf is its value; a warning would be an error here."""
    if not within(ACTIVATIONS[activation].range, LOSSES[loss].outputs):
        return
    u = np.array([[1e4, -1e4], [-1e4, 1e4], [1e4, 1e4], [-1e4, -1e4], [50, -50]])
    u = np.minimum(u, 20) if activation == "exp" else u
    y = np.array([[0, 1], [0, 1], [1, 0], [1, 0], [1, 0]], float)
    losses, grad = at_scores(activation, loss, u, y, dtype)
    assert np.isfinite(losses).all()
    assert np.isfinite(grad.theta).all()
    assert np.isfinite(grad.a[0]).all()


def test_a_loss_that_is_made_of_another_has_no_short_form():
    loss = get_loss("half_squared_error")
    tripled = replace(loss, name="tripled", value=lambda a, y: 3 * loss.value(a, y), gradient=lambda a, y: 3 * (a - y))
    net = Network(1, [Dense(1)], loss=tripled)
    assert Network(1, [Dense(1)]).has_short_form
    assert not net.has_short_form
    params = Parameters.from_arrays(net, {"W": [None, [[2.0]]]})
    assert backward(net, params, forward(net, params, [[1.0]]), [[0.0]]).W[1] == 6
