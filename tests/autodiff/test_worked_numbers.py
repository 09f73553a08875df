"""Worked numbers of the literature, by the tape alone: the textbook core is not imported here."""

import numpy as np
from numpy.testing import assert_allclose

from backlit.autodiff import gradient, record, value_and_gradient


def sigmoid(z):
    return 1 / (1 + np.exp(-z))


def mlp(W1, b1, W2, b2, x, y, output):
    a1 = sigmoid(W1 @ x + b1)
    a2 = output(W2 @ a1 + b2)
    return np.sum((a2 - y) ** 2) / 2


def test_the_worked_example():
    args = [np.array(v, float) for v in ([[0.1, -0.2], [0.4, 0.3]], [0, 0.1], [[0.2, -0.5]], [0], [1, 2])]
    loss, grads = value_and_gradient(lambda *args: mlp(*args, 1.0, lambda z: z), *args)
    expected = [
        [[-0.063071151658, -0.126142303315], [0.120855310741, 0.241710621482]],
        [-0.063071151658, 0.120855310741],
        [[-0.548977050026, -0.967849458164]],
        [-1.29001855616],
        [0.042035009131, 0.048870823554],
    ]
    assert_allclose(loss, 0.832073937618, rtol=0, atol=1e-12)
    for grad, numbers in zip(grads, expected, strict=True):
        assert_allclose(grad, numbers, rtol=0, atol=5e-12 if np.size(numbers) == 1 else 1e-12)


def test_the_worked_examples_inner_nodes():
    graph = record(
        lambda W1, x, b1, W2: np.sum((W2 @ sigmoid(W1 @ x + b1) - 1.0) ** 2) / 2,
        *(np.array(v) for v in ([[0.1, -0.2], [0.4, 0.3]], [1.0, 2.0], [0.0, 0.1], [[0.2, -0.5]])),
    )
    grads = graph.backward()
    a1 = next(node for node in graph.nodes if node.func is np.divide)
    z1 = next(node for node in graph.nodes if node.func is np.add)
    assert_allclose(z1.value, [-0.3, 1.1], atol=1e-15)
    assert_allclose(a1.value, [0.425557483188, 0.750260105595], rtol=0, atol=1e-12)
    assert_allclose(grads[a1], [-0.258003711232, 0.64500927808], rtol=0, atol=1e-11)
    assert_allclose(grads[z1], [-0.063071151658, 0.120855310741], rtol=0, atol=1e-12)


def test_mazurs_network():
    W1, b1 = np.array([[0.15, 0.20], [0.25, 0.30]]), np.array([0.35, 0.35])
    W2, b2 = np.array([[0.40, 0.45], [0.50, 0.55]]), np.array([0.60, 0.60])
    x, y = np.array([0.05, 0.10]), np.array([0.01, 0.99])

    def loss(W1, W2):
        return mlp(W1, b1, W2, b2, x, y, sigmoid)

    value, (grad1, grad2) = value_and_gradient(loss, W1, W2)
    assert_allclose(value, 0.298371108760, rtol=0, atol=1e-12)
    assert_allclose(grad1, [[0.000438567734, 0.000877135469], [0.000497712735, 0.000995425471]], rtol=0, atol=1e-12)
    assert_allclose(grad2, [[0.0821670406, 0.0826676278], [-0.0226025405, -0.0227402422]], rtol=0, atol=1e-10)
    assert_allclose(loss(W1 - 0.5 * grad1, W2 - 0.5 * grad2), 0.291027773694, rtol=0, atol=1e-12)


def test_mazurs_network_by_the_books_formulas():
    """To 1e-12 where the tutorial prints fewer digits: δ written out by hand."""
    W1, W2 = np.array([[0.15, 0.20], [0.25, 0.30]]), np.array([[0.40, 0.45], [0.50, 0.55]])
    x, y = np.array([0.05, 0.10]), np.array([0.01, 0.99])
    a1 = sigmoid(W1 @ x + 0.35)
    a2 = sigmoid(W2 @ a1 + 0.60)
    delta2 = (a2 - y) * a2 * (1 - a2)
    delta1 = (W2.T @ delta2) * a1 * (1 - a1)
    grad1, grad2 = gradient(lambda W1, W2: mlp(W1, 0.35, W2, 0.60, x, y, sigmoid), W1, W2)
    assert_allclose(grad1, np.outer(delta1, x), rtol=1e-12)
    assert_allclose(grad2, np.outer(delta2, a1), rtol=1e-12)


def test_cs231ns_circuit():
    value, grads = value_and_gradient(
        lambda w0, x0, w1, x1, w2: sigmoid(w0 * x0 + w1 * x1 + w2), 2.0, -1.0, -3.0, -2.0, -3.0
    )
    slope = np.e / (1 + np.e) ** 2  # σ'(1)
    assert_allclose(value, np.e / (1 + np.e), rtol=1e-12)
    assert_allclose(grads, slope * np.array([-1, 2, -2, -3, 1]), rtol=1e-12)
    assert_allclose(value, 0.731058579, atol=5e-10)
    assert_allclose(grads, [-0.196611933, 0.393223866, -0.393223866, -0.589835800, 0.196611933], rtol=0, atol=6e-10)
