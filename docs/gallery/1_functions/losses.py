"""
Losses for regression
=====================

The squared error pulls in proportion to the residual, the absolute error equally everywhere; Huber's changes over at
δ = 1, and the quantile loss weighs the two sides differently.
"""

import matplotlib.pyplot as plt
import numpy as np

from backlit.core.losses import get_loss

residual = np.linspace(-3, 3, 301)[:, None]
y = np.zeros_like(residual)
fig, (left, right) = plt.subplots(1, 2, figsize=(8, 3.6))
for spec in ("half_squared_error", "absolute_error", "huber", {"name": "quantile", "quantile": 0.8}):
    loss = get_loss(spec)
    left.plot(residual, loss.value(residual, y), label=loss.name)
    right.plot(residual, loss.gradient(residual, y))
left.set(xlabel="a − y", title="ℓ")
right.set(xlabel="a − y", title="∂ℓ/∂a")
left.legend()
