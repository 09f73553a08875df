"""What the tests of `optim` run over: each optimizer with its options on and off, and a run of gradients.

One that is not written here is tried with its defaults; give it a case for each of its options.
"""

from collections.abc import Iterable

import numpy as np

from backlit.optim import OPTIMIZERS, SCHEDULES, Adagrad, Adam, AdamW, Optimizer, RmsProp, Sgd
from backlit.optim.schedules import (
    Adaptive,
    Constant,
    Cosine,
    Exponential,
    InverseScaling,
    OneCycle,
    ReduceOnPlateau,
    Schedule,
    Step,
    WarmUp,
)

OPTIMIZER_CASES: dict[str, Optimizer] = {
    "sgd": Sgd(learning_rate=0.1),
    "momentum": Sgd(learning_rate=0.1, momentum=0.8),
    "nesterov": Sgd(learning_rate=0.1, momentum=0.8, nesterov=True),
    "nesterov-without-momentum": Sgd(learning_rate=0.1, nesterov=True),
    "adagrad": Adagrad(learning_rate=0.1, eps=1e-3),
    "rmsprop": RmsProp(learning_rate=0.03, rho=0.7, eps=1e-3),
    "rmsprop-momentum": RmsProp(learning_rate=0.03, rho=0.7, eps=1e-3, momentum=0.6),
    "adam": Adam(learning_rate=0.05, beta1=0.7, beta2=0.8, eps=1e-3),
    "amsgrad": Adam(learning_rate=0.05, beta1=0.7, beta2=0.8, eps=1e-3, amsgrad=True),
    "adamw": AdamW(learning_rate=0.05, beta1=0.7, beta2=0.8, eps=1e-3, weight_decay=0.2),
    "adamw-amsgrad": AdamW(learning_rate=0.05, beta1=0.7, beta2=0.8, eps=1e-3, amsgrad=True, weight_decay=0.2),
}

SCHEDULE_CASES: dict[str, Schedule] = {
    "constant": Constant(),
    "step": Step(every=7, rate=0.3),
    "exponential": Exponential(rate=0.9, per="step"),
    "inverse_scaling": InverseScaling(power=0.7, scale=3.0),
    "cosine": Cosine(floor=0.1, total=20),
    "one_cycle": OneCycle(start=0.1, end=0.001, rise=0.4, total=20),
    "warm_up": WarmUp(length=4, after=Cosine(total=16, per="step")),
    "warm_up-step": WarmUp(length=3, after=Step(every=5, per="step")),
    "reduce_on_plateau": ReduceOnPlateau(rate=0.5, patience=2, threshold=0.01, floor=0.2),
    "adaptive": Adaptive(rate=0.2, patience=2, tol=0.01),
}

OPTIMIZER_CASES |= {name: cls() for name, cls in OPTIMIZERS.items() if name not in OPTIMIZERS.shipped}
SCHEDULE_CASES |= {
    name: cls().bind(epochs=20, steps=20) for name, cls in SCHEDULES.items() if name not in SCHEDULES.shipped
}


def gradients(rng: np.random.Generator, steps: int, size: int = 5) -> np.ndarray:
    """(steps, size) gradients of very unlike sizes, falling and rising again, with a 0 in every third step."""
    scale = 10.0 ** rng.uniform(-3, 2, size) * (1.5 + np.cos(np.arange(steps)))[:, None]
    g = rng.standard_normal((steps, size)) * scale
    g[::3, 0] = 0
    return g


def walk(optimizer: Optimizer, theta: np.ndarray, gs: np.ndarray, rates: Iterable[float]) -> np.ndarray:
    """theta after each step, (steps, size)."""
    path, state = [], optimizer.init(theta)
    for t, (g, lr) in enumerate(zip(gs, rates, strict=True), start=1):
        step, state = optimizer.update(g, state, t, lr=lr, theta=theta)
        theta = theta + step
        path.append(theta)
    return np.array(path)
