"""
Batch norm and small batches
============================

σ² over few examples is often near 0, and δ is divided by it: the fewer examples a batch holds, the faster gradients
grow on their way down.
"""

import matplotlib.pyplot as plt

from backlit import diagnose

fig, ax = plt.subplots()
for batch in (4, 8, 32, 128):
    found = diagnose(depth=16, width=64, activation="relu", norm="batch", batch=batch, seeds=2, remedies=False)
    ax.semilogy(range(1, 17), [layer.delta for layer in found.measured.layers[1:]], label=f"{batch} examples")
ax.set(xlabel="layer", ylabel="mean squared δ")
ax.legend()
