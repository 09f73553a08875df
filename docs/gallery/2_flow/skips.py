"""
Skips carry gradients past the layers
=====================================

A skip adds 1 to each factor of the chain: what a sigmoid would swallow goes round it.
"""

import matplotlib.pyplot as plt

from backlit import diagnose

fig, ax = plt.subplots()
for scale in (None, 0.5, 0.9, 1.0):
    found = diagnose(depth=30, width=64, activation="sigmoid", skip=scale, seeds=2, remedies=False)
    label = "no skip" if scale is None else f"skips of scale {scale}"
    ax.semilogy(range(1, 31), [layer.delta for layer in found.measured.layers[1:]], label=label)
ax.set(xlabel="layer", ylabel="mean squared δ")
ax.legend()
