"""Targets, inputs and weights: the forms that are taken, and one line for each that is not."""

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal
from tests.helpers import raises_naming

from backlit.core import Dense, Network, backward, forward
from backlit.core.passes import example_losses
from backlit.core.targets import as_inputs, as_targets, shares
from backlit.errors import BacklitError, DomainError, ShapeError

CLASSES = Network(2, [Dense(3, "softmax")], loss="cross_entropy")
SCORES = Network(2, [Dense(3, "sigmoid")], loss="cross_entropy")
LABELS = Network(2, [Dense(3, "sigmoid")], loss="binary_cross_entropy")
BIT = Network(2, [Dense(1, "sigmoid")], loss="binary_cross_entropy")
COUNT = Network(2, [Dense(1, "exp")], loss="poisson")
PLANE = Network(2, [Dense(2)])
LINE = Network(2, [Dense(1)])
SUM = Network(2, [Dense(1)], reduction="sum")


@pytest.mark.parametrize(("net", "y", "m", "expected"), [
    (CLASSES, [2, 0], 2, [[0, 0, 1], [1, 0, 0]]),
    (CLASSES, [[2], [0]], 2, [[0, 0, 1], [1, 0, 0]]),
    (CLASSES, np.array([2, 0], np.uint8), 2, [[0, 0, 1], [1, 0, 0]]),
    (CLASSES, [2.0, 0.0], 2, [[0, 0, 1], [1, 0, 0]]),
    (CLASSES, [True, False], 2, [[0, 1, 0], [1, 0, 0]]),
    (CLASSES, [1], 1, [[0, 1, 0]]),
    (CLASSES, [0.25, 0.5, 0.25], 1, [[0.25, 0.5, 0.25]]),
    (CLASSES, [0, 1, 2], 3, np.eye(3)),
    (CLASSES, np.eye(3), 3, np.eye(3)),
    (SCORES, [[0, 0, 0]], 1, [[0, 0, 0]]),
    (LABELS, [[1, 1, 0]], 1, [[1, 1, 0]]),
    (LABELS, [1, 1, 0], 1, [[1, 1, 0]]),
    (BIT, [1, 0, 1], 3, [[1], [0], [1]]),
    (BIT, [[1], [0]], 2, [[1], [0]]),
    (LINE, [3.5], 1, [[3.5]]),
    (PLANE, [3.5, 2], 1, [[3.5, 2]]),
    (COUNT, [0, 7], 2, [[0], [7]]),
])  # fmt: skip
def test_forms_of_targets(net, y, m, expected):
    for dtype in (np.float32, np.float64):
        rows = as_targets(net, y, m, dtype)
        assert rows.dtype == dtype
        assert_array_equal(rows, np.array(expected, dtype))


@pytest.mark.parametrize(("net", "y", "m", "error", "message"), [
    (CLASSES, [3, 0], 2, DomainError, ("y[0]", "3", "class", "indices", "2", "outputs")),
    (CLASSES, [0, -1], 2, DomainError, ("y[1]", "-1", "class", "indices")),
    (CLASSES, [0, 0.5], 2, DomainError, ("y[1]", "0.5", "class", "indices")),
    (CLASSES, [0, np.nan], 2, DomainError, ("y[1]", "nan", "class", "indices")),
    (CLASSES, [0, 1e300], 2, DomainError, ("y[1]", "1e+300", "class", "indices")),
    (CLASSES, [np.inf, 0], 2, DomainError, ("y[0]", "inf", "class", "indices")),
    (CLASSES, [0, 1, 2], 2, ShapeError, ("y", "shape", "(2, 3)", "examples", "outputs", "class", "indices")),
    (CLASSES, [[1, 0]], 1, ShapeError, ("y", "shape", "(1, 3)")),
    (CLASSES, [[0.5, 0.5, 0.5]], 1, DomainError, ("row 0", "y", "sums to 1.5", "cross_entropy", "softmax")),
    (CLASSES, [[1, 0, 0], [0, 0, 0]], 2, DomainError, ("row 1", "y", "sums to 0")),
    (CLASSES, [[2, -1, 0]], 1, DomainError, ("y[0][0]", "2", "cross_entropy", "finite targets", "[0, 1]")),
    (CLASSES, ["cat", "dog"], 2, DomainError, ("y", "numbers")),
    (CLASSES, None, 2, DomainError, ("y", "numbers", "object")),
    (CLASSES, [1 + 0j, 0], 2, DomainError, ("y", "numbers", "complex128")),
    (PLANE, [[1, 2], [3]], 2, ShapeError, ("y", "rows", "2", "numbers", "differ", "length")),
    (LINE, [[1], [2], [3]], 2, ShapeError, ("y", "shape", "(2, 1)", "examples", "outputs", "(3, 1)")),
    (PLANE, [1, 2], 2, ShapeError, ("y", "shape", "(2, 2)")),
    (LINE, [[[1]]], 1, ShapeError, ("(1, 1, 1)",)),
    (LINE, 3.0, 1, ShapeError, ("()",)),
    (BIT, [2, 0], 2, DomainError, ("y[0][0]", "2", "binary_cross_entropy", "finite targets", "[0, 1]")),
    (COUNT, [0, -1], 2, DomainError, ("y[1][0]", "-1", "poisson", "finite targets", "[0, inf]")),
    (LINE, [np.nan], 1, DomainError, ("y[0][0]", "nan")),
])  # fmt: skip
def test_bad_targets(net, y, m, error, message):
    with raises_naming(BacklitError, *message) as caught:
        as_targets(net, y, m)
    assert type(caught.value) is error


