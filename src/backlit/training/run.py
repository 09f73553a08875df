"""A training run: what is trained, how, what happened so far, one record an epoch, and when it ends.

Early stopping watches one number, remembers the best, runs out of patience.  Source: Prechelt 1998."""

from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass, field, replace
from functools import cached_property
from pathlib import Path
from typing import Any, Literal

import numpy as np

from backlit.core.network import Network
from backlit.core.parameters import Parameters, Statistics
from backlit.display import Displayed
from backlit.engine import Data, Engine, EpochSums, State, TrainConfig
from backlit.errors import ProblemError, near
from backlit.optim import Optimizer, PlateauState, Schedule, get_optimizer, get_schedule
from backlit.registry import finite_number, positive_integer, whole_number
from backlit.training.sharding import Shards
from backlit.training.streaming import Stream

Monitor = Literal["loss", "validation_loss", "validation_score"]
MONITORS = ("loss", "validation_loss", "validation_score")


@dataclass(frozen=True, kw_only=True)
class Settings:
    """How to train: all that is decided before the first step.

    Parameters
    ----------
    epochs : int, default 200
        Passes over the data, at most.
    batch_size : int, default 200
        Examples in a step.
    optimizer : Optimizer, str or mapping, optional
        As `get_optimizer` takes it; adam if not given.
    schedule : Schedule, str or mapping, optional
        As `get_schedule` takes it; constant if not given.
    clip_norm : float, optional
        Bound on the norm of the whole gradient, above 0.
    clip_value : float, optional
        Bound on each entry of the gradient, above 0.
    alpha : float, optional
        α in C = (Σ w_i ℓ_i + (α/2) Σ ‖W‖²) / Σ w_i of each batch, which is scikit-learn's L2; in place of the network's
        l2.
    shuffle : bool, default True
        Whether each epoch has an order of its own, drawn by seed and epoch.
    monitor : {"loss", "validation_loss", "validation_score"}, default 'loss'
        What early stopping and plateau schedules watch.
    patience : int, optional, default 10
        Epochs without an improvement by `tol` after which training stops; None for never.
    tol : float, default 0.0001
        Smallest improvement, in the unit of what is watched.
    restore_best : bool, default False
        Whether to end with the parameters of the best epoch.
    seed : int, default 0
        Draws the order of the examples and the dropout masks.
    engine : {"auto", "native", "reference"}, default 'auto'
        Who runs the passes.
    n_threads : int, optional
        Threads of the native engine; as many as it may use if not given.
    memory_limit : int, optional
        Bytes that a step may take; activations that do not fit are computed again, with the same numbers to the bit.

    Raises
    ------
    ProblemError
        If a value is outside these.

    Examples
    --------
    >>> Settings(optimizer="sgd", epochs=10).optimizer.name
    'sgd'
    """

    epochs: int = 200
    batch_size: int = 200
    optimizer: Optimizer = field(default_factory=lambda: get_optimizer("adam"))
    schedule: Schedule = field(default_factory=lambda: get_schedule("constant"))
    clip_norm: float | None = None
    clip_value: float | None = None
    alpha: float | None = None
    shuffle: bool = True
    monitor: Monitor = "loss"
    patience: int | None = 10
    tol: float = 1e-4
    restore_best: bool = False
    seed: int = 0
    engine: str = "auto"
    n_threads: int | None = None
    memory_limit: int | None = None

    def __post_init__(self):
        object.__setattr__(self, "optimizer", get_optimizer(self.optimizer))
        object.__setattr__(self, "schedule", get_schedule(self.schedule))
        positive_integer(self.epochs, "epochs")
        positive_integer(self.batch_size, "batch_size")
        if self.patience is not None:
            positive_integer(self.patience, "patience")
        if self.n_threads is not None:
            positive_integer(self.n_threads, "n_threads")
        if self.memory_limit is not None:
            positive_integer(self.memory_limit, "memory_limit")
        if not 0 <= whole_number(self.seed, "seed") < 2**64:
            raise ProblemError(f"seed must lie in [0, 2^64), not {self.seed}")
        if self.monitor not in MONITORS:
            raise ProblemError(f"unknown monitor {self.monitor!r}: {near(self.monitor, MONITORS)}")
        finite_number(self.tol, "tol", low=0.0)
        if self.alpha is not None:
            finite_number(self.alpha, "alpha", low=0.0)
        for name in ("clip_norm", "clip_value"):
            if getattr(self, name) is not None and finite_number(getattr(self, name), name, low=0.0) == 0:
                raise ProblemError(f"{name} must be above 0, or None for no clipping")

    def recipe(self, net: Network) -> TrainConfig:
        """What an engine is told of them."""
        return TrainConfig(
            net, self.optimizer, self.batch_size, self.clip_norm, self.clip_value, self.seed, self.n_threads,
            self.memory_limit, self.alpha,
        )  # fmt: skip


