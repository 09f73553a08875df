"""
Why a gradient is not checked by one difference
===============================================

The error of a difference quotient by its step: too large a step and the curve bends, too small and rounding takes over.
A complex step has no difference in it, so it can be as small as one likes.
"""

import matplotlib.pyplot as plt
import numpy as np

from backlit import Dense, Network, Parameters, backward, forward

net = Network(3, [Dense(4, "tanh"), Dense(1)])
params = net.init(seed=0)
X, y = np.ones((1, 3)), np.zeros((1, 1))
right = backward(net, params, forward(net, params, X), y).theta[0]


def cost(step):
    moved = params.theta + step * np.eye(1, net.n_parameters)[0]
    a = forward(net, Parameters(net, moved), X.astype(moved.dtype)).a[2]
    return 0.5 * ((a - y) ** 2).sum()


h = np.logspace(-16, 0, 65)
errors = {
    "one-sided": [abs((cost(s) - cost(0.0)) / s - right) for s in h],
    "central": [abs((cost(s) - cost(-s)) / (2 * s) - right) for s in h],
    "complex step": [abs(cost(1j * s).imag / s - right) for s in h],
}
fig, ax = plt.subplots()
for (name, error), style in zip(errors.items(), ("-", "--", ":"), strict=True):
    ax.loglog(h, np.maximum(error, 1e-18), style, label=name)
ax.set(xlabel="step h", ylabel="error of the slope")
ax.legend()
