"""The same steps as PyTorch's optimizers, and as scikit-learn's where the learning rate changes on the way."""

import numpy as np
import pytest
from numpy.testing import assert_allclose
from tests.optim.runs import CASES, follow, gradients

from backlit.optim import Adagrad, Adam, Optimizer, RmsProp, Sgd

STEPS = 40


def twin(torch, o: Optimizer, params):
    """PyTorch's optimizer with the same hyperparameters."""
    lr = o.learning_rate
    if isinstance(o, Sgd):
        return torch.optim.SGD(params, lr=lr, momentum=o.momentum, nesterov=o.nesterov)
    if isinstance(o, Adagrad):
        return torch.optim.Adagrad(params, lr=lr, eps=o.eps)
    if isinstance(o, RmsProp):
        return torch.optim.RMSprop(params, lr=lr, alpha=o.rho, eps=o.eps, momentum=o.momentum)
    options = {"lr": lr, "betas": (o.beta1, o.beta2), "eps": o.eps, "amsgrad": o.amsgrad}
    if o.name == "adamw":
        return torch.optim.AdamW(params, weight_decay=o.weight_decay, **options)
    return torch.optim.Adam(params, **options)


@pytest.mark.interop
@pytest.mark.parametrize("name", CASES)
def test_pytorch_takes_the_same_steps(name, rng):
    torch = pytest.importorskip("torch")
    gs, theta = gradients(rng, STEPS), rng.standard_normal(7)
    p = torch.nn.Parameter(torch.tensor(theta))
    optimizer = twin(torch, CASES[name], [p])
    expected = []
    for g in gs:
        p.grad = torch.tensor(g)
        optimizer.step()
        expected.append(p.detach().numpy().copy())
    assert_allclose(follow(CASES[name], theta, gs), expected, rtol=1e-12, atol=1e-12)


@pytest.mark.interop
@pytest.mark.parametrize("name", ["sgd", "adagrad", "rmsprop", "adam", "adamw"])
def test_defaults_are_pytorchs(name):
    """But for the weight decay that AdamW has as the paper's and PyTorch's, and the rate of SGD, which it lacks."""
    torch = pytest.importorskip("torch")
    from backlit.optim import get_optimizer

    ours = get_optimizer(name)
    named = {"sgd": "SGD", "adagrad": "Adagrad", "rmsprop": "RMSprop", "adam": "Adam", "adamw": "AdamW"}[name]
    theirs = getattr(torch.optim, named)([torch.nn.Parameter(torch.zeros(1))]).defaults
    translated = {"learning_rate": "lr", "rho": "alpha"}
    for key, value in ours.to_dict().items():
        if key in ("beta1", "beta2"):
            assert value == theirs["betas"][int(key[-1]) - 1]
        elif key not in ("name",) and (name, key) != ("sgd", "learning_rate"):
            assert value == theirs[translated.get(key, key)], key


@pytest.mark.parametrize(("momentum", "nesterov"), [(0.0, False), (0.9, False), (0.9, True)])
def test_scikit_learns_sgd_with_a_falling_rate(momentum, nesterov, rng):
    """The velocity holds each step's own rate: with PyTorch's rule this fails as soon as the rate changes."""
    from sklearn.neural_network._stochastic_optimizers import SGDOptimizer

    gs, theta = gradients(rng, STEPS), rng.standard_normal(7)
    theirs = theta.copy()
    other = SGDOptimizer([theirs], 0.1, "invscaling", momentum, nesterov, power_t=0.5)
    expected, rates = [], []
    for t, g in enumerate(gs):
        rates.append(other.learning_rate)
        other.update_params([theirs], [g])
        other.iteration_ends(t)
        expected.append(theirs.copy())
    assert len(set(rates)) > STEPS / 2
    path = follow(Sgd(learning_rate=0.1, momentum=momentum, nesterov=nesterov), theta, gs, rates)
    assert_allclose(path, expected, rtol=1e-13, atol=1e-13)


def test_scikit_learns_adam(rng):
    """It divides by √v + ε before it corrects, so the two agree where ε is 0."""
    from sklearn.neural_network._stochastic_optimizers import AdamOptimizer

    gs, theta = gradients(rng, STEPS), rng.standard_normal(7)
    theirs = theta.copy()
    other = AdamOptimizer([theirs], 0.05, 0.8, 0.95, epsilon=0.0)
    expected = []
    for g in gs:
        other.update_params([theirs], [g])
        expected.append(theirs.copy())
    path = follow(Adam(learning_rate=0.05, beta1=0.8, beta2=0.95, eps=0.0), theta, gs)
    assert_allclose(path, expected, rtol=1e-12, atol=1e-12)


def test_a_quadratic_goes_to_its_minimum():
    """Every optimizer with a rate that falls ends at the bottom of an uneven bowl."""
    curvature, bottom = np.array([1.0, 10.0, 100.0]), np.array([1.0, -2.0, 0.5])
    for name, o in CASES.items():
        if "adamw" in name:  # its minimum is another: decay pulls to 0
            continue
        theta, state = np.zeros(3), o.init(np.zeros(3))
        for t in range(1, 4001):
            lr = o.learning_rate * (0.1 if name.startswith("sgd") else 1) * max(0.0, 1 - t / 4000)
            step, state = o.update(curvature * (theta - bottom), state, t, lr=lr, theta=theta)
            theta = theta + step
        assert_allclose(theta, bottom, atol=2e-3, err_msg=name)
