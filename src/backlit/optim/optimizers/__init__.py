"""Optimizers: update rules as pure functions on the flat vector of parameters, one a file.

A file that is put into this folder is an optimizer more; `register_optimizer` adds one from anywhere else.
"""

from backlit.optim.optimizers.adagrad import Adagrad
from backlit.optim.optimizers.adam import Adam
from backlit.optim.optimizers.adamw import AdamW
from backlit.optim.optimizers.base import OPTIMIZERS, Optimizer, get_optimizer, register_optimizer
from backlit.optim.optimizers.rmsprop import RmsProp
from backlit.optim.optimizers.sgd import Sgd

OPTIMIZERS.load(__package__, first=("sgd", "adagrad", "rmsprop", "adam", "adamw"))

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
