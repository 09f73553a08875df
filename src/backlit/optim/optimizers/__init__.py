"""Optimizers: update rules as pure functions on the flat vector of parameters, one a file."""

from backlit.optim.optimizers.adagrad import Adagrad
from backlit.optim.optimizers.adam import Adam
from backlit.optim.optimizers.adamw import AdamW
from backlit.optim.optimizers.base import Optimizer
from backlit.optim.optimizers.rmsprop import RmsProp
from backlit.optim.optimizers.sgd import Sgd

OPTIMIZERS: dict[str, type[Optimizer]] = {cls.name: cls for cls in (Sgd, Adagrad, RmsProp, Adam, AdamW)}

__all__ = ["OPTIMIZERS", "Adagrad", "Adam", "AdamW", "Optimizer", "RmsProp", "Sgd"]
