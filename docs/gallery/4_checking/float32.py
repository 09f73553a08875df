"""
What float32 does to a gradient
===============================

The same gradient in float32 and in float64. The relative difference stays near 10⁻⁷ at the top and grows slowly on the
way down: rounding is no reason for a gradient to be wrong in its third digit.
"""

import matplotlib.pyplot as plt
import numpy as np

from backlit import Dense, Network, backward, forward

net = Network(32, [*(Dense(32, "tanh") for _ in range(19)), Dense(4)])
X = np.random.default_rng(0).normal(size=(64, 32))
y = np.random.default_rng(1).normal(size=(64, 4))
grads = {}
for dtype in ("float32", "float64"):
    params = net.init(seed=0, dtype=dtype)
    grads[dtype] = backward(net, params, forward(net, params, X.astype(dtype)), y.astype(dtype))
params = net.init(seed=0, dtype="float32")
gap = [
    np.linalg.norm(grads["float32"].W[l] - grads["float64"].W[l]) / np.linalg.norm(grads["float64"].W[l])
    for l in range(1, 21)
]
fig, ax = plt.subplots()
ax.semilogy(range(1, 21), gap, "o-")
ax.axhline(np.finfo("float32").eps, color="gray", linewidth=0.8)
ax.set(xlabel="layer", ylabel="relative difference of ∂C/∂W")
