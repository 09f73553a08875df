"""What `train` gives."""

import platform
import time
from dataclasses import dataclass
from typing import Any

import numpy as np

from backlit._version import __version__
from backlit.io.models import Model
from backlit.training import History, Outcome, Settings
from backlit.training.engine_check import EngineCheck

Array = np.ndarray


@dataclass(frozen=True)
class TrainResult:
    """What `train` gives: the model, its scores, how it came about.

    metrics : {"train": {...}, "test": {...}}; "test" on rows that training never saw.  y_test, test_outputs : the
    target (class indices or numbers) and the outputs (probabilities (n, K) or numbers) of those rows.  seconds : of the
    epochs.
    """

    task: str
    source: str
    model: Model
    metrics: dict[str, dict[str, Any]]
    history: History
    gradient_check: EngineCheck
    engine: str
    seconds: float
    n_train: int
    n_validation: int
    n_test: int
    y_test: Array
    test_outputs: Array
    notes: tuple[str, ...]
    settings: Settings
    model_path: str | None = None
    report_path: str | None = None

    @property
    def samples_per_second(self) -> float:
        """Training rows passed in a second, validation after each epoch counted in the time."""
        rows = self.n_train - self.n_validation
        return len(self.history) * rows / self.seconds if self.seconds else 0.0

    def to_dict(self) -> dict[str, Any]:
        """The result as `backlit train --format json` prints it."""
        return {
            "task": self.task,
            "n_train": self.n_train,
            "n_test": self.n_test,
            "metrics": self.metrics,
            "epochs": len(self.history),
            "best_epoch": self.history.best_epoch,
            "stopped": self.history.stopped,
            "seconds": self.seconds,
            "samples_per_second": self.samples_per_second,
            "engine": self.engine,
            "gradient_check": self.gradient_check.to_dict(),
            "seed": self.settings.seed,
            "notes": list(self.notes),
            "model": self.model_path,
            "report": self.report_path,
        }


def made_by(source: str, settings: Settings, outcome: Outcome, metrics: dict[str, dict[str, float]]) -> dict[str, Any]:
    """What a model file says of its training."""
    return {
        "source": source,
        "seed": settings.seed,
        "epochs": len(outcome.history),
        "metrics": metrics,
        "made": time.strftime("%Y-%m-%d"),
        **versions(),
    }


def versions() -> dict[str, str]:
    """The versions that a result depends on."""
    from importlib.metadata import version

    packages = {name: version(name) for name in ("numpy", "scipy", "polars", "scikit-learn")}
    return {"backlit": __version__, "python": platform.python_version(), **packages}
