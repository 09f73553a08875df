"""What δ and a give for free: the gradient of each example's ℓ_i without a backward pass of its own.

∂ℓ_i/∂W_l is the outer product δ_i a_iᵀ, so its squared length is ‖δ_i‖² ‖a_i‖².
Source: Goodfellow 2015, "Efficient per-example gradient computations".
"""

import numpy as np

from backlit.core.network import Network
from backlit.core.passes import Gradients, Trace
from backlit.errors import ProblemError

Array = np.ndarray


def gradient_norms(net: Network, trace: Trace, grad: Gradients) -> Array:
    """‖∂ℓ_i/∂θ‖ of each example, (m,), over all W, b, gamma and beta; without weights and without the L2 term.

    Raises ProblemError where batch norm took the moments of the batch, so that ℓ_i depends on the other examples; with
    running moments it does not.

    >>> from backlit.core.network import Dense
    >>> from backlit.core.passes import forward, backward
    >>> net = Network(1, [Dense(1)])
    >>> params = net.init("zeros")
    >>> trace = forward(net, params, [[2.0], [0.0]])
    >>> gradient_norms(net, trace, backward(net, params, trace, [[-1.0], [-1.0]])) ** 2
    array([5., 1.])
    """
    return np.sqrt(sum(np.einsum("ij,ij->i", d, d) * np.einsum("ij,ij->i", a, a) for d, a in factors(net, trace, grad)))


def factors(net: Network, trace: Trace, grad: Gradients) -> list[tuple[Array, Array]]:
    """Pairs (d, a), (m, n) and (m, k), such that the gradients of ℓ_i are the outer products d_i a_iᵀ."""
    if any(norm is not None and norm.axis == 0 for norm in trace.norm):
        raise ProblemError("batch norm couples the examples of a batch, so no example has a gradient of its own")
    ones = np.ones((trace.m, 1), trace.a[0].dtype)
    pairs = []
    for l, layer in net.numbered():
        pairs.append((grad.delta[l], np.hstack([trace.a[l - 1], ones])))
        norm = trace.norm[l]
        if layer.norm and norm is not None:
            pairs.append((np.hstack([grad.u[l] * norm.x_hat, grad.u[l]]), ones))
    return pairs
