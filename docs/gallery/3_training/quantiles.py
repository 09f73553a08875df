"""
Bands in place of a line
========================

The quantile loss at 0.1, 0.5 and 0.9 gives three curves: eight points in ten lie between the outer two, and the band is
wide where the data is.
"""

import matplotlib.pyplot as plt
import numpy as np

from backlit import MLPRegressor

rng = np.random.default_rng(0)
x = np.sort(rng.uniform(-3, 3, 800))[:, None]
y = np.sin(x[:, 0]) + rng.normal(size=800) * (0.1 + 0.15 * (x[:, 0] + 3) / 2)
fig, ax = plt.subplots()
ax.plot(x, y, ".", markersize=2, color="gray")
curves = {}
for q in (0.1, 0.5, 0.9):
    loss = {"name": "quantile", "quantile": q}
    curves[q] = (
        MLPRegressor(loss, (32,), "tanh", learning_rate_init=0.01, max_iter=150, random_state=0).fit(x, y).predict(x)
    )
    ax.plot(x, curves[q], label=f"quantile {q}")
share = np.mean((y > curves[0.1]) & (y < curves[0.9]))
ax.set(xlabel="x", title=f"{share:.0%} of the points lie between the outer curves")
ax.legend()
