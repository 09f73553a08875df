"""
What the first layer looks for
==============================

Sixteen units that read 8 × 8 pixels of a digit: their weights as pictures. Red adds, blue takes away.
"""

import matplotlib.pyplot as plt
from sklearn.datasets import load_digits

from backlit import MLPClassifier

X, y = load_digits(return_X_y=True)
model = MLPClassifier((16,), "tanh", alpha=1.0, max_iter=60, random_state=0).fit(X / 16, y)
fig, axes = plt.subplots(2, 8, figsize=(8, 2.2))
for ax, weights in zip(axes.flat, model.coefs_[0].T, strict=True):
    ax.imshow(weights.reshape(8, 8), cmap="RdBu_r", vmin=-0.8, vmax=0.8)
    ax.set_axis_off()
