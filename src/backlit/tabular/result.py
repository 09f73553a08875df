"""What `train` gives, and how to get it again: the command, and a hash of the data."""

import inspect
import platform
import shlex
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from hashlib import sha256
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from backlit._version import __version__
from backlit.display import Displayed
from backlit.formats.ensembles import Ensemble, Member
from backlit.formats.models import Model
from backlit.tables import ColumnSummary
from backlit.tables.binary_files import sheet_of
from backlit.tables.messages import count
from backlit.tables.parquet import remote
from backlit.tabular.assessment import Assessment
from backlit.training import History, Outcome, Settings
from backlit.training.engine_check import EngineCheck
from backlit.training.sharding import ShardedEngine

if TYPE_CHECKING:
    import polars as pl

Array = np.ndarray


@dataclass(frozen=True)
class TrainResult(Displayed):
    """What `train` gives: the model, its scores, and how they came about.

    Parameters
    ----------
    task : {"classification", "regression"}
        What is predicted.
    source : str
        The table.
    model : Model or Ensemble
        The trained model.
    metrics : dict
        {"train": {...}, "test": {...}}; "test" is on rows that training never saw.  An ensemble's "train" is out of
        fold: what is said of each row by members that never learned from it.
    history : History
        The epochs; of an ensemble the heaviest member's.
    gradient_check : EngineCheck
        The gradient of the engine that trained, checked before the first step; of an ensemble the worst.
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
    members : tuple of Member, default ()
        The networks of an ensemble.
    ended : str, default ''
        Why the training of an ensemble ended: "finished", "time limit" or "interrupted".
    assessment : Assessment, optional
        What the score is worth, and what there is to know of the table; a streamed table has none.
    penalties : tuple of float, default ()
        (λ/2) Σ ‖W‖² after each epoch, which its loss has in it and the validation loss has not; () if it is not known.
    command : str, default ''
        What makes this model again.
    data_sha256 : str, default ''
        Hash of the table: of the file's bytes, a folder's files, or a data frame as JSON lines.

    Attributes
    ----------
    epochs : int
        Passes over the training rows, of an ensemble the sum over its members.
    stopped : str
        Why training ended: `ended`, or for one network what its history says.
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
    model: Model | Ensemble
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
    members: tuple[Member, ...] = ()
    ended: str = ""
    assessment: Assessment | None = None
    penalties: tuple[float, ...] = ()
    command: str = ""
    data_sha256: str = ""

    @property
    def epochs(self) -> int:
        """Passes over the training rows; those of all members of an ensemble."""
        return sum(member.epochs for member in self.members) or len(self.history)

    @property
    def stopped(self) -> str:
        """Why training ended, in a word or two."""
        return self.ended or self.history.stopped

    @property
    def columns(self) -> list[ColumnSummary]:
        """What became of each column of the table."""
        return self.model.encoder.summary() if self.model.encoder else []

    @property
    def samples_per_second(self) -> float:
        """Training rows passed in a second, validation after each epoch counted in the time."""
        folds = len({member.fold for member in self.members})
        rows = self.n_train * (1 - 1 / folds) if folds else self.n_train - self.n_validation
        return self.epochs * rows / self.seconds if self.seconds else 0.0

    def __repr__(self) -> str:
        scores = ", ".join(f"{name} {value:.4g}" for name, value in self.metrics["test"].items() if value is not None)
        of = "" if self.model.target is None else f" of {self.model.target.name!r}"
        return f"<TrainResult{of}: {scores} on {count(self.n_test, 'held-out row')}>"

    def to_dict(self) -> dict[str, Any]:
        """The result as `backlit train --format json` prints it."""
        return {
            "task": self.task,
            "n_train": self.n_train,
            "n_test": self.n_test,
            "metrics": self.metrics,
            "epochs": self.epochs,
            "best_epoch": None if self.members else self.history.best_epoch,
            "stopped": self.stopped,
            "seconds": self.seconds,
            "samples_per_second": self.samples_per_second,
            "engine": self.engine,
            "gradient_check": self.gradient_check.to_dict(),
            "seed": self.settings.seed,
            "members": [member.to_dict() for member in self.members],
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


def notes_on_shards(outcome: Outcome, settings: Settings) -> tuple[str, ...]:
    """What is said of a network that was trained in shards, and from when on larger batches gain it little."""
    engine = outcome.engine
    if not isinstance(engine, ShardedEngine):
        return ()
    rows, S = engine.noise_scale.rows, engine.noise_scale.shards
    scale = "" if rows is None else (
        f"; the gradient noise scale was about {rows:,.0f} rows in the last epoch, and batches are "
        f"{settings.batch_size:,}: much beyond the scale larger batches, and more workers for them, gain little"
    )  # fmt: skip
    return (f"each step was a sum over {S} shards of the rows{scale}",)


def made_by(source: str, seed: int, epochs: int, metrics: dict[str, dict[str, float]]) -> dict[str, Any]:
    """What a model file says of its training."""
    return {
        "source": source,
        "seed": seed,
        "epochs": epochs,
        "metrics": metrics,
        "made": time.strftime("%Y-%m-%d"),
        **versions(),
    }


def versions() -> dict[str, str]:
    """The versions that a result depends on."""
    from importlib.metadata import version

    packages = {name: version(name) for name in ("numpy", "scipy", "polars", "scikit-learn")}
    return {"backlit": __version__, "python": platform.python_version(), **packages}


# --- how to get a result again ----------------------------------------------------------------------------------------

UNTOLD = ("progress", "cluster")  # change nothing in the result
FLAGS = {"stream": "--stream", "compare": "--no-compare"}  # where it is not the default


class NoOption(Exception):
    """A setting that only Python can give."""


def command_of(function: Callable[..., Any], arguments: Mapping[str, Any]) -> str:
    """The command line that does what a call of `train` did, or the call where an option is Python's alone.

    arguments : by name, those left at their defaults too.

    >>> def train(table=None, target=None, *, hidden=(128, 64), init="he", seed=0): ...
    >>> command_of(train, {"table": "my t.csv", "target": "y", "hidden": (8, 4), "init": "he", "seed": 0})
    "backlit train 'my t.csv' --target y --hidden 8,4"
    >>> command_of(train, {"table": "t.csv", "target": "y", "hidden": (128, 64), "init": "zeros", "seed": 3})
    "backlit.train('t.csv', 'y', init='zeros', seed=3)"
    """
    defaults = {name: p.default for name, p in inspect.signature(function).parameters.items()}
    given = {k: v for k, v in arguments.items() if k not in UNTOLD and not same(v, defaults[k])}
    table = given.pop("table", None)
    try:
        tables = [table] if isinstance(table, str | Path) else [] if table is None else table
        if not isinstance(tables, list | tuple):
            raise NoOption
        words = [str(path) for path in tables]
        return shlex.join(["backlit", "train", *words, *(w for item in given.items() for w in option(*item))])
    except NoOption:
        first = [repr(str(table)) if isinstance(table, str | Path) else "table"] if table is not None else []
        first += [repr(given.pop("target"))] if first and "target" in given else []
        return f"backlit.train({', '.join([*first, *(f'{k}={plain(v)!r}' for k, v in given.items())])})"


def same(value: Any, default: Any) -> bool:
    """Whether a value is its parameter's default."""
    if isinstance(value, Mapping) and value.keys() == {"name"}:
        value = value["name"]
    if isinstance(value, list | tuple):
        return isinstance(default, list | tuple) and list(value) == list(default)
    return type(value) is type(default) and bool(value == default)


