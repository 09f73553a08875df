"""Published worked examples, to the digits that their authors print, or to 1e-12 against exact arithmetic."""

from math import exp

import numpy as np
import pytest
from numpy.testing import assert_allclose

from backlit.core import Dense, Network, Parameters, backward, forward, total_loss
from backlit.core.parameters import trainable


def passes(net, arrays, x, y):
    params = Parameters.from_arrays(net, arrays)
    trace = forward(net, params, x)
    return params, trace, backward(net, params, trace, y)


class TestWorkedExample:
    net = Network(2, [Dense(2, "sigmoid"), Dense(1)], loss="half_squared_error")
    W1, b1, W2, b2 = [[0.1, -0.2], [0.4, 0.3]], [0, 0.1], [[0.2, -0.5]], [0]

    @pytest.fixture
    def worked(self):
        return passes(self.net, {"W": [None, self.W1, self.W2], "b": [None, self.b1, self.b2]}, [[1, 2]], [[1]])

    def test_forward(self, worked):
        trace = worked[1]
        assert_allclose(trace.z[1], [[-0.3, 1.1]], rtol=1e-12)
        assert_allclose(trace.a[1], [[0.425557483188, 0.750260105595]], rtol=0, atol=1e-12)
        assert_allclose(trace.z[2], [[-0.29001855616]], rtol=0, atol=1e-12)
        assert_allclose(trace.a[2], trace.z[2], rtol=0)

    def test_backward(self, worked):
        grad = worked[2]
        facts = [
            (grad.loss, 0.832073937618),
            (grad.delta[2], [[-1.29001855616]]),
            (grad.b[2], [-1.29001855616]),
            (grad.W[2], [[-0.548977050026, -0.967849458164]]),
            (grad.a[1], [[-0.258003711232, 0.64500927808]]),
            (grad.delta[1], [[-0.063071151658, 0.120855310741]]),
            (grad.b[1], [-0.063071151658, 0.120855310741]),
            (grad.W[1], [[-0.063071151658, -0.126142303315], [0.120855310741, 0.241710621482]]),
            (grad.a[0], [[0.042035009131, 0.048870823554]]),
        ]
        for value, printed in facts:
            assert_allclose(value, printed, rtol=0, atol=1e-12)

    def test_slope_of_the_activation(self, worked):
        slope = self.net.layer(1).activation.derivative(worked[1].u[1])
        assert_allclose(slope, [[0.244458311691, 0.187369879548]], rtol=0, atol=1e-12)

    def test_by_hand(self, worked):
        """The same numbers by arithmetic a reader can follow, to 1e-14."""
        a1 = [1 / (1 + exp(0.3)), 1 / (1 + exp(-1.1))]
        delta2 = 0.2 * a1[0] - 0.5 * a1[1] - 1
        delta1 = [delta2 * 0.2 * a1[0] * (1 - a1[0]), delta2 * -0.5 * a1[1] * (1 - a1[1])]
        grad = worked[2]
        assert_allclose(grad.loss, delta2**2 / 2, rtol=1e-14)
        assert_allclose(grad.delta[1], [delta1], rtol=1e-14)
        assert_allclose(grad.W[1], np.outer(delta1, [1, 2]), rtol=1e-14)
        assert_allclose(grad.W[2], delta2 * np.array([a1]), rtol=1e-14)


class TestMazur:
    """Mazur's 2-2-2, whose biases are not trained."""

    net = Network(2, [Dense(2, "sigmoid", train_bias=False), Dense(2, "sigmoid", train_bias=False)])
    W1, b1, W2, b2 = [[0.15, 0.20], [0.25, 0.30]], [0.35, 0.35], [[0.40, 0.45], [0.50, 0.55]], [0.60, 0.60]
    y = np.array([[0.01, 0.99]])

    @pytest.fixture
    def mazur(self):
        arrays = {"W": [None, self.W1, self.W2], "b": [None, self.b1, self.b2]}
        return passes(self.net, arrays, [[0.05, 0.10]], self.y)

    def test_forward(self, mazur):
        _, trace, grad = mazur
        assert_allclose(trace.a[2], [[0.751365069552, 0.772928465321]], rtol=0, atol=1e-12)
        assert_allclose(grad.loss, 0.298371108760, rtol=0, atol=1e-12)

    def test_gradients(self, mazur):
        """Nine significant digits are given of these; the complex-step tests hold the others."""
        grad = mazur[2]
        assert_allclose(grad.W[2], [[0.0821670406, 0.0826676278], [-0.0226025405, -0.0227402422]], rtol=0, atol=5e-11)
        W1 = [[0.000438567734, 0.000877135469], [0.000497712735, 0.000995425471]]
        assert_allclose(grad.W[1], W1, rtol=0, atol=5e-13)

    def test_one_step(self, mazur):
        params, _, grad = mazur
        params.theta -= 0.5 * grad.theta * trainable(self.net)
        trace = forward(self.net, params, [[0.05, 0.10]])
        assert_allclose(total_loss(self.net, params, trace, self.y), 0.291027773694, rtol=0, atol=1e-12)
        assert_allclose(params.b[1], 0.35, rtol=0)


class TestCS231nCircuit:
    """σ(w0 x0 + w1 x1 + w2) itself is what is differentiated: a loss with slope 1, here |a − y| from below."""

    net = Network(2, [Dense(1, "sigmoid")], loss="absolute_error")

    def test_value_and_slopes(self):
        _, trace, grad = passes(self.net, {"W": [None, [[2, -3]]], "b": [None, [-3]]}, [[-1, -2]], [[0]])
        p = 1 / (1 + exp(-1))
        slope = p * (1 - p)
        assert_allclose(trace.a[1], [[p]], rtol=1e-14)
        assert_allclose([*grad.W[1][0], *grad.b[1]], [-slope, -2 * slope, slope], rtol=1e-14)
        assert_allclose(grad.a[0], [[2 * slope, -3 * slope]], rtol=1e-14)
        printed = [0.731058579, -0.196611933, -0.393223866, 0.196611933, 0.393223866, -0.589835800]
        got = [trace.a[1][0, 0], *grad.W[1][0], *grad.b[1], *grad.a[0][0]]
        assert_allclose(got, printed, rtol=0, atol=1e-9)
