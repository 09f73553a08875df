"""
Where the operations go
=======================

A network for digits, 784 → 512 → 512 → 10. The way down takes about twice what the way up does, except in the first
layer: nobody needs the gradient of the input.
"""

import matplotlib.pyplot as plt

from backlit import cost

rows = cost(sizes=[784, 512, 512, 10], batch=32).layers()
names = [f"{row['inputs']} → {row['units']}" for row in rows]
fig, ax = plt.subplots()
left = [0] * len(rows)
for equation in ("F1", "BP4", "BP5"):
    millions = [row["equations"].get(equation, 0) / 1e6 for row in rows]
    ax.barh(names, millions, left=left, label=equation)
    left = [a + b for a, b in zip(left, millions, strict=True)]
ax.invert_yaxis()
ax.set(xlabel="million operations a step of 32 examples")
ax.legend()
