"""Optimizers: update rules as pure functions on the flat vector of parameters, one a file."""

from backlit.optim.optimizers.adagrad import Adagrad
from backlit.optim.optimizers.adam import Adam
from backlit.optim.optimizers.adamw import AdamW
from backlit.optim.optimizers.base import OPTIMIZERS, Optimizer, register_optimizer
from backlit.optim.optimizers.rmsprop import RmsProp
from backlit.optim.optimizers.sgd import Sgd

for cls in (Sgd, Adagrad, RmsProp, Adam, AdamW):
    register_optimizer(cls)

__all__ = ["OPTIMIZERS", "Adagrad", "Adam", "AdamW", "Optimizer", "RmsProp", "Sgd", "register_optimizer"]
