"""A training run: what is trained, how, and what happened so far."""

from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from backlit.core.network import Network
from backlit.core.norms import Statistics
from backlit.core.parameters import Parameters
from backlit.engine import Data, Engine, EpochSums, State
from backlit.optim import PlateauState
from backlit.training.history import History
from backlit.training.patience import Watch
from backlit.training.settings import Settings
from backlit.training.streaming import Stream

Score = Callable[[Engine, Parameters, Statistics], float]
Callback = Callable[["Run"], Any]


@dataclass
class Position(EpochSums):
    """How far the epoch under way has come: batches done, and sums over them."""

    batches: int = 0


@dataclass
class Run:
    """A training run as a callback sees it."""

    net: Network
    settings: Settings
    engine: Engine
    state: State
    history: History
    data: Data | Stream
    validation: Data | None
    score: Score | None
    watch: Watch
    checkpoint: Path | None = None
    checkpoint_every: int | None = None
    position: Position = field(default_factory=Position)
    plateau: PlateauState = field(default_factory=PlateauState)
    fingerprint: dict[str, Any] = field(default_factory=dict)  # of `checkpoint.fingerprint`, once it is known

    @property
    def batch_size(self) -> int:
        """Examples a step; all of them where there are fewer than the settings say."""
        return min(self.settings.batch_size, len(self.data))

    @property
    def n_batches(self) -> int:
        """Steps an epoch."""
        return -(-len(self.data) // self.batch_size)
