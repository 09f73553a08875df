"""The two passes of backpropagation: forward keeps every quantity, backward sends ∂ℓ/∂a down through them.

Rows are examples: z[l], u[l], a[l], delta[l] are (m, n_l), index l is the book's, index 0 is None (a[0] is the input).

>>> from backlit.core.network import Dense, Network
>>> net = Network(2, [Dense(2, "sigmoid"), Dense(1, "identity")])
>>> params = net.init("xavier_uniform", seed=0)
>>> trace = forward(net, params, [[1.0, 2.0]])
>>> grad = backward(net, params, trace, [[1.0]])
>>> grad.W[1].shape, grad.delta[2].shape, grad.theta.shape
((2, 2), (1, 1), (9,))
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from backlit.core import norms
from backlit.core.dropout import DropoutKey, dropout_mask
from backlit.core.parameters import Parameters, Statistics
from backlit.core.targets import as_inputs, as_targets, check_outputs, shares
from backlit.display import Displayed
from backlit.errors import ProblemError

if TYPE_CHECKING:
    from backlit.core.network import Network  # which knows all that stands here

Array = np.ndarray
ByLayer = list[Any]  # arrays by the book's index l, None where there is none
quiet = np.errstate(over="ignore", invalid="ignore", divide="ignore")  # what is not finite is found by name, below


@dataclass(frozen=True)
class Trace(Displayed):
    """All quantities of a forward pass, in lists by layer.

    Parameters
    ----------
    z : list of (m, n_l) arrays
        Pre-activations; z[0] is None.
    u : list of (m, n_l) arrays
        Normalized pre-activations; u[l] is z[l] if layer l has no norm.
    h : list of (m, n_l) arrays
        φ(u), before dropout and skip.
    a : list of (m, n_l) arrays
        Activations; a[0] is the input, a[L] the output.
    norm : list of Normalized
        What each normalization leaves for the backward pass; None for a layer without one.
    mask : list of (m, n_l) arrays
        Dropout masks, None if none was drawn.

    Examples
    --------
    >>> from backlit.core.network import Dense, Network
    >>> net = Network(2, [Dense(1, "tanh")])
    >>> trace = forward(net, net.init(), [[1.0, 2.0]])
    >>> trace.m, trace.z[1].shape, trace.first_non_finite()
    (1, (1, 1), None)
    """

    z: ByLayer
    u: ByLayer
    h: ByLayer
    a: ByLayer
    norm: ByLayer
    mask: ByLayer

    @property
    def m(self) -> int:
        """The number of examples."""
        return len(self.a[0])

    def __repr__(self) -> str:
        return f"Trace(m={self.m}, {' → '.join(str(a.shape[1]) for a in self.a)})"

    def first_non_finite(self) -> str | None:
        """Name the first quantity, in the order of computation, that holds NaN or infinity; None if all are finite."""
        for l in range(len(self.a)):
            for name in ("z", "u", "h", "a"):
                value = getattr(self, name)[l]
                if value is not None and not np.isfinite(value).all():
                    return f"{name}[{l}]"
        return None


@dataclass(frozen=True)
class Gradients(Displayed):
    """All quantities of a backward pass.

    Parameters
    ----------
    loss : float
        The cost C.
    flat : Parameters
        ∂C/∂theta.  Its views are this object's W, b, gamma and beta; `theta` is the vector.
    a : list of (m, n_l) arrays
        ∂ℓ_i/∂a_i by l, one row an example; a[0] is the gradient of the input.
    u : list of (m, n_l) arrays
        ∂ℓ_i/∂u_i by l; u[0] is None.
    delta : list of (m, n_l) arrays
        δ = ∂ℓ_i/∂z_i by l, with no 1/m in it; delta[0] is None.

    Notes
    -----
    Batch norm couples the examples of a batch.  There a, u and delta are m ∂C/∂a_i and so on, or ∂C/∂a_i if the losses
    are summed.

    Examples
    --------
    >>> from backlit.core.network import Dense, Network
    >>> net = Network(2, [Dense(1)])
    >>> params = net.init()
    >>> grad = backward(net, params, forward(net, params, [[1.0, 2.0]]), [[0.5]])
    >>> grad.W[1].shape, grad.delta[1].shape, grad.theta.shape
    ((1, 2), (1, 1), (3,))
    """

    loss: float
    flat: Parameters
    a: ByLayer
    u: ByLayer
    delta: ByLayer

    def __repr__(self) -> str:
        length = float(np.linalg.norm(self.theta))
        return f"Gradients(loss={self.loss:.6g}, {len(self.delta) - 1} layers, ‖∂C/∂θ‖={length:.6g})"

    @property
    def theta(self) -> Array:
        """∂C/∂theta, flat."""
        return self.flat.theta

    @property
    def W(self) -> ByLayer:
        """∂C/∂W[l], (n_l, n_{l−1})."""
        return self.flat.W

    @property
    def b(self) -> ByLayer:
        """∂C/∂b[l], (n_l,)."""
        return self.flat.b

    @property
    def gamma(self) -> ByLayer:
        """∂C/∂gamma[l], (n_l,), None if the layer has no norm."""
        return self.flat.gamma

    @property
    def beta(self) -> ByLayer:
        """∂C/∂beta[l], (n_l,), None if the layer has no norm."""
        return self.flat.beta


@quiet
def forward(
    net: Network,
    params: Parameters,
    X: Any,
    *,
    dropout: DropoutKey | None = None,
    statistics: Statistics | None = None,
) -> Trace:
    """Compute z, u, h and a of every layer.

    Overflow raises nothing: ask `Trace.first_non_finite`.

    Parameters
    ----------
    net : Network
        The network.
    params : Parameters
        Its numbers.
    X : (m, n_0) array
        Inputs, one row an example; a flat vector (n_0,) is one example.
    dropout : DropoutKey, optional
        Names the draw of the masks; without one nothing is dropped.
    statistics : Statistics, optional
        Batch norm's running moments, as in prediction; without them the moments are those of this batch.

    Returns
    -------
    Trace
        All quantities by layer, in the dtype of `params`.

    Raises
    ------
    ShapeError
        If X has another number of columns than the network has inputs, or no rows.

    Examples
    --------
    >>> from backlit.core.network import Dense, Network
    >>> net = Network(2, [Dense(1)])
    >>> params = Parameters.from_arrays(net, {"W": [None, [[1.0, 2.0]]], "b": [None, [0.5]]})
    >>> forward(net, params, [[3.0, 4.0]]).a[1]
    array([[11.5]])
    """
    z, u, h, a, norm, mask = (empty(net) for _ in range(6))
    a[0] = as_inputs(net, X, params.theta.dtype)
    for l, layer in net.numbered():
        z[l] = a[l - 1] @ params.W[l].T + params.b[l]  # [F1]
        u[l] = z[l]
        if layer.norm:
            norm[l] = norms.normalize(layer, z[l], statistics.of(l) if statistics else None)
            u[l] = norms.scale_and_shift(norm[l], params.gamma[l], params.beta[l])
        h[l] = layer.activation.function(u[l])  # [F2]
        a[l] = h[l]
        if dropout and layer.dropout:
            mask[l] = dropout_mask(dropout, l, h[l].shape, layer.dropout, a[0].dtype)
            a[l] = h[l] * mask[l]  # [DO1]
        if layer.skip_from is not None:
            a[l] = a[l] + layer.skip_scale * a[layer.skip_from]  # [SK1]
    return Trace(z, u, h, a, norm, mask)


@quiet
def example_losses(net: Network, trace: Trace, y: Any) -> Array:
    """The loss ℓ_i of each example, (m,), without the L2 term; from the scores u if the output has a short form.

    Raises ShapeError or DomainError for targets, or outputs, at which the loss is not defined.
    """
    y = as_targets(net, y, trace.m, trace.a[0].real.dtype)
    if net.short_form is not None:
        return net.short_form.value(trace.u[-1], y)
    check_outputs(net, trace.a[-1])
    return net.loss.value(trace.a[-1], y)


@quiet
def total_loss(net: Network, params: Parameters, trace: Trace, y: Any, sample_weight: Any = None) -> Any:
    """C = Σ share_i ℓ_i + (λ/2) Σ ‖W‖², a number of theta's dtype."""
    share = shares(net, trace.m, sample_weight, trace.a[0].real.dtype)
    C = share @ example_losses(net, trace, y)  # [C1]
    if net.l2:
        C = C + net.l2 / 2 * sum((W * W).sum() for W in params.W[1:])  # [L2]
    return C


