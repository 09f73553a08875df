"""What `train` gives."""

import platform
import time
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np

from backlit._version import __version__
from backlit.formats.models import Model
from backlit.tables import ColumnSummary
from backlit.tabular.assessment import Assessment
from backlit.training import History, Outcome, Settings
from backlit.training.engine_check import EngineCheck

Array = np.ndarray


@dataclass(frozen=True)
class TrainResult:
    """What `train` gives: the model, its scores, and how they came about.

    Parameters
    ----------
    task : {"classification", "regression"}
        What is predicted.
    source : str
        The table.
    model : Model
        The trained model.
    metrics : dict
        {"train": {...}, "test": {...}}; "test" is on rows that training never saw.
    history : History
        The epochs.
    gradient_check : EngineCheck
        The gradient of the engine that trained, checked before the first step.
    engine : str
        Name of the engine that trained.
    seconds : float
        Wall time of the epochs.
    n_train, n_validation, n_test : int
        Rows: to train on (validation among them), to stop by, to score on.
    y_test : (n_test,) array
        Target of the test rows: class indices or numbers.
    test_outputs : (n_test, K) or (n_test,) array
        Outputs for them: probabilities or numbers.
    notes : tuple of str
        What was noticed in the table.
    settings : Settings
        How it was trained.
    model_path, report_path : str, optional
        Files that were written.
    assessment : Assessment, optional
        What the score is worth, and what there is to know of the table; a streamed table has none.
    command : str
        What makes this model again.
    data_sha256 : str
        Hash of the table: of the file's bytes, a folder's files, or a data frame as JSON lines.

    Attributes
    ----------
    samples_per_second : float
        Training rows passed in a second of wall time, in which the validation is counted too.

    Examples
    --------
    >>> from backlit.tabular import train
    >>> result = train(dataset="iris", epochs=2)
    >>> result.n_train, result.n_validation, result.n_test
    (120, 12, 30)
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
    assessment: Assessment | None = None
    command: str = ""
    data_sha256: str = ""

    @property
    def columns(self) -> list[ColumnSummary]:
        """What became of each column of the table."""
        return self.model.encoder.summary() if self.model.encoder else []

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
            "baselines": self.assessment.baselines if self.assessment else {},
            "intervals": {k: list(v) for k, v in self.assessment.intervals.items()} if self.assessment else {},
            "importances": self.assessment.importances if self.assessment else {},
            "verdict": self.assessment.verdict if self.assessment else "",
            "notes": list(self.notes),
            "columns": [asdict(column) for column in self.columns],
            "command": self.command,
            "data_sha256": self.data_sha256,
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
