"""Schedules: what the learning rate is multiplied by as training goes on.

A file that is put into this folder brings schedules more; `register_schedule` adds one from anywhere else.
"""

from backlit.optim.schedules.base import SCHEDULES, Constant, Schedule, Unit, get_schedule, register_schedule
from backlit.optim.schedules.decay import Cosine, Exponential, InverseScaling, OneCycle, Step, WarmUp
from backlit.optim.schedules.plateau import Adaptive, Plateau, PlateauState, ReduceOnPlateau

SCHEDULES.load(__package__, shipped=(
    *("constant", "step", "exponential", "cosine", "one_cycle", "warm_up"),
    *("inverse_scaling", "reduce_on_plateau", "adaptive"),
))  # fmt: skip

__all__ = [
    "SCHEDULES",
    "Adaptive",
    "Constant",
    "Cosine",
    "Exponential",
    "InverseScaling",
    "OneCycle",
    "Plateau",
    "PlateauState",
    "ReduceOnPlateau",
    "Schedule",
    "Step",
    "Unit",
    "WarmUp",
    "get_schedule",
    "register_schedule",
]
