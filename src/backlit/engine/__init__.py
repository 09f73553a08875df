"""Engines: the textbook's numbers, run over batches and epochs.

"native" is compiled and fast, "reference" is the textbook itself; "auto" takes the native one wherever it can.
"""

from backlit.engine.base import Data, Engine, EpochResult, EpochSums, State, TrainConfig
from backlit.engine.reference import ReferenceEngine
from backlit.engine.selection import DenseBatches, get_engine, kept_engine, native_engine, warn_once

__all__ = [
    "Data",
    "DenseBatches",
    "Engine",
    "EpochResult",
    "EpochSums",
    "ReferenceEngine",
    "State",
    "TrainConfig",
    "get_engine",
    "kept_engine",
    "native_engine",
    "warn_once",
]  # fmt: skip