# --- what happened ----------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Epoch:
    """What was measured in one pass over the data.

    Parameters
    ----------
    number : int
        Counted from 1.
    loss : float
        Mean cost of the batches, each at the parameters before its step.
    learning_rate : float
        Of the last step.
    gradient_norms : tuple of float
        ‖∂C/∂W_l‖ for l = 1…L, mean over the batches, before clipping.
    seconds : float
        Wall time; epochs that ran together have equal shares of theirs.
    validation_loss : float, optional
        Cost of the validation data after the epoch, if there are any.
    validation_score : float, optional
        Score of the validation data, higher is better, if there is one.

    Examples
    --------
    >>> Epoch(1, loss=0.5, learning_rate=0.01, gradient_norms=(0.1,), seconds=0.2).validation_loss is None
    True
    """

    number: int
    loss: float
    learning_rate: float
    gradient_norms: tuple[float, ...]
    seconds: float
    validation_loss: float | None = None
    validation_score: float | None = None


@dataclass
class History(Displayed):
    """The epochs of a run, in order, and why it ended.

    Parameters
    ----------
    epochs : list of Epoch, optional
        One record an epoch.
    best_epoch : int, optional
        Number of the epoch whose monitored number was best.
    stopped : str, default ''
        "epochs", "patience", "callback", "interrupted" or "diverged"; empty while it runs.

    Attributes
    ----------
    seconds : float
        Wall time of all epochs.

    Examples
    --------
    >>> history = History([Epoch(1, loss=0.5, learning_rate=0.01, gradient_norms=(0.1,), seconds=0.2)])
    >>> history.column("loss"), len(history)
    ([0.5], 1)
    """

    epochs: list[Epoch] = field(default_factory=list)
    best_epoch: int | None = None
    stopped: str = ""

    def __repr__(self) -> str:
        loss = f", loss {self.epochs[-1].loss:.4g}" if self.epochs else ""
        return f"<History of {len(self)} epochs{loss}{f', stopped: {self.stopped}' if self.stopped else ''}>"

    def copy(self) -> "History":
        """The same epochs in a list of its own."""
        return replace(self, epochs=list(self.epochs))

    def __len__(self) -> int:
        return len(self.epochs)

    def __iter__(self) -> Iterator[Epoch]:
        return iter(self.epochs)

    def column(self, name: str) -> list[Any]:
        """One field of every epoch, such as column("loss")."""
        return [getattr(epoch, name) for epoch in self.epochs]

    @property
    def seconds(self) -> float:
        """Wall time of all epochs."""
        return sum(self.column("seconds"))

    def to_dict(self) -> dict[str, Any]:
        """Plain names and numbers."""
        return {
            "epochs": [asdict(epoch) for epoch in self.epochs],
            "best_epoch": self.best_epoch,
            "stopped": self.stopped,
        }

    @classmethod
    def from_dict(cls, told: dict[str, Any]) -> "History":
        """The history that `to_dict` was called on; raises KeyError or TypeError for anything else."""
        epochs = [Epoch(**{**epoch, "gradient_norms": tuple(epoch["gradient_norms"])}) for epoch in told["epochs"]]
        return cls(epochs, told["best_epoch"], str(told["stopped"]))


# --- early stopping ---------------------------------------------------------------------------------------------------


def merit_of(epoch: Epoch, settings: Settings) -> float:
    """The monitored number with the sign that makes higher better."""
    value = getattr(epoch, settings.monitor)
    return value if settings.monitor == "validation_score" else -value


@dataclass
class EarlyStopping:
    """Follows the monitored number; scores are better when higher, losses when lower."""

    settings: Settings
    best: float = -np.inf  # merit
    best_epoch: int | None = None
    n_bad_epochs: int = 0  # since the last improvement
    best_params: list[np.ndarray] = field(default_factory=list)  # all that a prediction reads, where it is restored

    def update(self, epoch: Epoch, state: State) -> bool:
        """Record one epoch; True once more than `patience` epochs have passed without an improvement by tol."""
        merit = merit_of(epoch, self.settings)
        self.n_bad_epochs = self.n_bad_epochs + 1 if merit < self.best + self.settings.tol else 0
        if merit > self.best:
            self.best, self.best_epoch = merit, epoch.number
            if self.settings.restore_best:
                self.best_params = [array.copy() for array in learned(state)]
        return self.settings.patience is not None and self.n_bad_epochs > self.settings.patience

    def restore(self, state: State) -> None:
        """Put the best epoch's parameters and running statistics back."""
        for array, best in zip(learned(state), self.best_params, strict=False):
            array[:] = best

    def __setstate__(self, state: dict[str, Any]) -> None:
        """Pickles of 0.1 have the names that it used."""
        former = {"waited": "n_bad_epochs", "kept": "best_params"}
        self.__dict__.update({former.get(name, name): value for name, value in state.items()})


Watch = EarlyStopping  # as pickles of 0.1 call it


def learned(state: State) -> list[np.ndarray]:
    """All arrays that a prediction reads: theta and the running statistics."""
    moments = [*state.statistics.mean, *state.statistics.variance]
    return [state.params.theta, *(array for array in moments if array is not None)]


# --- a run ------------------------------------------------------------------------------------------------------------


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

    @cached_property
    def batch_size(self) -> int:
        """Examples in a step; all of them if there are fewer than the settings say."""
        return min(self.settings.batch_size, len(self.data))

    @cached_property
    def n_batches(self) -> int:
        """Steps an epoch."""
        return self.data.n_batches if isinstance(self.data, Shards) else -(-len(self.data) // self.batch_size)

    @cached_property
    def stride(self) -> int:
        """Numbers of an epoch's order that a step takes."""
        return 1 if isinstance(self.data, Shards) else self.batch_size
