"""Engines: the textbook's numbers, run over batches and epochs.

"native" is compiled and fast, "reference" is the textbook itself; "auto" takes the native one wherever it can.
"""

import logging
from functools import lru_cache

from backlit.engine.base import Data, Engine, EpochResult, EpochSums, State, TrainConfig
from backlit.engine.reference import ReferenceEngine
from backlit.engine.sparse import DenseBatches
from backlit.errors import ProblemError, near

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
]  # fmt: skip

ENGINES = ("auto", "native", "reference")


def get_engine(name: str, recipe: TrainConfig) -> Engine:
    """Make the engine of that name for a recipe: "auto" takes the native one, or says once why it can't.

    Raises ProblemError for an unknown name, and for "native" where it cannot run the recipe.
    """
    from backlit.engine.native import NativeEngine, unsupported_reason

    if name not in ENGINES:
        raise ProblemError(f"unknown engine {name!r}: {near(name, ENGINES)}")
    if name == "reference":
        return textbook(recipe)
    reason = unsupported_reason(recipe)
    if reason is None:
        return NativeEngine(recipe)
    if name == "native":
        raise ProblemError(f'the native engine cannot run this: {reason}: use engine="reference" or "auto"')
    warn_once(f"training with the reference engine, which is slower: {reason}")
    return textbook(recipe)


def textbook(recipe: TrainConfig) -> ReferenceEngine:
    """The textbook's engine; it keeps everything, and says so where there is a limit."""
    if recipe.memory_limit is not None:
        warn_once("the reference engine keeps all activations: memory_limit is for the native engine")
    return ReferenceEngine(recipe)


@lru_cache(maxsize=32)
def warn_once(message: str) -> None:
    """Log a warning; the same message only the first time."""
    logging.getLogger("backlit").warning(message)
