"""
Optimizers in a valley
======================

Five optimizers start at the same point of a long valley. Plain gradient descent zigzags, momentum swings, and those
that divide by the gradient's size go straight for the floor.
"""

import matplotlib.pyplot as plt
import numpy as np

from backlit.optim import get_optimizer

SCALE = np.array([1.0, 20.0])
x, y = np.meshgrid(np.linspace(-4.5, 2, 100), np.linspace(-1.6, 1.6, 100))
fig, ax = plt.subplots(figsize=(7, 3.6))
ax.contour(x, y, SCALE[0] * x**2 + SCALE[1] * y**2, levels=np.geomspace(0.1, 60, 12), colors="gray", linewidths=0.5)
for spec in (
    {"name": "sgd", "learning_rate": 0.045},
    {"name": "sgd", "learning_rate": 0.01, "momentum": 0.9},
    {"name": "adagrad", "learning_rate": 0.6},
    {"name": "rmsprop", "learning_rate": 0.1},
    {"name": "adam", "learning_rate": 0.25},
):
    optimizer = get_optimizer(spec)
    theta = np.array([-4.0, 1.2])
    state, path = optimizer.init(theta), [theta]
    for t in range(1, 61):
        step, state = optimizer.update(2 * SCALE * theta, state, t, lr=optimizer.learning_rate, theta=theta)
        theta = theta + step
        path.append(theta)
    label = optimizer.name + (" with momentum" if spec.get("momentum") else "")
    ax.plot(*np.array(path).T, ".-", markersize=3, linewidth=1, label=label)
ax.set(xlabel="θ₁", ylabel="θ₂")
ax.legend(ncols=2, fontsize=8)
