"""
The edge of chaos
=================

χ₁ is the factor by which a layer of tanh multiplies the squared gradient. Below 1 gradients vanish, above 1 they
explode; deep networks are trained along the line between.
"""

import matplotlib.pyplot as plt
import numpy as np

from backlit.core import ACTIVATIONS

tanh = ACTIVATIONS["tanh"]
x, weights = np.polynomial.hermite_e.hermegauss(80)  # means over a standard normal x
weights /= weights.sum()
sigma_w, sigma_b = np.meshgrid(np.linspace(0.5, 2.5, 41), np.linspace(0.0, 0.6, 25))
q = np.ones_like(sigma_w)
for _ in range(200):  # layer by layer, until the length stays
    q = sigma_w**2 * (tanh.function(np.sqrt(q)[..., None] * x) ** 2 @ weights) + sigma_b**2
chi = sigma_w**2 * (tanh.derivative(np.sqrt(q)[..., None] * x) ** 2 @ weights)

fig, ax = plt.subplots(figsize=(6, 4))
filled = ax.contourf(sigma_w, sigma_b, chi, levels=np.arange(0.2, 2.61, 0.2), cmap="RdBu_r", vmin=0, vmax=2)
ax.contour(sigma_w, sigma_b, chi, levels=[1], colors="black")
fig.colorbar(filled, label="χ₁")
ax.set(xlabel="σ_w", ylabel="σ_b", title="vanishing on the left, exploding on the right")
