"""The same network in PyTorch's own functions and autograd, float64: a second opinion that shares no line with core."""

from dataclasses import dataclass
from typing import Any

import numpy as np
import pytest
from tests.strategies import Problem

from backlit.core import Activation, Loss
from backlit.core.dropout import dropout_mask
from backlit.core.passes import Trace
from backlit.core.targets import as_targets

TINY = np.finfo(float).tiny


@dataclass(frozen=True)
class Twin:
    """A forward pass in torch: tensors by layer, the parameters as leaves, the losses (m,) and the cost."""

    z: list[Any]
    u: list[Any]
    a: list[Any]
    leaves: dict[str, Any]
    losses: Any
    cost: Any

    def slopes(self, of: Any, tensors: list[Any]) -> list[np.ndarray]:
        """∂(of)/∂tensor for each, zeros where there is no path."""
        import torch

        grads = torch.autograd.grad(of, tensors, retain_graph=True, allow_unused=True, materialize_grads=True)
        return [grad.numpy() for grad in grads]


def twin(problem: Problem, *, from_logits: bool = True) -> Twin:
    """Run the problem's forward pass in torch; from_logits False sends every loss through a[L]."""
    torch = pytest.importorskip("torch")
    net = problem.net
    leaves = {str(slot): torch.tensor(value, requires_grad=True) for slot, value in problem.params.items()}
    a = [torch.tensor(problem.X, requires_grad=True)]
    z: list[Any] = [None]
    u: list[Any] = [None]
    for l, layer in net.numbered():
        z.append(torch.nn.functional.linear(a[-1], leaves[f"W[{l}]"], leaves[f"b[{l}]"]))
        u.append(normalized(problem, l, z[l], leaves))
        h = activate(layer.activation, u[l])
        if problem.dropout and layer.dropout:
            h = h * torch.from_numpy(dropout_mask(problem.dropout, l, tuple(h.shape), layer.dropout))
        a.append(h if layer.skip_from is None else torch.add(h, a[layer.skip_from], alpha=layer.skip_scale))
    y = torch.from_numpy(as_targets(net, problem.y, problem.m))
    losses = lose(problem, u[-1], a[-1], y) if from_logits else general_loss(net.loss, a[-1], y)
    return Twin(z, u, a, leaves, losses, cost_of(problem, losses, leaves))


def cost_of(problem: Problem, losses: Any, leaves: dict[str, Any]) -> Any:
    """C from the losses."""
    import torch

    w = torch.ones(problem.m, dtype=torch.float64) if problem.sample_weight is None else problem.sample_weight
    w = torch.as_tensor(w)
    C = (w * losses).sum() / (w.sum() if problem.net.reduction == "mean" else 1)
    return C + problem.net.l2 / 2 * sum((leaves[f"W[{l}]"] ** 2).sum() for l in range(1, problem.net.L + 1))


def normalized(problem: Problem, l: int, z: Any, leaves: dict[str, Any]) -> Any:
    """u by torch's own norms."""
    import torch

    layer, F = problem.net.layer(l), torch.nn.functional
    if layer.norm is None:
        return z
    gamma, beta = leaves[f"gamma[{l}]"], leaves[f"beta[{l}]"]
    if layer.norm == "layer":
        return F.layer_norm(z, (layer.units,), gamma, beta, layer.eps)
    if problem.statistics:
        mean, variance = (torch.from_numpy(moment) for moment in problem.statistics.of(l))
        return F.batch_norm(z, mean, variance, gamma, beta, training=False, eps=layer.eps)
    if problem.m == 1:  # which F.batch_norm refuses: the mean of one is itself
        return 0 * z * gamma + beta
    return F.batch_norm(z, None, None, gamma, beta, training=True, eps=layer.eps)


def activate(phi: Activation, u: Any) -> Any:
    """h by torch's own activations."""
    import torch

    F = torch.nn.functional
    table = {
        "identity": lambda u: u,
        "sigmoid": torch.sigmoid,
        "tanh": torch.tanh,
        "relu": F.relu,
        "leaky_relu": lambda u: F.leaky_relu(u, phi.parameters["alpha"]),
        "elu": lambda u: F.elu(u, phi.parameters["alpha"]),
        "selu": F.selu,
        "gelu": F.gelu,
        "silu": F.silu,
        "softplus": lambda u: F.softplus(u, threshold=700),  # torch's default, 20, is where float32 has no digits left
        "mish": lambda u: u * torch.tanh(F.softplus(u, threshold=700)),
        "hard_tanh": F.hardtanh,
        "softsign": F.softsign,
        "exp": torch.exp,
        "softmax": lambda u: F.softmax(u, dim=1),
    }
    return table[phi.name](u)


def lose(problem: Problem, u: Any, a: Any, y: Any) -> Any:
    """ℓ (m,) by torch's own losses, from logits where it has such a form."""
    import torch

    F, loss = torch.nn.functional, problem.net.loss
    if problem.net.has_short_form and loss.name == "cross_entropy":
        return F.cross_entropy(u, y, reduction="none")
    if problem.net.has_short_form and loss.name == "binary_cross_entropy":
        return F.binary_cross_entropy_with_logits(u, y, reduction="none").sum(1)
    if problem.net.has_short_form and loss.name == "poisson":
        return F.poisson_nll_loss(u, y, log_input=True, reduction="none").sum(1)
    return general_loss(loss, a, y)


def general_loss(loss: Loss, a: Any, y: Any) -> Any:
    """ℓ (m,) from the outputs; log a is log max(a, tiny) as in core, which torch has no function for."""
    import torch

    F = torch.nn.functional

    def log(a: Any) -> Any:
        return torch.log(torch.where(a < TINY, TINY, a))

    q = loss.parameters.get("quantile")
    terms = {
        "half_squared_error": lambda: F.mse_loss(a, y, reduction="none") / 2,
        "squared_error": lambda: F.mse_loss(a, y, reduction="none"),
        "mean_squared_error": lambda: F.mse_loss(a, y, reduction="none") / a.shape[1],
        "absolute_error": lambda: F.l1_loss(a, y, reduction="none"),
        "huber": lambda: F.huber_loss(a, y, reduction="none", delta=loss.parameters["delta"]),
        "quantile": lambda: torch.maximum(q * (y - a), (q - 1) * (y - a)),
        "cross_entropy": lambda: -y * log(a),
        "binary_cross_entropy": lambda: -y * log(a) - (1 - y) * log(1 - a),
        "poisson": lambda: a - y * log(a),
    }
    return terms[loss.name]().sum(1)


def running_statistics(eps: float, batches: list[np.ndarray]) -> tuple[np.ndarray, np.ndarray]:
    """Torch's running mean and variance after it has seen some batches of z."""
    torch = pytest.importorskip("torch")
    norm = torch.nn.BatchNorm1d(batches[0].shape[1], eps=eps, dtype=torch.float64)
    for z in batches:
        norm(torch.from_numpy(z))
    return norm.running_mean.numpy(), norm.running_var.numpy()


def probe(trace: Trace, of: Twin) -> list[tuple[str, np.ndarray, np.ndarray]]:
    """Pairs of forward quantities by name, ours and torch's."""
    names = [("z", trace.z, of.z), ("u", trace.u, of.u), ("a", trace.a, of.a)]
    return [
        (f"{name}[{l}]", ours[l], theirs[l].detach().numpy())
        for name, ours, theirs in names
        for l in range(1, len(ours))
    ]
