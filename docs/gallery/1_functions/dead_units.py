"""
How ReLU units die
==================

A unit whose pre-activation is negative for every example has slope 0 for every example: no gradient can bring it back.
Biases drawn below 0 kill units, the more the deeper they stand.
"""

import matplotlib.pyplot as plt
import numpy as np

from backlit import Dense, Network, forward

net = Network(32, [Dense(64, "relu") for _ in range(6)])
X = np.random.default_rng(0).normal(size=(256, 32))
fig, ax = plt.subplots()
for bias in (0.0, -0.5, -1.0, -1.5):
    params = net.init("he_normal", seed=0)
    for l in range(1, 7):
        params.b[l][:] = bias
    trace = forward(net, params, X)
    ax.plot(range(1, 7), [np.mean((trace.z[l] <= 0).all(axis=0)) for l in range(1, 7)], "o-", label=f"b = {bias}")
ax.set(xlabel="layer", ylabel="share of dead units")
ax.legend()
