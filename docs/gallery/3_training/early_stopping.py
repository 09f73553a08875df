"""
When to stop
============

Three hundred rows, a fifth of them mislabeled, and a network that could learn them by heart. The training loss falls
for ever; the loss on rows held out turns. The parameters of its lowest point are the ones to keep.
"""

import matplotlib.pyplot as plt
import numpy as np
from sklearn.datasets import load_digits
from sklearn.model_selection import train_test_split

from backlit import MLPClassifier

X, y = load_digits(return_X_y=True)
noisy = np.where(np.random.default_rng(0).random(len(y)) < 0.2, (y + 1) % 10, y)  # a fifth of the labels is wrong
X, X_valid, y, y_valid = train_test_split(X / 16, noisy, train_size=300, random_state=0)
model = MLPClassifier((128,), learning_rate_init=0.01, max_iter=60, n_iter_no_change=60, alpha=0, random_state=0)
history = model.fit(X, y, validation_data=(X_valid[:500], y_valid[:500])).history_
valid = history.column("validation_loss")
fig, ax = plt.subplots()
ax.plot(range(1, 61), history.column("loss"), label="training")
ax.plot(range(1, 61), valid, "--", label="validation")
ax.axvline(1 + int(np.argmin(valid)), color="black", linewidth=0.8, linestyle=":")
ax.set(xlabel="epoch", ylabel="loss")
ax.legend()
