"""Early stopping: watch one number, remember the best, run out of patience.  Source: Prechelt 1998."""

from dataclasses import dataclass, field

import numpy as np

from backlit.engine import State
from backlit.training.history import Epoch
from backlit.training.settings import Settings


@dataclass
class Watch:
    """Follows the monitored number; scores are better when higher, losses when lower."""

    settings: Settings
    best: float = -np.inf  # of the number with the sign that makes higher better
    best_epoch: int | None = None
    waited: int = 0
    kept: list[np.ndarray] = field(default_factory=list)

    def see(self, epoch: Epoch, state: State) -> bool:
        """Record one epoch; True once more than `patience` epochs have passed without an improvement by tol."""
        value = getattr(epoch, self.settings.monitor)
        merit = value if self.settings.monitor == "validation_score" else -value
        self.waited = self.waited + 1 if merit < self.best + self.settings.tol else 0
        if merit > self.best:
            self.best, self.best_epoch = merit, epoch.number
            if self.settings.restore_best:
                self.kept = [array.copy() for array in learned(state)]
        return self.settings.patience is not None and self.waited > self.settings.patience

    def restore(self, state: State) -> None:
        """Put the best epoch's parameters and running statistics back."""
        for array, best in zip(learned(state), self.kept, strict=False):
            array[:] = best


def learned(state: State) -> list[np.ndarray]:
    """All arrays that a prediction reads: theta and the running statistics."""
    moments = [*state.statistics.mean, *state.statistics.variance]
    return [state.params.theta, *(array for array in moments if array is not None)]
