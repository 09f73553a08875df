"""
Around a minimum
================

A trained network's cost along two random directions of the parameter vector. `theta` is one flat vector, so walking
away from a solution is an addition.
"""

import matplotlib.pyplot as plt
import numpy as np
from sklearn.datasets import load_iris
from sklearn.preprocessing import scale

from backlit import Dense, Network, Parameters, backward, forward
from backlit.engine import Data
from backlit.training import Settings, fit

X, y = load_iris(return_X_y=True)
X = scale(X)
net = Network(4, [Dense(8, "tanh"), Dense(3, "softmax")], loss="cross_entropy", l2=0.01)
onehot = np.eye(3)[y]
params = fit(net, net.init(seed=0), Data(X, onehot), Settings(epochs=300, batch_size=30)).params
u, v = np.random.default_rng(0).normal(size=(2, net.n_parameters))
steps = np.linspace(-1.5, 1.5, 25)


def cost(theta):
    moved = Parameters(net, theta)
    return backward(net, moved, forward(net, moved, X), onehot).loss


surface = [[cost(params.theta + s * u + t * v) for s in steps] for t in steps]
fig, ax = plt.subplots(figsize=(5.6, 4.4))
filled = ax.contourf(steps, steps, surface, levels=20)
fig.colorbar(filled, label="C")
ax.plot(0, 0, "o", color="white")
ax.set(xlabel="along a random direction", ylabel="along another")
ax.grid(False)
