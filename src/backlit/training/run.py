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
from backlit.training.early_stopping import EarlyStopping
from backlit.training.history import History
from backlit.training.settings import Settings
from backlit.training.sharding import Shards
from backlit.training.streaming import Stream

Score = Callable[[Engine, Parameters, Statistics], float]
Callback = Callable[["Run"], Any]


@dataclass
class Position(EpochSums):
    """How far the epoch under way has come: batches done, and sums over them."""

    batches: int = 0


@dataclass
class Run:
    """A training run as a callback sees it.

    Parameters
    ----------
    net : Network
        What is trained.
    settings : Settings
        How.
    engine : Engine
        Who runs the passes.
    state : State
        Parameters, running moments and the optimizer's state; `state.params` are those of now.
    history : History
        The epochs so far.
    data : Data, Stream or Shards
        The examples that are learned.
    validation : Data or None
        The examples that are measured on.
    score : callable or None
        What gives the validation score.
    watch : EarlyStopping
        Early stopping.
    checkpoint : Path, optional
        Folder of the checkpoint.
    checkpoint_every : int, optional
        Batches from one checkpoint to the next; one an epoch if not given.
    position : Position, optional
        How far the present epoch has come.
    plateau : PlateauState, optional
        What a schedule that watches a metric remembers.
    fingerprint : dict, optional
        What a checkpoint is recognized by.

    Attributes
    ----------
    batch_size : int
        Examples in a step.
    stride : int
        Numbers of an epoch's order that a step takes: its examples; with shards, whose order is one of steps, 1.
    n_batches : int
        Steps in an epoch.

    Examples
    --------
    >>> from backlit.core import Dense, Network
    >>> from backlit.training import Settings, fit
    >>> import numpy as np
    >>> def stop_at_two(run):
    ...     return len(run.history) == 2
    >>> net, X = Network(1, [Dense(1)]), np.ones((4, 1))
    >>> fit(net, net.init(), Data(X, X), Settings(), callbacks=[stop_at_two]).history.stopped
    'callback'
    """

    net: Network
    settings: Settings
    engine: Engine
    state: State
    history: History
    data: Data | Stream | Shards
    validation: Data | None
    score: Score | None
    watch: EarlyStopping
    checkpoint: Path | None = None
    checkpoint_every: int | None = None
    position: Position = field(default_factory=Position)
    plateau: PlateauState = field(default_factory=PlateauState)
    fingerprint: dict[str, Any] = field(default_factory=dict)  # of `checkpoint.fingerprint`, once it is known

    @property
    def batch_size(self) -> int:
        """Examples in a step; all of them if there are fewer than the settings say."""
        return min(self.settings.batch_size, len(self.data))

    @property
    def n_batches(self) -> int:
        """Steps an epoch."""
        return self.data.n_batches if isinstance(self.data, Shards) else -(-len(self.data) // self.batch_size)

    @property
    def stride(self) -> int:
        """Numbers of an epoch's order that a step takes."""
        return 1 if isinstance(self.data, Shards) else self.batch_size
