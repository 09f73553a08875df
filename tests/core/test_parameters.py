"""One vector, many names: views write through, the layout covers theta, and a wrong array is named with its remedy."""

import pickle
from copy import deepcopy

import numpy as np
import pytest
from hypothesis import given
from numpy.testing import assert_array_equal
from tests.helpers import raises_naming
from tests.strategies import networks

from backlit.core import Dense, Network, Parameters
from backlit.core.parameters import layout, n_trainable, trainable
from backlit.errors import BacklitError, DomainError, ShapeError

NET = Network(2, [Dense(3, "tanh", norm="layer"), Dense(1, train_bias=False)])


@given(networks())
def test_layout_covers_theta_exactly_once(net):
    covered = np.zeros(net.n_parameters, int)
    for slot in layout(net):
        covered[slot.start : slot.stop] += 1
        assert slot.stop - slot.start == np.prod(slot.shape)
    assert (covered == 1).all()
    assert [slot.start for slot in layout(net)] == sorted(slot.start for slot in layout(net))


@given(networks())
def test_views_write_through(net):
    params = Parameters.zeros(net)
    for number, (_, view) in enumerate(params.items(), start=1):
        view[...] = number
    expected = [number for number, (_, view) in enumerate(params.items(), start=1) for _ in range(view.size)]
    assert_array_equal(params.theta, expected)
    params.theta[:] = np.arange(net.n_parameters)
    assert_array_equal(np.concatenate([view.ravel() for _, view in params.items()]), params.theta)


@given(networks())
def test_shapes_are_designs(net):
    params = Parameters.zeros(net)
    for names in (params.W, params.b, params.gamma, params.beta):
        assert len(names) == net.L + 1
        assert names[0] is None
    for l, layer in net.numbered():
        assert params.W[l].shape == (net.n[l], net.n[l - 1])
        assert params.b[l].shape == (net.n[l],)
        for array in (params.gamma[l], params.beta[l]):
            assert (array is None) == (layer.norm is None)
            assert array is None or array.shape == (net.n[l],)


def test_order_in_theta():
    assert [str(slot) for slot in layout(NET)] == ["W[1]", "b[1]", "gamma[1]", "beta[1]", "W[2]", "b[2]"]
    params = Parameters(NET, np.arange(19.0))
    assert_array_equal(params.W[1], [[0, 1], [2, 3], [4, 5]])  # C order
    assert_array_equal(params.gamma[1], [9, 10, 11])


def test_zeros_have_gamma_1():
    params = Parameters.zeros(NET, np.float32)
    assert params.theta.dtype == np.float32
    assert_array_equal(params.gamma[1], 1)
    assert params.theta.sum() == 3


def test_the_vector_is_kept_and_copies_are_not_views():
    theta = np.zeros(19)
    params = Parameters(NET, theta)
    assert params.theta is theta
    for other in (params.copy(), params.astype(np.float32), params.astype(np.float64), deepcopy(params)):
        other.W[1][:] = 1
        assert not theta.any()
        assert other.theta[:6].all()


@pytest.mark.parametrize("n", [18, 20])
def test_a_vector_of_another_length(n):
    with raises_naming(ShapeError, "theta", "(19,)", f"({n},)"):
        Parameters(NET, np.zeros(n))


@given(networks())
def test_pickle(net):
    params = net.init("he_normal", seed=1)
    copy = pickle.loads(pickle.dumps(params))
    assert copy.net == net
    assert_array_equal(copy.theta, params.theta)
    copy.W[1][:] = 7
    assert (copy.theta[: copy.W[1].size] == 7).all()


@given(networks())
def test_from_arrays_gives_back_what_the_names_hold(net):
    params = net.init({"scheme": "gaussian", "sigma_b": 1.0}, seed=1)
    arrays = {name: getattr(params, name) for name in ("W", "b", "gamma", "beta")}
    assert_array_equal(Parameters.from_arrays(net, arrays).theta, params.theta)
    as_lists = {name: [None if a is None else a.tolist() for a in by_layer] for name, by_layer in arrays.items()}
    assert_array_equal(Parameters.from_arrays(net, as_lists).theta, params.theta)


def test_from_arrays_leaves_the_rest_as_in_zeros():
    params = Parameters.from_arrays(NET, {"W": [None, None, [[1, 2, 3]]]}, np.float32)
    assert_array_equal(params.W[2], [[1, 2, 3]])
    assert params.theta.sum() == 6 + 3
    assert params.theta.dtype == np.float32


@pytest.mark.parametrize(("arrays", "error", "message"), [
    ({"W": [None, [[1, 2]]]}, ShapeError, ("W[1]", "shape", "(3, 2)", "(1, 2)", "rows")),
    ({"W": [None, np.ones((2, 3))]}, ShapeError, ("shape", "(3, 2)", "(2, 3)", "give", "W[1].T")),
    ({"W": [None, None, [1, 2, 3]]}, ShapeError, ("W[2]", "shape", "(1, 3)", "(3,)")),
    ({"b": [None, [[1, 2, 3]]]}, ShapeError, ("b[1]", "shape", "(3,)", "(1, 3)")),
    ({"b": [None, 0.0]}, ShapeError, ("b[1]", "shape", "(3,)", "()")),
    ({"W": [None, [[1, 2], [3], [4, 5]]]}, ShapeError, ("W[1]", "(3, 2)", "array", "numbers", "rows", "differ")),
    ({"b": [None, ["x", "y", "z"]]}, ShapeError, ("b[1]", "(3,)", "array", "numbers")),
    ({"b": [None, [0, np.nan, 0]]}, DomainError, ("b[1]", "nan", "[1]", "give", "finite", "numbers")),
    ({"W": [None, [[0, 0], [0, 0], [0, np.inf]]]}, DomainError, ("W[1]", "inf", "[2, 1]")),
    ({"beta": [None, [0, -np.inf, 0]]}, DomainError, ("beta[1]", "-inf")),
    ({"gamma": [None, None, [1]]}, ShapeError, ("network", "gamma[2]", "W[1]", "b[1]", "gamma[1]")),
    ({"W": [np.ones((3, 2)), np.ones((1, 3))]}, ShapeError, ("network", "W[0]")),
    ({"W": [None, None, None, [[1]]]}, ShapeError, ("network", "W[3]")),
    ({"w": [None, [[1]]]}, ShapeError, ("network", "w[1]")),
])  # fmt: skip
def test_bad_arrays(arrays, error, message):
    with raises_naming(BacklitError, *message) as caught:
        Parameters.from_arrays(NET, arrays)
    assert type(caught.value) is error


@given(networks())
def test_trainable_is_all_but_the_biases_that_are_kept(net):
    marked = Parameters(net, trainable(net).astype(float))
    for slot, value in marked.items():
        assert (value == (slot.name != "b" or net.layer(slot.l).train_bias)).all()


def test_repr_names_the_shapes():
    assert repr(Parameters.zeros(Network(2, [Dense(3)]))) == "Parameters(W[1] (3, 2), b[1] (3,), float64)"


@given(networks())
def test_as_many_are_trainable_as_are_marked(net):
    assert n_trainable(net) == trainable(net).sum()
