"""
Too small, right, too large
===========================

The same network with four learning rates. The largest one that does not swing is the fastest; far above it the loss is
thrown about.
"""

import matplotlib.pyplot as plt
from sklearn.datasets import load_iris
from sklearn.preprocessing import scale

from backlit import MLPClassifier

X, y = load_iris(return_X_y=True)
fig, ax = plt.subplots()
for rate in (0.01, 0.1, 1.0, 20.0):
    model = MLPClassifier(
        (16,), "tanh", solver="sgd", momentum=0, batch_size=150, learning_rate_init=rate, max_iter=60, random_state=0
    )
    ax.semilogy(range(1, 61), model.set_params(n_iter_no_change=60).fit(scale(X), y).loss_curve_, label=f"η = {rate}")
ax.set(xlabel="epoch", ylabel="training loss")
ax.legend()
