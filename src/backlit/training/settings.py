"""How to train: everything that is decided before the first step."""

from dataclasses import dataclass, field
from typing import Literal

from backlit.core.network import Network, positive_integer, whole_number
from backlit.core.specs import finite_number
from backlit.engine import Recipe
from backlit.errors import ProblemError, near
from backlit.optim import Optimizer, Schedule, get_optimizer, get_schedule

Monitor = Literal["loss", "validation_loss", "validation_score"]
MONITORS = ("loss", "validation_loss", "validation_score")


@dataclass(frozen=True, kw_only=True)
class Settings:
    """What a training run is told.

    epochs : passes over the data at most.  batch_size : examples a step.  patience : epochs without an improvement of
    the monitored number by `tol` after which training stops, None for never.  restore_best : end with the parameters
    of the best epoch.  seed : of the shuffling and of the dropout masks.  engine : "auto", or an engine's name.
    memory_limit : bytes that a step may take, alpha : L2 that a batch shares; see `engine.Recipe`; None for neither.
    optimizer, schedule : as they are, or what `get_optimizer` and `get_schedule` read.
    Raises ProblemError for a value that cannot be.
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

    def recipe(self, net: Network) -> Recipe:
        """What an engine is told of them."""
        return Recipe(
            net, self.optimizer, self.batch_size, self.clip_norm, self.clip_value, self.seed, self.n_threads,
            self.memory_limit, self.alpha,
        )  # fmt: skip