def plain(value: Any) -> Any:
    """A value as Python code has it."""
    return str(value) if isinstance(value, Path) else value


def option(name: str, value: Any) -> Iterator[str]:
    """The words of one option; NoOption if the command line has none for it."""
    flag = f"--{name.replace('_', '-')}"
    if name in FLAGS:
        yield FLAGS[name]
    elif name == "hidden":
        yield from (flag, ",".join(map(str, value)) or "0")
    elif name == "optimizer" and isinstance(value, Mapping):
        if value.keys() - {"name", "learning_rate"}:
            raise NoOption
        yield from (flag, str(value["name"]))
        if "learning_rate" in value:
            yield from ("--learning-rate", repr(value["learning_rate"]))
    elif name == "columns":
        for column, type in value.items():
            yield from ("--column", f"{column}={type}")
    elif name == "init" or not isinstance(value, str | Path | int | float | list | tuple):
        raise NoOption
    elif isinstance(value, list | tuple):
        for each in value:
            yield from (flag, str(each))
    else:
        yield from (flag, str(value))


def data_sha256(source: "str | Path | Sequence[str | Path] | pl.DataFrame") -> str:
    """The SHA-256 of a file's bytes, of files in their order, a folder's by their names, or of a frame as JSON lines.

    >>> import polars as pl
    >>> data_sha256(pl.DataFrame({"a": [1, 2]}))[:16]
    'e91bd3062f38c3f1'
    """
    digest = sha256()
    if hasattr(source, "write_ndjson"):
        digest.update(source.write_ndjson().encode())
        return digest.hexdigest()
    if remote(source):
        return ""  # the survey's checksum holds a run to its data; to read all bytes once more would cost a pass
    paths = [sheet_of(Path(path))[0] for path in ([source] if isinstance(source, str | Path) else source)]
    for file in (f for path in paths for f in (sorted(path.rglob("*.parquet")) if path.is_dir() else [path])):
        with file.open("rb") as read:
            while block := read.read(2**20):
                digest.update(block)
    return digest.hexdigest()
