"""Optimizers, schedules and clipping: pure functions on the flat vector of parameters."""

from backlit.optim.clipping import clip_by_norm, clip_by_value, norm
from backlit.optim.optimizers import Adagrad, Adam, AdamW, Optimizer, RmsProp, Sgd
from backlit.optim.registry import OPTIMIZERS, SCHEDULES, get_optimizer, get_schedule
from backlit.optim.schedules import PlateauState, ReduceOnPlateau, Schedule

__all__ = [
    "OPTIMIZERS",
    "SCHEDULES",
    "Adagrad",
    "Adam",
    "AdamW",
    "Optimizer",
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
]
