"""
Weights and where they pull
===========================

The worked example: two inputs, two hidden units, one output. On the left its weights, on the right the gradient that
backpropagation gives for each: a step against it lowers the cost.
"""

import matplotlib.pyplot as plt

from backlit import explain

made = explain(example="worked").derivation
weights, gradients = made.quantities["update"]["W"], made.quantities["grad_W"]
before = {"1": [[0.1, -0.2], [0.4, 0.3]], "2": [[0.2, -0.5]]}
spots = {0: [(0, 1), (0, 0)], 1: [(1, 1), (1, 0)], 2: [(2, 0.5)]}
fig, axes = plt.subplots(1, 2, figsize=(8.4, 3.4))
for ax, numbers, title in zip(axes, (before, gradients), ("weights", "gradient of each weight"), strict=True):
    largest = max(abs(w) for W in numbers.values() for row in W for w in row)
    for l, W in numbers.items():
        for j, row in enumerate(W):
            for k, w in enumerate(row):
                (x1, y1), (x2, y2) = spots[int(l) - 1][k], spots[int(l)][j]
                color = "#0063a5" if w > 0 else "#d1550a"
                ax.plot([x1, x2], [y1, y2], color=color, linewidth=1 + 5 * abs(w) / largest, zorder=1)
                ax.text(x1 + 0.3 * (x2 - x1), y1 + 0.3 * (y2 - y1), f"{w:.3f}", ha="center", va="center", fontsize=9,
                        bbox={"facecolor": "white", "edgecolor": "none", "pad": 1}, zorder=2)  # fmt: skip
    for points in spots.values():
        ax.scatter(*zip(*points, strict=True), s=500, facecolors="white", edgecolors="black", zorder=3)
    ax.set(title=title, xlim=(-0.3, 2.3), ylim=(-0.3, 1.3))
    ax.set_axis_off()
