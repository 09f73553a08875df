"""
The fingerprint of a mistake
============================

A student multiplies by σ′ taken at a in place of z. Where the claimed numbers leave the diagonal is where the mistake
acts: layer 2 is right, layer 1 is not. `check` replays 76 mistakes and names the one that gives exactly these numbers.
"""

import matplotlib.pyplot as plt
import numpy as np

from backlit import Dense, Network, Problem, backward, check, forward

net = Network(4, [Dense(5, "sigmoid"), Dense(3, "softmax")], loss="cross_entropy")
params = net.init({"scheme": "gaussian", "sigma_w": 3.0}, seed=0)
X = np.random.default_rng(1).normal(size=(6, 4))
y = np.arange(6) % 3
trace = forward(net, params, X)
grad = backward(net, params, trace, y)
slope_at_a = net.layers[0].activation.derivative(trace.a[1])  # the mistake
delta_1 = grad.a[1] * slope_at_a
claimed = {"1": delta_1.T @ X / 6, "2": grad.W[2]}

found = check(Problem(net, params, X=X, y=y), {"grad_W": claimed})
fig, axes = plt.subplots(1, 2, figsize=(8, 3.9))
for l, ax in zip((1, 2), axes, strict=True):
    ax.plot(grad.W[l].ravel(), claimed[str(l)].ravel(), "o", markersize=4)
    ends = [grad.W[l].min(), grad.W[l].max()]
    ax.plot(ends, ends, color="gray", linewidth=0.8)
    ax.set(xlabel="right", ylabel="claimed", title=f"grad_W[{l}]")
fig.suptitle(f"named: {found.diagnoses[0].name}")
