"""
Remedies, tried
===============

A network of twelve sigmoid layers learns nothing. `diagnose` tries remedies by a few training steps each; the loss that
is left ranks them, and a gradient ratio near 1 alone is no warrant.
"""

import matplotlib.pyplot as plt

from backlit import diagnose

found = diagnose(depth=12, width=24, activation="sigmoid", seeds=1)
tried = [remedy for remedy in found.remedies if remedy.probe is not None][:8][::-1]
fig, ax = plt.subplots(figsize=(7, 3.8))
ax.barh([remedy.remedy for remedy in tried], [remedy.probe.left for remedy in tried])
ax.axvline(found.probe.left, color="black", linestyle="--", label="as it is")
ax.set(xlabel="loss left, of a constant prediction's")
ax.legend()