@pytest.mark.parametrize(("X", "message"), [
    ([[1, 2, 3]], ("x", "rows", "numbers", "(m, 2)", "array", "shape", "(1, 3)")),
    ([1, 2, 3], ("array", "shape", "(3,)")),
    ([[[1, 2]]], ("array", "shape", "(1, 1, 2)")),
    ([[1, 2], [3]], ("x", "rows", "2", "numbers", "differ", "length")),
    ([["a", "b"]], ("x", "rows", "2", "numbers", "differ", "length")),
    (np.zeros((0, 2)), ("x", "rows", "give", "at least one", "example")),
    (3.0, ("array", "shape", "()")),
    (None, ("x", "rows", "2", "numbers")),
])  # fmt: skip
def test_bad_inputs(X, message):
    with raises_naming(ShapeError, *message):
        as_inputs(LINE, X, np.float64)


def test_forms_of_inputs():
    assert_array_equal(as_inputs(LINE, [1, 2], np.float64), [[1, 2]])
    assert as_inputs(LINE, [[1, 2]], np.float32).dtype == np.float32
    assert as_inputs(LINE, np.array([[1, 2]], np.float64), np.complex128).dtype == np.complex128


def test_shares():
    assert_allclose(shares(LINE, 4, None, np.float64), 0.25)
    assert_allclose(shares(SUM, 4, None, np.float64), 1)
    assert_allclose(shares(LINE, 3, [1, 0, 3], np.float64), [0.25, 0, 0.75])
    assert_allclose(shares(SUM, 3, [1, 0, 3], np.float64), [1, 0, 3])
    assert_allclose(shares(SUM, 2, [0, 0], np.float64), 0)
    assert shares(LINE, 3, [1, 0, 3], np.float32).dtype == np.float32


@pytest.mark.parametrize(("net", "w", "error", "message"), [
    (LINE, [1, 2], ShapeError, ("sample_weight", "shape", "(3,)", "examples", "(2,)")),
    (LINE, [[1], [2], [3]], ShapeError, ("(3, 1)",)),
    (LINE, 1.0, ShapeError, ("()",)),
    (LINE, ["a", "b", "c"], ShapeError, ("sample_weight", "3", "numbers")),
    (LINE, [[1], [2, 3], [4]], ShapeError, ("sample_weight", "3", "numbers")),
    (LINE, [1, -2, 3], DomainError, ("sample_weight[1]", "-2", "weights", "finite", "not negative")),
    (SUM, [1, np.nan, 3], DomainError, ("sample_weight[1]", "nan")),
    (SUM, [np.inf, 1, 3], DomainError, ("sample_weight[0]", "inf")),
    (LINE, [0, 0, 0], DomainError, ("sample_weight", "sums to 0", "undefined")),
])  # fmt: skip
def test_bad_weights(net, w, error, message):
    with raises_naming(BacklitError, *message) as caught:
        shares(net, 3, w, np.float64)
    assert type(caught.value) is error


@pytest.mark.parametrize(("loss", "activation", "message"), [
    ("cross_entropy", "tanh", ("cross_entropy", "outputs", "[0, inf]", "a[1][0][0]", "-0.761594", "activation tanh")),
    ("binary_cross_entropy", "identity", ("binary_cross_entropy", "outputs", "[0, 1]", "a[1][0][0]", "-1")),
    ("poisson", "identity", ("poisson", "outputs", "[0, inf]", "use", "output", "activation", "range", "fits")),
])  # fmt: skip
def test_an_output_outside_the_losss_domain(loss, activation, message):
    net = Network(1, [Dense(1, activation)], loss=loss)
    params = net.init("zeros")
    params.W[1][:] = 1
    trace = forward(net, params, [[-1.0]])
    for call in (lambda: example_losses(net, trace, [[1]]), lambda: backward(net, params, trace, [[1]])):
        with raises_naming(DomainError, *message):
            call()
