"""How to train: everything that is decided before the first step."""

from dataclasses import dataclass, field
from typing import Literal

from backlit.core.network import Network
from backlit.core.specs import finite_number, positive_integer, whole_number
from backlit.engine import TrainConfig
from backlit.errors import ProblemError, near
from backlit.optim import Optimizer, Schedule, get_optimizer, get_schedule

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
