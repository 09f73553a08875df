"""
Every row of δ sums to zero
===========================

Softmax shares out one unit of probability, so with cross-entropy what one score gains the others lose: δ = p − y adds
up to 0 in each example. The right class is pushed up, and each other one down by what it wrongly holds.
"""

import matplotlib.pyplot as plt
import numpy as np

from backlit import Dense, Network, backward, forward

net = Network(4, [Dense(5, "softmax")], loss="cross_entropy")
params = net.init(seed=1)
X = np.random.default_rng(0).normal(size=(8, 4)) * 2
classes = np.arange(8) % 5
delta = backward(net, params, forward(net, params, X), classes).delta[1]
fig, ax = plt.subplots(figsize=(5.6, 3.8))
image = ax.imshow(delta, cmap="RdBu_r", vmin=-1, vmax=1, aspect="auto")
fig.colorbar(image, label="δ = p − y")
ax.scatter(classes, range(8), marker="s", s=120, facecolors="none", edgecolors="black", label="the right class")
ax.set(xlabel="class", ylabel="example", title=f"largest |row sum|: {abs(delta.sum(axis=1)).max():.0e}")
ax.grid(False)
