"""
A curve made of ramps
=====================

A network of one hidden layer adds up bent lines. Each thin curve is one unit's part, the thick one their sum.
"""

import matplotlib.pyplot as plt
import numpy as np

from backlit import Dense, Network, forward
from backlit.engine import Data
from backlit.training import Settings, fit

x = np.linspace(-3, 3, 200)[:, None]
y = np.sin(2 * x)
net = Network(1, [Dense(10, "tanh"), Dense(1)])
params = fit(
    net,
    net.init(seed=3),
    Data(x, y),
    Settings(epochs=2000, batch_size=50, optimizer={"name": "adam", "learning_rate": 0.02}, patience=None),
).params
trace = forward(net, params, x)
fig, ax = plt.subplots()
ax.plot(x, trace.a[1] * params.W[2], linewidth=0.8, alpha=0.7)
ax.plot(x, y, "k--", linewidth=1, label="target")
ax.plot(x, trace.a[2], linewidth=2.5, color="#d1550a", label="sum of the parts")
ax.set(xlabel="x", ylim=(-3, 3))
ax.legend()
