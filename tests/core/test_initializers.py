"""Initializers: the variance each one promises, exact orthogonality, unit variance by data, and one seed, one draw.

Seeds are fixed and bounds are five standard deviations of the sample variance, so each test holds or does not.
"""

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal
from tests.helpers import raises_naming

from backlit.core import Dense, Network, forward, initialize
from backlit.core.initializers import INITIALIZERS
from backlit.errors import BacklitError, ProblemError

SIZES = (300, 200, 120)
NET = Network(SIZES[0], [Dense(SIZES[1], "relu", norm="layer"), Dense(SIZES[2])])
PROMISED = {
    "xavier": lambda n_in, n_out: 2 / (n_in + n_out),
    "he": lambda n_in, n_out: 2 / n_in,
    "lecun": lambda n_in, n_out: 1 / n_in,
}
SPREAD = {"uniform": 0.8, "normal": 2.0}  # kurtosis − 1: the variance of a sample variance is that, over N


@pytest.mark.parametrize("shape", SPREAD)
@pytest.mark.parametrize("family", PROMISED)
def test_variance(family, shape):
    params = NET.init(f"{family}_{shape}", seed=1)
    for l in (1, 2):
        W, promised = params.W[l], PROMISED[family](NET.n[l - 1], NET.n[l])
        deviation = promised * np.sqrt(SPREAD[shape] / W.size)
        assert abs((W**2).mean() - promised) < 5 * deviation
        assert abs(W.mean()) < 5 * np.sqrt(promised / W.size)
        if shape == "uniform":
            assert np.abs(W).max() <= np.sqrt(3 * promised)
            assert np.abs(W).max() > 0.99 * np.sqrt(3 * promised)
        else:
            assert np.abs(W).max() > 3.5 * np.sqrt(promised)


@pytest.mark.parametrize("scheme", [s for s in INITIALIZERS if s not in ("gaussian", "lsuv")])
def test_biases_and_shifts_are_0_and_scales_are_1(scheme):
    params = NET.init(scheme, seed=1)
    for l in (1, 2):
        assert_array_equal(params.b[l], 0)
    assert_array_equal(params.gamma[1], 1)
    assert_array_equal(params.beta[1], 0)


@pytest.mark.parametrize(("n_in", "n_out"), [(7, 7), (12, 5), (5, 12), (1, 1), (1, 6)])
def test_orthogonal(n_in, n_out):
    for seed in range(5):
        W = Network(n_in, [Dense(n_out)]).init("orthogonal", seed=seed).W[1]
        gram = W @ W.T if n_out <= n_in else W.T @ W
        assert_allclose(gram, np.eye(min(n_in, n_out)), atol=1e-14)


def test_orthogonal_is_uniform_over_rotations():
    """The trace of a Haar-distributed 3 × 3 orthogonal matrix has mean 0 and variance 1; plain QR's has not."""
    traces = [np.trace(Network(3, [Dense(3)]).init("orthogonal", seed=seed).W[1]) for seed in range(2000)]
    assert abs(np.mean(traces)) < 5 / np.sqrt(2000)
    assert abs(np.var(traces) - 1) < 0.2


def test_gaussian_with_sigma_w_and_sigma_b():
    params = NET.init({"scheme": "gaussian", "sigma_w": 1.5, "sigma_b": 0.3}, seed=2)
    for l in (1, 2):
        W, b, promised = params.W[l], params.b[l], 1.5**2 / NET.n[l - 1]
        assert abs((W**2).mean() - promised) < 5 * promised * np.sqrt(2 / W.size)
        assert abs((b**2).mean() - 0.09) < 5 * 0.09 * np.sqrt(2 / b.size)
    assert_array_equal(NET.init({"scheme": "gaussian", "sigma_w": 1.5}, seed=2).b[1], 0)
    assert_array_equal(NET.init("gaussian", seed=2).W[1], NET.init("lecun_normal", seed=2).W[1])


@pytest.mark.parametrize("scheme", ["xavier_uniform", "he_normal", "orthogonal"])
def test_gain_multiplies_w(scheme):
    once, thrice = NET.init(scheme, seed=4), NET.init({"scheme": scheme, "gain": 3.0}, seed=4)
    assert_allclose(thrice.W[2], 3 * once.W[2], rtol=1e-15)


def test_zeros():
    params = NET.init("zeros")
    assert not params.W[1].any()
    assert params.theta.sum() == SIZES[1]  # gamma


