"""
Schedules of the learning rate
==============================

The factor on the learning rate over 50 epochs.
"""

import matplotlib.pyplot as plt

from backlit.optim import get_schedule

epochs = range(50)
fig, ax = plt.subplots()
for spec in (
    "constant",
    {"name": "step", "every": 15, "rate": 0.4},
    {"name": "exponential", "rate": 0.95},
    "cosine",
    "one_cycle",
    {"name": "warm_up", "length": 10, "after": "cosine"},
):
    schedule = get_schedule(spec).bind(epochs=50, steps=50)
    ax.plot(epochs, [schedule.factor(t) for t in epochs], label=schedule.name)
ax.set(xlabel="epoch", ylabel="factor on the learning rate")
ax.legend()
