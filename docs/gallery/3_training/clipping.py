"""
Clipping a gradient
===================

By norm the whole vector is shortened and keeps its direction; by value each entry is cut by itself, which may turn it.
"""

import matplotlib.pyplot as plt
import numpy as np

from backlit.optim import clip_by_norm, clip_by_value

fig, axes = plt.subplots(1, 2, figsize=(8, 4), sharey=True)
angles = np.linspace(0, 2 * np.pi, 17)[:-1]
for ax, clip, title in zip(axes, (clip_by_norm, clip_by_value), ("by norm, c = 1", "by value, c = 1"), strict=True):
    for angle in angles:
        g = 1.8 * np.array([np.cos(angle), np.sin(angle)])
        short = clip(g, 1.0)
        ax.plot([0, g[0]], [0, g[1]], color="lightgray", linewidth=1)
        ax.annotate("", short, (0, 0), arrowprops={"arrowstyle": "->", "color": "#0063a5"})
    ax.set(title=title, aspect="equal", xlim=(-2, 2), ylim=(-2, 2))
