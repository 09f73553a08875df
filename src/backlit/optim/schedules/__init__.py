"""Schedules: what the learning rate is multiplied by as training goes on."""

from backlit.optim.schedules.base import SCHEDULES, Schedule, Unit, register_schedule
from backlit.optim.schedules.cosine import Cosine
from backlit.optim.schedules.decay import Constant, Exponential, InverseScaling, Step
from backlit.optim.schedules.one_cycle import OneCycle
from backlit.optim.schedules.plateau import Adaptive, Plateau, PlateauState, ReduceOnPlateau
from backlit.optim.schedules.warm_up import WarmUp

for cls in (Constant, Step, Exponential, Cosine, OneCycle, WarmUp, InverseScaling, ReduceOnPlateau, Adaptive):
    register_schedule(cls)

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
    "register_schedule",
]
