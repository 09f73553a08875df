"""Engines of small networks, kept from one call to the next: making one takes longer than a step on a few rows.

Each thread keeps its own, so no two wait for each other; a forked process begins with none.
"""

import copy
import os
import threading
from collections.abc import Callable
from dataclasses import fields
from typing import Any

from backlit.engine.base import Engine, TrainConfig

MOST = 4  # engines that a thread keeps
NUMBERS = 2**20  # that a kept engine's workspace has about, at most: 8 MB of float64
ROWS = 1024  # of a prediction that are computed at once
OTHERS = [field.name for field in fields(TrainConfig) if field.name not in ("net", "seed")]


class Shelf(threading.local):
    """What a thread keeps, the last used at the end."""

    def __init__(self) -> None:
        self.engines: list[tuple[str, Any]] = []


SHELF = Shelf()


def kept_engine(name: str, config: TrainConfig, make: Callable[[str, TrainConfig], Engine]) -> Engine:
    """The engine of that name for the very network of `config`; `make` makes it where none is kept.

    An engine that was kept for another seed goes on with this one.
    """
    for place, (known, engine) in enumerate(SHELF.engines):
        if known == name and alike(engine.recipe, config):
            SHELF.engines.append(SHELF.engines.pop(place))
            return engine if engine.recipe.seed == config.seed else reseeded(engine, config)
    made = make(name, config)
    if config.memory_limit is None and max(config.batch_size, ROWS) * sum(config.net.n) <= NUMBERS:
        SHELF.engines = [*SHELF.engines[1 - MOST :], (name, made)]
    return made


def alike(one: TrainConfig, other: TrainConfig) -> bool:
    """Whether two are of one network, the very same, and differ in no more than the seed."""
    return one.net is other.net and all(getattr(one, name) == getattr(other, name) for name in OTHERS)


def reseeded(engine: Any, config: TrainConfig) -> Engine:
    """The engine, with its plans and workspaces, for another seed."""
    again: Any = copy.copy(engine)
    again.recipe = config
    return again


def forget() -> None:
    """Keep nothing: an engine's threads do not live on in a forked child."""
    SHELF.engines = []


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=forget)
