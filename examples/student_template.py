"""Backpropagation by hand: fill in `backprop`, then run `python student_template.py` until it says pass.

Examples stand in rows, W[l] is (units, inputs), lists start with the first layer.
"""

import numpy as np


def sigmoid(z):
    """σ(z)."""
    return 1 / (1 + np.exp(-z))


def softmax(z):
    """Probabilities, one row an example."""
    e = np.exp(z - z.max(axis=1, keepdims=True))
    return e / e.sum(axis=1, keepdims=True)


def backprop(W, b, X, y):
    """Gradients of the mean cross-entropy of a network with sigmoid hidden layers and softmax at the output.

    W, b : one array a layer, W[l] (n_l, n_{l-1}), b[l] (n_l,).  X : (m, n_0).  y : (m, n_L), one-hot rows.
    Returns loss, and grad_W and grad_b in the shapes of W and b.  delta (with 1/m in it or not), z and a may be
    returned too: the check is then more exact about where a mistake begins.
    """
    m, L = len(X), len(W)
    z, a = [], [X]
    for l in range(L):
        z.append(a[-1] @ W[l].T + b[l])
        a.append(softmax(z[-1]) if l == L - 1 else sigmoid(z[-1]))
    loss = -np.sum(y * np.log(a[-1])) / m

    grad_W, grad_b = [None] * L, [None] * L
    delta = a[-1] - y
    for l in reversed(range(L)):
        grad_W[l] = delta.T @ a[l] / m
        grad_b[l] = delta.sum(axis=0) / m
        if l > 0:
            delta = (delta @ W[l]) * a[l] * (1 - a[l])
    return {"loss": loss, "grad_W": grad_W, "grad_b": grad_b}


if __name__ == "__main__":
    from backlit.verification import check_network

    print(check_network(backprop, (4, 5, 3), activations=("sigmoid", "softmax"), loss="cross_entropy"))
