"""All that the golden tests take from Backlit beside its public names: where a module moves, this file follows."""

from backlit.core import ACTIVATIONS, Dense, Network
from backlit.engine import Data, DenseBatches, Engine, ReferenceEngine, State, TrainConfig
from backlit.engine.native import extension
from backlit.engine.selection import native_engine
from backlit.optim import get_optimizer, get_schedule
from backlit.optim.schedules import SCHEDULES
from backlit.training import Settings, fit

__all__ = [
    "ACTIVATIONS",
    "SCHEDULES",
    "Data",
    "Dense",
    "DenseBatches",
    "Engine",
    "Network",
    "ReferenceEngine",
    "Settings",
    "State",
    "TrainConfig",
    "extension",
    "fit",
    "get_optimizer",
    "get_schedule",
    "native_engine",
]  # fmt: skip
