"""Runs of optimizers along fixed gradients, for the tests of this folder."""

from collections.abc import Sequence

import numpy as np

from backlit.optim import Adagrad, Adam, AdamW, Optimizer, RmsProp, Sgd

Array = np.ndarray

CASES: dict[str, Optimizer] = {
    "sgd": Sgd(learning_rate=0.05),
    "sgd-momentum": Sgd(learning_rate=0.05, momentum=0.9),
    "sgd-nesterov": Sgd(learning_rate=0.05, momentum=0.8, nesterov=True),
    "adagrad": Adagrad(learning_rate=0.1, eps=1e-3),
    "rmsprop": RmsProp(learning_rate=0.02, rho=0.9, eps=1e-3),
    "rmsprop-momentum": RmsProp(learning_rate=0.02, rho=0.95, eps=1e-6, momentum=0.7),
    "adam": Adam(learning_rate=0.03, beta1=0.8, beta2=0.97, eps=1e-3),
    "amsgrad": Adam(learning_rate=0.03, beta1=0.8, beta2=0.9, eps=1e-4, amsgrad=True),
    "adamw": AdamW(learning_rate=0.03, beta1=0.85, beta2=0.98, weight_decay=0.2),
    "adamw-amsgrad": AdamW(learning_rate=0.03, beta2=0.9, weight_decay=0.1, amsgrad=True),
}


def gradients(rng: np.random.Generator, steps: int = 25, n: int = 7) -> Array:
    """(steps, n) with sizes over six decades and steps that shrink, so that a forgotten maximum shows."""
    sizes = 10.0 ** rng.uniform(-4, 2, n)
    return rng.standard_normal((steps, n)) * sizes * np.linspace(1, 0.05, steps)[:, None]


def follow(optimizer: Optimizer, theta: Array, gs: Array, rates: Sequence[float] | None = None) -> Array:
    """Theta after each step, (steps, n)."""
    theta, state, path = theta.copy(), optimizer.init(theta), []
    for t, g in enumerate(gs, start=1):
        lr = optimizer.learning_rate if rates is None else rates[t - 1]
        step, state = optimizer.update(g, state, t, lr=lr, theta=theta)
        theta = theta + step
        path.append(theta)
    return np.array(path)
