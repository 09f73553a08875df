"""
What the memory is for
======================

Parameters, gradients and the optimizer's state do not grow with the batch. Activations and workspace do, and at a
thousand examples they are the larger half.
"""

import matplotlib.pyplot as plt

from backlit import cost

batches = (1, 16, 64, 256, 1024)
found = [cost(sizes=[784, 512, 512, 10], batch=m).memory for m in batches]
fig, ax = plt.subplots()
bottom = [0.0] * len(batches)
for part in ("parameters", "gradients", "optimizer", "activations", "workspace"):
    heights = [getattr(memory, part) / 2**20 for memory in found]
    ax.bar([str(m) for m in batches], heights, bottom=bottom, label=part)
    bottom = [a + b for a, b in zip(bottom, heights, strict=True)]
ax.set(xlabel="examples in a step", ylabel="MiB")
ax.legend()
