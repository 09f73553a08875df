"""Which engine runs: "native" is compiled and fast, "reference" the textbook itself; "auto" is native where it can be.

Engines of small networks are kept from one call to the next: making one takes longer than a step on a few rows.  Each
thread keeps its own, so no two wait for each other; a forked process begins with none.
"""

import copy
import logging
import os
import threading
from dataclasses import fields
from functools import lru_cache
from typing import Any

from backlit.engine.base import Engine, TrainConfig
from backlit.engine.reference import ReferenceEngine
from backlit.errors import ProblemError, near

ENGINES = ("auto", "native", "reference")
MOST = 4  # engines that a thread keeps
NUMBERS = 2**20  # that a kept engine's workspace has about, at most: 8 MB of float64
ROWS = 1024  # of a prediction that are computed at once
OTHERS = [field.name for field in fields(TrainConfig) if field.name not in ("net", "seed")]


def get_engine(name: str, recipe: TrainConfig) -> Engine:
    """Make the engine of that name for a recipe: "auto" takes the native one, or says once why it can't.

    Raises ProblemError for an unknown name, and for "native" where it cannot run the recipe.
    """
    from backlit.engine.native import unsupported_reason

    if name not in ENGINES:
        raise ProblemError(f"unknown engine {name!r}: {near(name, ENGINES)}")
    if name == "reference":
        return textbook(recipe)
    reason = unsupported_reason(recipe)
    if reason is None:
        return native_engine(recipe)
    if name == "native":
        raise ProblemError(f'the native engine cannot run this: {reason}: use engine="reference" or "auto"')
    warn_once(f"training with the reference engine, which is slower: {reason}")
    return textbook(recipe)


def native_engine(recipe: TrainConfig, isa: str | None = None) -> Any:
    """The native engine, within the recipe's memory limit where it has one; see `NativeEngine`."""
    if recipe.memory_limit is None:
        from backlit.engine.native import NativeEngine

        return NativeEngine(recipe, isa)
    from backlit.engine.memory_limit import LimitedEngine

    return LimitedEngine(recipe, isa)


def textbook(recipe: TrainConfig) -> ReferenceEngine:
    """The textbook's engine; it keeps everything, and says so where there is a limit."""
    if recipe.memory_limit is not None:
        warn_once("the reference engine keeps all activations: memory_limit is for the native engine")
    return ReferenceEngine(recipe)


@lru_cache(maxsize=32)
def warn_once(message: str) -> None:
    """Log a warning; the same message only the first time."""
    logging.getLogger("backlit").warning(message)


class Shelf(threading.local):
    """What a thread keeps, the last used at the end."""

    def __init__(self) -> None:
        self.engines: list[tuple[str, Any]] = []


SHELF = Shelf()


def kept_engine(name: str, config: TrainConfig) -> Engine:
    """The engine of that name for the network of `config`; it is made where none is kept.

    An engine that was kept for another seed, or in C++ for a network that is equal, goes on with this one.
    """
    for place, (known, engine) in enumerate(SHELF.engines):
        if known == name and alike(engine, config):
            SHELF.engines.append(SHELF.engines.pop(place))
            same = engine.recipe.net is config.net and engine.recipe.seed == config.seed
            return engine if same else taken_over(engine, config)
    made = get_engine(name, config)
    if config.memory_limit is None and max(config.batch_size, ROWS) * sum(config.net.n) <= NUMBERS:
        SHELF.engines = [*SHELF.engines[1 - MOST :], (name, made)]
    return made


def alike(engine: Any, config: TrainConfig) -> bool:
    """Whether an engine's network can stand for that of `config`, and its settings differ in no more than the seed."""
    from backlit.engine.native import unsupported_reason

    own = engine.recipe
    if any(getattr(own, name) != getattr(config, name) for name in OTHERS):
        return False
    if own.net is config.net:
        return True
    return engine.name == "native" and own.net == config.net and unsupported_reason(config) is None


def taken_over(engine: Any, config: TrainConfig) -> Engine:
    """The engine, with its plans and workspaces, for another seed and the very network of `config`."""
    again: Any = copy.copy(engine)
    again.recipe, again.net = config, config.net
    return again


def forget() -> None:
    """Keep nothing: an engine's threads do not live on in a forked child."""
    SHELF.engines = []


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=forget)
