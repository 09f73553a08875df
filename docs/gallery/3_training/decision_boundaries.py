"""
What more units can draw
========================

Two moons, and the boundary of networks with no hidden layer, three hidden units, and thirty-two.
"""

import matplotlib.pyplot as plt
from sklearn.datasets import make_moons
from sklearn.inspection import DecisionBoundaryDisplay

from backlit import MLPClassifier

X, y = make_moons(200, noise=0.15, random_state=0)
fig, axes = plt.subplots(1, 3, figsize=(9, 3.2), sharey=True)
for ax, hidden in zip(axes, ((), (3,), (32,)), strict=True):
    model = MLPClassifier(hidden, "tanh", learning_rate_init=0.02, max_iter=400, random_state=1)  # fmt: skip
    model.fit(X, y)
    DecisionBoundaryDisplay.from_estimator(model, X, response_method="predict_proba", ax=ax, cmap="RdBu", alpha=0.6)
    ax.scatter(*X.T, c=y, s=10, cmap="RdBu", edgecolors="black", linewidths=0.3)
    ax.set(title=f"{hidden[0] if hidden else 'no'} hidden units: {model.score(X, y):.2f}")
    ax.grid(False)
