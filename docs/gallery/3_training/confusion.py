"""
Which digits are taken for which
================================

Errors of a small network on scanned digits. Eights are the hardest: they share strokes with everything.
"""

import matplotlib.pyplot as plt
import numpy as np
from sklearn.datasets import load_digits
from sklearn.metrics import confusion_matrix
from sklearn.model_selection import cross_val_predict

from backlit import MLPClassifier

X, y = load_digits(return_X_y=True)
found = confusion_matrix(y, cross_val_predict(MLPClassifier((16,), max_iter=40, random_state=0), X / 16, y, cv=3))
errors = found - np.diag(np.diag(found))
fig, ax = plt.subplots(figsize=(5, 4.4))
image = ax.imshow(errors, cmap="Oranges")
for i, j in zip(*np.nonzero(errors), strict=True):
    ax.text(j, i, errors[i, j], ha="center", va="center", fontsize=8)
ax.set(
    xlabel="predicted", ylabel="true", xticks=range(10), yticks=range(10), title=f"{errors.sum()} errors in {len(y)}"
)
ax.grid(False)
