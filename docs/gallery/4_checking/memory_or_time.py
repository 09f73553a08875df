"""
Memory against operations
=========================

Fifty layers need their activations on the way back. Keep fewer and compute the others again: each point is the plan
with the fewest extra operations that fits a limit.
"""

import matplotlib.pyplot as plt

from backlit import cost
from backlit.errors import ProblemError

sizes, batch = [64] * 51, 1000
whole = cost(sizes=sizes, batch=batch)
limits, extra = [], []
for share in (1.0, 0.8, 0.6, 0.5, 0.4, 0.3, 0.25, 0.2):
    try:
        plan = cost(sizes=sizes, batch=batch, memory_limit=int(whole.memory.peak * share))
    except ProblemError:  # no plan is that small
        break
    again = plan.checkpointing.extra_operations if plan.checkpointing else 0
    limits.append(plan.memory.peak / 2**20)
    extra.append(again / whole.ledger.total("forward"))
fig, ax = plt.subplots()
ax.plot(limits, extra, "o-")
ax.set(xlabel="peak memory in MiB", ylabel="extra operations, in forward passes")
