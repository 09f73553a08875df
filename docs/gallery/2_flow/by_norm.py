"""
What norms do to gradients
==========================

Layer norm and batch norm keep the activations' length, whatever the weights are. The gradient is another matter: under
batch norm it grows on its way down.
"""

import matplotlib.pyplot as plt

from backlit import diagnose

fig, ax = plt.subplots()
for norm in (None, "layer", "batch"):
    found = diagnose(depth=20, width=64, activation="relu", norm=norm, seeds=2, remedies=False)
    ax.semilogy(range(1, 21), [layer.delta for layer in found.measured.layers[1:]], label=norm or "no norm")
ax.set(xlabel="layer", ylabel="mean squared δ")
ax.legend()
