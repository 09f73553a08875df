"""The network at one example as a linear map: small changes up (J v), slopes down (Jᵀ u), and J itself.

δz = W δa_{l−1};  δu = norm's slope;  δa = mask φ'(u) δu + s δa_k.  Batch norm's statistics, which depend on the other
examples, are held as they are.  A softmax at the output is left out: J then ends at u_L.
"""

from typing import Any

import numpy as np

from backlit.core.network import Network
from backlit.core.parameters import Parameters
from backlit.core.passes import Trace

Array = np.ndarray


class Linearized:
    """J = ∂a_L/∂a_0, (n_L, n_0), at one example of a trace."""

    def __init__(self, net: Network, params: Parameters, trace: Trace, example: int = 0):
        self.net, self.params, self.trace, self.i = net, params, trace, example
        self.n_in, self.n_out = net.inputs, net.outputs
        self.slopes: list[Any] = [None, *(self.slope(l) for l in range(1, net.L + 1))]

    def slope(self, l: int) -> Array:
        """mask · φ'(u_l) · γ/√(σ² + ε) of the example, (n_l, 1)."""
        layer, trace, i = self.net.layer(l), self.trace, self.i
        u = trace.u[l][i]
        d = np.ones_like(u) if layer.activation.pull_back else layer.activation.derivative(u)
        if trace.mask[l] is not None:
            d = d * trace.mask[l][i]
        if layer.norm:
            std = trace.norm[l].inverse_std
            d = d * self.params.gamma[l] * (std[i] if layer.norm == "layer" else std[0])
        return d[:, None]

    def centered(self, l: int, v: Array) -> Array:
        """Layer norm's projection v − mean v − x̂ mean(x̂ v), which is symmetric; v itself elsewhere."""
        if self.net.layer(l).norm != "layer":
            return v
        x_hat = self.trace.norm[l].x_hat[self.i][:, None]
        return v - v.mean(axis=0) - x_hat * (x_hat * v).mean(axis=0)

    def push(self, v: Array) -> Array:
        """J v for v (n_0,) or columns (n_0, k)."""
        a = [v.reshape(self.n_in, -1)]
        for l, layer in self.net.numbered():
            step = self.slopes[l] * self.centered(l, self.params.W[l] @ a[l - 1])
            a.append(step if layer.skip_from is None else step + layer.skip_scale * a[layer.skip_from])
        return a[-1].reshape(self.n_out, *v.shape[1:])

    def pull(self, v: Array) -> Array:
        """Jᵀ v for v (n_L,) or columns (n_L, k)."""
        grad: list[Any] = [0.0] * self.net.L + [v.reshape(self.n_out, -1)]
        for l in range(self.net.L, 0, -1):
            layer = self.net.layer(l)
            if layer.skip_from is not None:
                grad[layer.skip_from] = grad[layer.skip_from] + layer.skip_scale * grad[l]
            grad[l - 1] = grad[l - 1] + self.params.W[l].T @ self.centered(l, self.slopes[l] * grad[l])
        return grad[0].reshape(self.n_in, *v.shape[1:])

    def matrix(self) -> Array:
        """J, formed from whichever end is narrower."""
        if self.n_out < self.n_in:
            return self.pull(np.eye(self.n_out)).T
        return self.push(np.eye(self.n_in))
