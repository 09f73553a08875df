"""
Gradients by depth
==================

The mean squared δ of each layer, from the output on the right down to the first layer. Thirty sigmoids leave
less than 10⁻³⁰ of it; thirty ReLU with He's initialization leave it as it was.
"""

import matplotlib.pyplot as plt

from backlit import diagnose

fig, ax = plt.subplots()
for name, activation, scheme in (
    ("sigmoid, Xavier", "sigmoid", "xavier_uniform"),
    ("tanh, Xavier", "tanh", "xavier_uniform"),
    ("ReLU, Xavier", "relu", "xavier_uniform"),
    ("ReLU, He", "relu", "he_normal"),
):
    found = diagnose(depth=30, width=64, activation=activation, init=scheme, seeds=2, remedies=False)
    ax.semilogy(range(1, 31), [layer.delta for layer in found.measured.layers[1:]], label=f"{name}: {found.verdict}")
ax.set(xlabel="layer", ylabel="mean squared δ")
ax.legend()
