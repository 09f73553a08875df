"""
Would more rows help?
=====================

The score on rows that training never saw, by the number of rows that it did see: where the curve is still rising, more
rows help more than another network would.
"""

import matplotlib.pyplot as plt
from sklearn.datasets import load_digits
from sklearn.model_selection import train_test_split

from backlit import MLPClassifier

X, y = load_digits(return_X_y=True)
X, X_test, y, y_test = train_test_split(X / 16, y, random_state=0, stratify=y)
sizes = (40, 80, 160, 320, 640, 1280)
scores = [
    [MLPClassifier((32,), max_iter=60, random_state=seed).fit(X[:n], y[:n]).score(X_test, y_test) for seed in range(3)]
    for n in sizes
]
fig, ax = plt.subplots()
ax.fill_between(sizes, [min(s) for s in scores], [max(s) for s in scores], alpha=0.2, label="three seeds")
ax.plot(sizes, [sum(s) / 3 for s in scores], "o-")
ax.set(xlabel="training rows", ylabel="accuracy on test rows", xscale="log")
ax.legend()
