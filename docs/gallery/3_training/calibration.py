"""
Is a probability of 0.9 right nine times in ten?
================================================

Predictions by the probability that they claim, against how often they are right. A network trained too long is surer
than it is right: its curve lies under the diagonal.
"""

import matplotlib.pyplot as plt
from sklearn.calibration import calibration_curve
from sklearn.datasets import make_classification
from sklearn.model_selection import train_test_split

from backlit import MLPClassifier

X, y = make_classification(2400, 20, n_informative=6, flip_y=0.15, random_state=0)
X, X_test, y, y_test = train_test_split(X, y, train_size=600, random_state=0)
fig, ax = plt.subplots(figsize=(4.8, 4.4))
ax.plot([0, 1], [0, 1], color="gray", linewidth=0.8)
for name, options in (
    ("200 epochs", {"max_iter": 200, "n_iter_no_change": 200, "learning_rate_init": 0.01}),
    ("early stopping", {"early_stopping": True}),
):
    model = MLPClassifier((64,), random_state=0, **options).fit(X, y)
    right, claimed = calibration_curve(y_test, model.predict_proba(X_test)[:, 1], n_bins=8)
    ax.plot(claimed, right, "o-", label=name)
ax.set(xlabel="claimed probability", ylabel="share that is right")
ax.legend()
