"""
Gradients by initialization
===========================

Twenty layers of ReLU, each drawn by another scheme. Halving the variance halves the gradient at every layer; over
twenty layers that is a factor of a million. Xavier, LeCun and orthogonal draw with the same variance here.
"""

import matplotlib.pyplot as plt

from backlit import diagnose

fig, ax = plt.subplots()
for scheme in ("xavier_normal", "he_normal", "lecun_normal", "orthogonal", {"scheme": "gaussian", "sigma_w": 2.0}):
    found = diagnose(depth=20, width=64, activation="relu", init=scheme, seeds=2, remedies=False)
    name = scheme if isinstance(scheme, str) else "gaussian, σ_w = 2"
    ax.semilogy(range(1, 21), [layer.delta for layer in found.measured.layers[1:]], label=name)
ax.set(xlabel="layer", ylabel="mean squared δ")
ax.legend()
