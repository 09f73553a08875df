"""
Activations and their slopes
============================

The solid line is φ, the dashed one φ′, which is what backpropagation multiplies by. Where it is flat, nothing comes
through.
"""

import matplotlib.pyplot as plt
import numpy as np

from backlit.core import ACTIVATIONS

u = np.linspace(-4, 4, 401)
curves = [phi for phi in ACTIVATIONS.values() if phi.elementwise and phi.name != "identity"]
fig, axes = plt.subplots(3, 5, figsize=(9, 5), sharex=True)
for phi, ax in zip(curves, axes.flat, strict=False):
    ax.plot(u, phi.function(u))
    ax.plot(u, phi.derivative(u), "--")
    ax.set(title=phi.name, ylim=(-1.5, 2.5))
for ax in axes.flat[len(curves) :]:
    ax.set_axis_off()