@pytest.mark.parametrize("activation", ["relu", "tanh", "sigmoid"])
def test_lsuv_reaches_unit_variance_in_every_layer(activation, rng):
    net = Network(8, [Dense(20, activation) for _ in range(10)])
    X = rng.standard_normal((200, 8)) * 5 + 1
    trace = forward(net, net.init({"scheme": "lsuv", "tolerance": 0.01}, seed=0, X=X), X)
    assert_allclose([z.var() for z in trace.z[1:]], 1, atol=0.01)
    plain = forward(net, net.init("orthogonal", seed=0), X)
    assert max(abs(z.var() - 1) for z in plain.z[1:]) > 0.3


def test_lsuv_leaves_a_layer_that_has_no_variance():
    net = Network(2, [Dense(3, "relu")])
    params = net.init("lsuv", X=np.zeros((4, 2)))
    assert np.isfinite(params.theta).all()


@pytest.mark.parametrize("scheme", INITIALIZERS)
def test_one_seed_one_draw(scheme, rng):
    X = rng.standard_normal((20, SIZES[0]))
    first, again, other = (NET.init(scheme, seed=seed, X=X).theta for seed in (5, 5, 6))
    assert_array_equal(first, again)
    assert (first != other).any() == (scheme != "zeros")


@pytest.mark.parametrize("scheme", INITIALIZERS)
def test_float32_is_the_cast_of_float64(scheme, rng):
    X = rng.standard_normal((20, SIZES[0]))
    single = NET.init(scheme, seed=5, X=X, dtype=np.float32)
    assert single.theta.dtype == np.float32
    assert_array_equal(single.theta, NET.init(scheme, seed=5, X=X).theta.astype(np.float32))


def test_layers_are_drawn_one_after_another():
    """So layers of one shape differ, and what comes later leaves what came before."""
    short, long = Network(6, [Dense(6)]), Network(6, [Dense(6), Dense(6)])
    params = long.init("he_normal", seed=7)
    assert (params.W[1] != params.W[2]).all()
    assert_array_equal(short.init("he_normal", seed=7).W[1], params.W[1])


@pytest.mark.parametrize(("scheme", "seed", "message"), [
    ("xavier", 0, ("init scheme", "'xavier'", "xavier_normal?")),
    (None, 0, ("init scheme",)),
    ({"name": "zeros"}, 0, ("init scheme", '{"scheme": ...}')),
    ({"scheme": "zeros", "gain": 2}, 0, ("init scheme", "zeros", "parameter", "'gain'", "none")),
    ({"scheme": "he_normal", "sigma_w": 2}, 0, ("init scheme", "he_normal", "parameter", "'sigma_w'", "gain")),
    ({"scheme": "gaussian", "sigma_v": 2}, 0, ("gaussian", "parameter", "'sigma_v'", "sigma_w?")),
    ({"scheme": "gaussian", "sigma_w": "2"}, 0, ("init scheme", "gaussian", "sigma_w", "finite number", "'2'")),
    ("lsuv", 0, ("init scheme", "lsuv", "scales", "layers", "data", "give", "X", "use", "orthogonal")),
    ("zeros", -1, ("seed", "negative", "-1")),
    ("zeros", 1.0, ("seed", "whole number", "1.0")),
    ("zeros", None, ("seed", "whole number", "None")),
])  # fmt: skip
def test_bad_calls(scheme, seed, message):
    with raises_naming(BacklitError, *message) as caught:
        initialize(NET, scheme, seed=seed)
    assert type(caught.value) is ProblemError


@pytest.mark.parametrize("layers", [
    [Dense(5, "tanh")] * 4,
    [Dense(5, "sigmoid"), Dense(5, "relu", skip_from=0), Dense(5, "tanh", skip_from=1, norm="layer"), Dense(3)],
    [Dense(5, "tanh"), Dense(5, "relu"), Dense(5, "tanh", skip_from=0), Dense(5, "gelu", norm="batch"), Dense(2)],
])  # fmt: skip
def test_lsuv_goes_up_layer_by_layer_as_through_the_whole_network(layers):
    """z of each layer, in the whole network's own pass, has variance 1."""
    net = Network(5, layers)
    X = 3 * np.random.default_rng(0).standard_normal((200, 5))
    params = initialize(net, "lsuv", seed=1, X=X)
    for z in forward(net, params, X).z[1:]:
        assert abs(z.var() - 1) < 0.1
