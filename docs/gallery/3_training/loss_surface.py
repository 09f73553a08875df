"""
The loss over two weights
=========================

The network of the worked example, its cost over two weights of the first layer, and what backpropagation says: the
arrow against the gradient stands at right angles to the contour.
"""

import matplotlib.pyplot as plt
import numpy as np

from backlit import backward, forward, read_problem
from backlit.derivation.examples import read_example

problem = read_problem(read_example("worked"))
net, params = problem.net, problem.params
here = params.W[1][0].copy()
grad = backward(net, params, forward(net, params, problem.X), problem.y)

w = np.linspace(-6, 6, 61)
cost = np.empty((61, 61))
for i, w_2 in enumerate(w):
    for j, w_1 in enumerate(w):
        params.W[1][0] = w_1, w_2
        cost[i, j] = backward(net, params, forward(net, params, problem.X), problem.y).loss
fig, ax = plt.subplots(figsize=(5.6, 4.4))
filled = ax.contourf(w, w, cost, levels=20, cmap="viridis")
fig.colorbar(filled, label="C")
ax.plot(*here, "o", color="white")
ax.annotate("", here - 20 * grad.W[1][0], here, arrowprops={"arrowstyle": "->", "color": "white", "linewidth": 2})
ax.set(xlabel="W₁[0, 0]", ylabel="W₁[0, 1]")
ax.grid(False)
