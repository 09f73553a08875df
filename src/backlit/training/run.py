"""A training run: what is trained, how, and what happened so far."""

from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from backlit.core.network import Network
from backlit.core.norms import Statistics
from backlit.core.parameters import Parameters
from backlit.engine import Data, Engine, EpochResult, State
from backlit.optim import PlateauState
from backlit.training.history import History
from backlit.training.patience import Watch
from backlit.training.settings import Settings
from backlit.training.streaming import Stream

Score = Callable[[Engine, Parameters, Statistics], float]
Callback = Callable[["Run"], Any]


@dataclass
class Position:
    """How far the epoch under way has come: batches done, and sums over them."""

    batches: int = 0
    steps: int = 0
    rows: int = 0
    loss: float = 0.0  # summed over rows
    gradient_norms: list[float] = field(default_factory=list)  # summed over steps

    def add(self, result: EpochResult, batches: int, rows: int) -> None:
        """Take in a part of the epoch."""
        norms = result.steps * np.asarray(result.gradient_norms, dtype=np.float64)
        self.gradient_norms = (norms + self.gradient_norms if self.gradient_norms else norms).tolist()
        self.batches, self.steps, self.rows = self.batches + batches, self.steps + result.steps, self.rows + rows
        self.loss += result.loss * rows

    def result(self, interrupted: bool) -> EpochResult:
        """The parts as one epoch's result."""
        norms = np.array(self.gradient_norms) / max(self.steps, 1)
        return EpochResult(self.loss / max(self.rows, 1), norms, self.steps, interrupted)


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

    @property
    def batch_size(self) -> int:
        """Examples a step; all of them where there are fewer than the settings say."""
        return min(self.settings.batch_size, len(self.data))

    @property
    def n_batches(self) -> int:
        """Steps an epoch."""
        return -(-len(self.data) // self.batch_size)
