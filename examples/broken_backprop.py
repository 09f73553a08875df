"""A backpropagation in NumPy with two mistakes in it, for the tutorial in docs/check.md."""

import numpy as np


def sigmoid(z):
    """σ(z)."""
    return 1 / (1 + np.exp(-z))


def softmax(z):
    """Probabilities, one row an example."""
    e = np.exp(z - z.max(axis=1, keepdims=True))
    return e / e.sum(axis=1, keepdims=True)


def hidden_slope(z, a):
    """σ'(z), where a = σ(z)."""
    return z * (1 - z)


def bias_gradient(delta):
    """∂C/∂b of a layer."""
    return delta.mean(axis=0)


def backprop(W, b, X, y):
    """(loss, gradients of W, gradients of b) of a network with one sigmoid layer and softmax cross-entropy."""
    z1 = X @ W[0].T + b[0]
    a1 = sigmoid(z1)
    p = softmax(a1 @ W[1].T + b[1])
    loss = -np.sum(y * np.log(p)) / len(X)

    delta2 = (p - y) / len(X)
    delta1 = (delta2 @ W[1]) * hidden_slope(z1, a1)
    grad_W = [delta1.T @ X, delta2.T @ a1]
    grad_b = [bias_gradient(delta1), bias_gradient(delta2)]
    return loss, grad_W, grad_b
