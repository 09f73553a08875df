"""Optimizers, schedules and clipping: pure functions on the flat vector of parameters.

>>> import numpy as np
>>> adam, cosine = get_optimizer("adam"), get_schedule({"name": "cosine", "total": 3})
>>> theta = np.array([1.0, -1.0])
>>> state = adam.init(theta)
>>> for t, lr in enumerate(adam.learning_rate * cosine.factor([0, 1, 2]), start=1):
...     step, state = adam.update(clip_by_norm(2 * theta, 1.0), state, t, lr=lr, theta=theta)
...     theta = theta + step
>>> theta.round(6)
array([ 0.998, -0.998])
"""

from backlit.optim.optimizers import (
    OPTIMIZERS,
    Adagrad,
    Adam,
    AdamW,
    Optimizer,
    RmsProp,
    Sgd,
    get_optimizer,
    register_optimizer,
)
from backlit.optim.optimizers.base import clip_by_norm, clip_by_value, norm
from backlit.optim.schedules import (
    SCHEDULES,
    Adaptive,
    Plateau,
    PlateauState,
    ReduceOnPlateau,
    Schedule,
    get_schedule,
    register_schedule,
)

__all__ = [
    "OPTIMIZERS",
    "SCHEDULES",
    "Adagrad",
    "Adam",
    "AdamW",
    "Adaptive",
    "Optimizer",
    "Plateau",
    "PlateauState",
    "ReduceOnPlateau",
    "RmsProp",
    "Schedule",
    "Sgd",
    "clip_by_norm",
    "clip_by_value",
    "get_optimizer",
    "get_schedule",
    "norm",
    "register_optimizer",
    "register_schedule",
]
