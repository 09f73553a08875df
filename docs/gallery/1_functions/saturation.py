"""
Where a sigmoid stops learning
==============================

σ′ is at most ¼, and at z = ±5 it has fallen to 1/150. Tanh starts at 1 and falls twice as fast; ReLU keeps its slope
on one side and has none on the other.
"""

import matplotlib.pyplot as plt
import numpy as np

from backlit.core import ACTIVATIONS

u = np.linspace(-8, 8, 801)
fig, ax = plt.subplots()
for name, style in (("sigmoid", "-"), ("tanh", "--"), ("softsign", "-."), ("relu", ":")):
    slope = ACTIVATIONS[name].derivative(u)
    ax.semilogy(u, np.where(slope > 0, slope, np.nan), style, label=name)
ax.axhline(0.25, color="gray", linewidth=0.8)
ax.set(xlabel="z", ylabel="φ′(z)", ylim=(1e-7, 2))
ax.legend()
