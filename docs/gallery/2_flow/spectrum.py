"""
Singular values of the whole chain
==================================

The Jacobian from input to output stretches some directions and shrinks others. With normal weights the spread grows
with depth even where its mean stays; orthogonal weights of a linear network keep every direction.
"""

import matplotlib.pyplot as plt

from backlit import Dense, Network, forward
from backlit.diagnosis.inputs import normal_inputs
from backlit.diagnosis.spectrum import jacobian_spectrum

fig, ax = plt.subplots()
for depth, scheme, activation, style in (
    (2, "lecun_normal", "tanh", "-"),
    (10, "lecun_normal", "tanh", "--"),
    (10, "orthogonal", "tanh", "-."),
    (10, "orthogonal", "identity", ":"),
):
    net = Network(64, [Dense(64, activation) for _ in range(depth)])
    params = net.init(scheme, seed=0)
    values = jacobian_spectrum(net, params, forward(net, params, normal_inputs(net, 0))).values
    ax.semilogy(range(1, 65), values, style, label=f"{depth} layers of {activation}, {scheme}")
ax.set(xlabel="singular value, by size", ylabel="its value", ylim=(1e-6, 10))
ax.legend()
