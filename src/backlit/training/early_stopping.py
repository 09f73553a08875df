"""Early stopping: watch one number, remember the best, run out of patience.  Source: Prechelt 1998."""

from dataclasses import dataclass, field
from typing import Any

import numpy as np

from backlit.engine import State
from backlit.training.history import Epoch
from backlit.training.settings import Settings


@dataclass
class EarlyStopping:
    """Follows the monitored number; scores are better when higher, losses when lower."""

    settings: Settings
    best: float = -np.inf  # of the number with the sign that makes higher better
    best_epoch: int | None = None
    n_bad_epochs: int = 0  # since the last improvement
    best_params: list[np.ndarray] = field(default_factory=list)  # all that a prediction reads, where it is restored

    def update(self, epoch: Epoch, state: State) -> bool:
        """Record one epoch; True once more than `patience` epochs have passed without an improvement by tol."""
        value = getattr(epoch, self.settings.monitor)
        merit = value if self.settings.monitor == "validation_score" else -value
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