@quiet
def backward(net: Network, params: Parameters, trace: Trace, y: Any, sample_weight: Any = None) -> Gradients:
    """Compute ∂ℓ/∂a, δ and the gradients of every layer, from the output down.

    Parameters
    ----------
    net : Network
        The network.
    params : Parameters
        Its numbers.
    trace : Trace
        What `forward` gave for them.
    y : (m, n_L) array
        Targets, one row an example; class indices (m,) will do for cross_entropy.
    sample_weight : (m,) array, optional
        Weights of the examples, none below 0.

    Returns
    -------
    Gradients
        The cost and all gradients, in the dtype of `params`.

    Raises
    ------
    ShapeError
        If y or the weights do not fit the examples.
    DomainError
        If the loss is not defined at a target or an output, or a weight is negative.

    Examples
    --------
    >>> from backlit.core.network import Dense, Network
    >>> net = Network(2, [Dense(1)])
    >>> params = Parameters.from_arrays(net, {"W": [None, [[1.0, 2.0]]]})
    >>> grad = backward(net, params, forward(net, params, [[3.0, 4.0]]), [[10.0]])
    >>> grad.loss, grad.delta[1], grad.W[1], grad.b[1], grad.a[0]
    (0.5, array([[1.]]), array([[3., 4.]]), array([1.]), array([[1., 2.]]))
    """
    loss = total_loss(net, params, trace, y, sample_weight)
    y = as_targets(net, y, trace.m, trace.a[0].dtype)
    weight, share = example_weights(net, trace, sample_weight)
    grad = Parameters(net, np.empty_like(params.theta))
    grad_a, grad_u, delta = (empty(net) for _ in range(3))
    grad_a[net.L] = weight * net.loss.gradient(trace.a[net.L], y)  # [BP1]

    for l in range(net.L, 0, -1):
        layer, grad_h = net.layer(l), grad_a[l]
        if layer.skip_from is not None:
            grad_a[layer.skip_from] = plus(grad_a[layer.skip_from], layer.skip_scale * grad_a[l])  # [SK2]
        if trace.mask[l] is not None:
            grad_h = grad_h * trace.mask[l]  # [DO2]

        if l == net.L and net.has_short_form:
            grad_u[l] = weight * (trace.a[l] - y)  # [BP1S]
        elif layer.activation.pull_back:
            grad_u[l] = layer.activation.pull_back(trace.u[l], grad_h)  # [BP2S]
        else:
            grad_u[l] = grad_h * layer.activation.derivative(trace.u[l])  # [BP2]

        delta[l] = grad_u[l]
        if layer.norm:
            grad.gamma[l][:] = (grad_u[l] * trace.norm[l].x_hat).T @ share  # [BN9] [LN7]
            grad.beta[l][:] = grad_u[l].T @ share  # [BN10] [LN8]
            delta[l] = norms.pull_back(trace.norm[l], params.gamma[l], grad_u[l])

        grad.b[l][:] = delta[l].T @ share  # [BP3]
        grad.W[l][:] = delta[l].T @ (share[:, None] * trace.a[l - 1])  # [BP4]
        if net.l2:
            grad.W[l][:] += net.l2 * params.W[l]  # [L2G]
        grad_a[l - 1] = plus(grad_a[l - 1], delta[l] @ params.W[l])  # [BP5]

    return Gradients(float(loss), grad, grad_a, grad_u, delta)


