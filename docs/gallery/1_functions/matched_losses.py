"""
Why cross-entropy goes with a sigmoid
=====================================

The output is sure of the wrong answer on the left (y = 1). With the squared error δ has the factor σ′(z) and vanishes
there; with cross-entropy the factor cancels, and δ = a − y stays near −1.
"""

import matplotlib.pyplot as plt
import numpy as np

from backlit import Dense, Network, Parameters, backward, forward

z = np.linspace(-8, 8, 161)[:, None]
fig, ax = plt.subplots()
for loss in ("half_squared_error", "binary_cross_entropy"):
    net = Network(1, [Dense(1, "sigmoid")], loss=loss)
    params = Parameters(net, np.array([1.0, 0.0]))  # z is the input itself
    grad = backward(net, params, forward(net, params, z), np.ones_like(z))
    ax.plot(z, grad.delta[1], label=loss)
ax.set(xlabel="z", ylabel="δ at the output, y = 1")
ax.legend()
