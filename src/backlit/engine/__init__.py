"""Engines: the textbook's numbers, run over batches and epochs."""

from backlit.engine.protocol import Data, Engine, EpochResult, Recipe, State
from backlit.engine.reference import ReferenceEngine
from backlit.errors import ProblemError

__all__ = ["Data", "Engine", "EpochResult", "Recipe", "ReferenceEngine", "State", "get_engine"]


def get_engine(name: str, recipe: Recipe) -> Engine:
    """Make the engine of that name for a recipe: "auto" takes the fastest there is.

    Raises ProblemError for an unknown name.
    """
    if name not in ("auto", "reference"):
        raise ProblemError(f"unknown engine {name!r}: one of auto, reference")
    return ReferenceEngine(recipe)