def example_weights(net: Network, trace: Trace, sample_weight: Any) -> tuple[Any, Array]:
    """Say where the weights of the examples come in: (a factor on ∂ℓ/∂a_L, the share of each δ_i in ∂C/∂W (m,)).

    If the examples are independent, δ_i has no weight in it, and the share of δ_i is 1/m, or w_i/Σw.  If batch norm
    couples them, δ_i means m ∂C/∂z_i: the weight comes in at the output, and every share is 1/m.
    """
    dtype = trace.a[0].dtype
    share = shares(net, trace.m, sample_weight, dtype)
    if not net.couples_examples or sample_weight is None:
        return 1, share
    even = shares(net, trace.m, None, dtype)
    return (share / even)[:, None], even


def empty(net: Network) -> ByLayer:
    """A list with a place for each l = 0…L."""
    return [None] * (net.L + 1)


def plus(grad: Array | None, more: Array) -> Array:
    """Add a contribution to a gradient that may have none yet."""
    return more if grad is None else grad + more


# --- each example's own gradient --------------------------------------------------------------------------------------


def gradient_norms(net: Network, trace: Trace, grad: Gradients) -> Array:
    """‖∂ℓ_i/∂θ‖ of each example, (m,), over all W, b, gamma and beta; without weights and without the L2 term.

    δ and a give it for free: ∂ℓ_i/∂W_l is the outer product δ_i a_iᵀ, so its squared length is ‖δ_i‖² ‖a_i‖².
    Source: Goodfellow 2015, "Efficient per-example gradient computations".

    Raises ProblemError where batch norm took the moments of the batch, so that ℓ_i depends on the other examples; with
    running moments it does not.

    >>> from backlit.core.network import Dense, Network
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
