"""Optimizers: update rules as pure functions on the flat vector of parameters.

The table loads every file of this folder, so one that is put here adds its optimizer; `register_optimizer` adds one
from anywhere else.
"""

from backlit.optim.optimizers.adam import Adam, AdamW
from backlit.optim.optimizers.base import OPTIMIZERS, Optimizer, get_optimizer, register_optimizer
from backlit.optim.optimizers.rmsprop import Adagrad, RmsProp
from backlit.optim.optimizers.sgd import Sgd

OPTIMIZERS.load(__package__, shipped=("sgd", "adagrad", "rmsprop", "adam", "adamw"))

__all__ = [
    "OPTIMIZERS",
    "Adagrad",
    "Adam",
    "AdamW",
    "Optimizer",
    "RmsProp",
    "Sgd",
    "get_optimizer",
    "register_optimizer",
]
