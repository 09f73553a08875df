"""
Lengths settle, whatever the input
==================================

q is the mean squared pre-activation. Under tanh it runs to the same value from every start, within a few layers; under
ReLU with He's variance it stays where it started.
"""

import matplotlib.pyplot as plt
import numpy as np

from backlit import Dense, Network, forward

X = np.random.default_rng(0).normal(size=(64, 200))
fig, axes = plt.subplots(1, 2, figsize=(8, 3.6), sharey=True)
for ax, activation, sigma_w in zip(axes, ("tanh", "relu"), (1.5, 2**0.5), strict=True):
    net = Network(200, [Dense(200, activation) for _ in range(12)])
    params = net.init({"scheme": "gaussian", "sigma_w": sigma_w}, seed=0)
    for start in (0.1, 0.5, 1.0, 2.0):
        trace = forward(net, params, X * start)
        ax.semilogy(range(1, 13), [np.mean(trace.z[l] ** 2) for l in range(1, 13)], label=f"inputs × {start}")
    ax.set(title=activation, xlabel="layer", ylabel="q = E z²")
axes[0].legend()
