"""The tape against PyTorch's, on networks written in plain NumPy: rows are examples, everything in one graph."""

from itertools import pairwise

import numpy as np
import pytest
from numpy.testing import assert_allclose

from backlit.autodiff import gradient, value_and_gradient

pytestmark = pytest.mark.interop
torch = pytest.importorskip("torch")

SIZES = (5, 7, 6, 4)
BATCH = 11


def batch_norm(z, gamma, beta):
    return (z - np.mean(z, axis=0)) / np.sqrt(np.var(z, axis=0) + 1e-5) * gamma + beta


def layer_norm(z, gamma, beta):
    return (z - np.mean(z, axis=1, keepdims=True)) / np.sqrt(np.var(z, axis=1, keepdims=True) + 1e-5) * gamma + beta


def no_norm(z, gamma, beta):
    return z


NORMS = {
    "none": (no_norm, lambda z, gamma, beta: z),
    "batch": (batch_norm, lambda z, gamma, beta: torch.nn.functional.batch_norm(z, None, None, gamma, beta, True)),
    "layer": (layer_norm, lambda z, gamma, beta: torch.nn.functional.layer_norm(z, z.shape[1:], gamma, beta)),
}


def erf_gelu(u):
    from scipy.special import erf

    return u * (1 + erf(u / np.sqrt(2))) / 2


ACTIVATIONS = {
    "tanh": (np.tanh, torch.tanh),
    "relu": (lambda u: np.maximum(u, 0), torch.relu),
    "gelu": (erf_gelu, torch.nn.functional.gelu),
    "elu": (lambda u: np.where(u > 0, u, np.expm1(np.minimum(u, 0))), torch.nn.functional.elu),
    "mish": (lambda u: u * np.tanh(np.logaddexp(u, 0)), torch.nn.functional.mish),
}


def parameters(rng):
    """Per layer W, b, γ, β."""
    for fan_in, units in pairwise(SIZES):
        yield from (rng.normal(0, fan_in**-0.5, (units, fan_in)), rng.normal(0, 0.3, units))
        yield from (rng.uniform(0.5, 1.5, units), rng.normal(0, 0.3, units))


def cross_entropy(scores, y):
    shifted = scores - np.max(scores, axis=1, keepdims=True)
    return np.log(np.sum(np.exp(shifted), axis=1)) - shifted[np.arange(len(y)), y]


@pytest.mark.parametrize("norm", NORMS)
@pytest.mark.parametrize("activation", ACTIVATIONS)
def test_a_network_with_uneven_example_weights(norm, activation):
    rng = np.random.default_rng(42)
    x, y = rng.normal(size=(BATCH, SIZES[0])), rng.integers(0, SIZES[-1], BATCH)
    weights = rng.uniform(0.2, 2, BATCH) * rng.choice([-1, 1], BATCH)  # signed: errors cannot hide in a sum
    theta = [*parameters(rng), x]

    def loss(*args, norm, phi, entropy, weights):
        a = args[-1]
        for l in range(len(SIZES) - 1):
            W, b, gamma, beta = args[4 * l : 4 * l + 4]
            u = norm(a @ W.T + b, gamma, beta)
            a = phi(u) if l < len(SIZES) - 2 else u
        return (entropy(a) * weights).sum() / BATCH

    ours, theirs = NORMS[norm], ACTIVATIONS[activation]
    value, grads = value_and_gradient(
        lambda *args: loss(*args, norm=ours[0], phi=theirs[0], entropy=lambda a: cross_entropy(a, y), weights=weights),
        *theta,
    )
    tensors = [torch.tensor(t, requires_grad=True) for t in theta]
    target = torch.tensor(y)
    expected = loss(
        *tensors,
        norm=ours[1],
        phi=theirs[1],
        entropy=lambda a: torch.nn.functional.cross_entropy(a, target, reduction="none"),
        weights=torch.tensor(weights),
    )
    expected.backward()
    assert_allclose(value, expected.item(), rtol=1e-12)
    for grad, tensor in zip(grads, tensors, strict=True):
        right = np.zeros(tensor.shape) if tensor.grad is None else tensor.grad.numpy()
        assert_allclose(grad, right, rtol=1e-9, atol=1e-11)


def test_a_hessian_vector_product():
    rng = np.random.default_rng(1)
    x, w, v = rng.normal(size=(6, 3)), rng.normal(size=(4, 3)), rng.normal(size=(4, 3))

    def energy(w, tanh):
        return (tanh(x_of(tanh) @ w.T) ** 2).sum()

    def x_of(tanh):
        return x if tanh is np.tanh else torch.tensor(x)

    product = gradient(lambda w: np.sum(gradient(lambda w: energy(w, np.tanh), w) * v), w)
    expected = torch.autograd.functional.hvp(lambda w: energy(w, torch.tanh), torch.tensor(w), torch.tensor(v))[1]
    assert_allclose(product, expected.numpy(), rtol=1e-11, atol=1e-12)
