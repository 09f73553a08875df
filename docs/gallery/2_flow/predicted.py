"""
Theory beside measurement
=========================

Mean-field theory says how E‖δ‖² shrinks from layer to layer before anything is run. Points are one draw of a network of
width 64; the band holds 95 % of such draws.
"""

import matplotlib.pyplot as plt

from backlit import diagnose

found = diagnose(depth=24, width=64, activation="tanh", sigma_w=0.9, seeds=1, remedies=False)
layers = range(1, 24)
low, high = zip(*(found.ensemble.ratio_interval(l, 1) for l in layers), strict=True)
fig, ax = plt.subplots()
ax.fill_between(layers, low, high, alpha=0.2, label="95 % of draws")
ax.plot(layers, [found.predicted.grad_ratio[l] for l in layers], "--", label="predicted")
ax.plot(layers, [found.measured.grad_ratio(l) for l in layers], "o", markersize=4, label="measured")
ax.set(xlabel="layer l", ylabel="E‖δ_l‖² / E‖δ_{l+1}‖²")
ax.legend()
