"""Checkpoints: everything that the rest of a run depends on, so that a resumed run ends with the same bits.

A checkpoint is one safetensors file, written beside its place and renamed, so that at every moment the old one or the
new one is whole.  It holds theta, the optimizer's state, the running statistics, the best epoch's copy, the position
in the epoch, the schedule's and the early stopping's memory, and the history.  Draws need no generator's state: the
order of an epoch is a function of the seed and its number, a dropout mask one of the seed and the step.
"""

import json
import os
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np

from backlit.bounded_reading import from_json, read_arrays
from backlit.engine import Data, State
from backlit.errors import BacklitError, ModelError, ProblemError
from backlit.files import atomic_write, checksum, remove_unfinished
from backlit.optim import PlateauState
from backlit.training.run import EarlyStopping, Epoch, Position, Run, learned
from backlit.training.sharding import Shards
from backlit.training.streaming import Stream

VERSION = 1
LARGEST_COUNT = 2**53
ABSENT = "not given"
FILE = "checkpoint.safetensors"


@dataclass
class Watched:
    """What early stopping remembers."""

    best: float
    best_epoch: int | None
    waited: int
    kept: int


@dataclass
class Described:
    """What a checkpoint says beside its arrays."""

    version: int
    run: dict[str, Any]
    step: int
    position: Position
    plateau: PlateauState
    watch: Watched
    history: list[Epoch]
    stopped: str


def save_checkpoint(folder: Path, run: Run) -> None:
    """Write the run's state into the folder, in place of the last.  Raises BacklitError if it cannot be written."""
    from safetensors.numpy import save

    make_folder(folder)
    watch, history = run.watch, run.history
    watched = Watched(watch.best, watch.best_epoch, watch.n_bad_epochs, len(watch.best_params))
    described = Described(
        VERSION, fingerprint(run), run.state.step, run.position, run.plateau, watched, [*history], history.stopped
    )
    content = save(arrays(run.state, watch), metadata={"backlit_checkpoint": json.dumps(asdict(described))})
    with atomic_write(folder / FILE) as temporary:
        temporary.write_bytes(content)


def make_folder(folder: Path) -> None:
    """Make the folder of a run's checkpoints.  Raises BacklitError if that cannot be."""
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        reason = "a file has this name" if folder.is_file() else (error.strerror or str(error)).lower()
        raise BacklitError(f"{folder}: cannot be made a folder for checkpoints ({reason}): give another name") from None


@contextmanager
def claimed(folder: Path) -> Iterator[None]:
    """Keep a folder of checkpoints for this run alone, where the system can; it is free again however the run ends.

    Raises ProblemError if another run has it: the two would write over each other's work.
    """
    make_folder(folder)  # now, so that no epoch is learned in vain
    remove_unfinished(folder, [FILE])
    try:
        import fcntl
    except ImportError:  # Windows locks no folders
        yield
        return
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        with suppress(OSError):  # a file system without locks
            try:
                fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                raise ProblemError(
                    f"{folder}: another run writes its checkpoints here: wait for it, or give another folder"
                ) from None
        yield
    finally:
        os.close(descriptor)


def arrays(state: State, watch: EarlyStopping) -> dict[str, np.ndarray]:
    """Every array of a run by name: what a prediction reads, the optimizer's vectors, the best epoch's copy."""
    named = {f"learned.{k}": array for k, array in enumerate(learned(state))}
    named |= {f"slot.{k}": array for k, array in enumerate(state.slots)}
    return named | {f"kept.{k}": array for k, array in enumerate(watch.best_params)}


def load_checkpoint(folder: Path, run: Run) -> None:
    """Put a run where the folder's checkpoint left it.

    Raises ModelError for a file that is damaged or from the future, ProblemError if it belongs to another run.
    """
    stored, content = read(folder / FILE)
    described, watch = whole(folder / FILE, content), run.watch
    for key, value in fingerprint(run).items():
        before = described.run.get(key)
        if before != value:
            where, was, now = first_difference(key, before, value)
            raise ProblemError(
                f"{folder / FILE} belongs to another run: its {where} was {short(was)}, now it is {short(now)}: "
                f"give the same again, or another folder"
            )
    if not 0 <= described.position.batches <= run.n_batches:
        raise ModelError(f"{folder / FILE}: damaged (an epoch has {run.n_batches} batches): remove it to start anew")
    watch.best_params = [array.copy() for array in learned(run.state)] if described.watch.kept else []
    for name, array in arrays(run.state, watch).items():
        if name not in stored or stored[name].shape != array.shape or stored[name].dtype != array.dtype:
            raise ModelError(f"{folder / FILE}: array {name} is missing or of another shape: the file is damaged")
        array[...] = stored[name]
    run.state.step, run.position, run.plateau = described.step, described.position, described.plateau
    watch.best, watch.best_epoch = described.watch.best, described.watch.best_epoch
    watch.n_bad_epochs = described.watch.waited
    run.history.stopped, run.history.epochs[:] = described.stopped, described.history


def whole(path: Path, described: dict[str, Any]) -> Described:
    """A checkpoint's description, of which nothing is missing, of another type or a count below 0; else ModelError."""
    from pydantic import TypeAdapter, ValidationError

    try:
        one = TypeAdapter(Described).validate_python(described)
        position, watch = one.position, one.watch
        counts = (one.step, position.steps, position.rows, one.plateau.waited, watch.waited, watch.best_epoch or 0)
        if not all(0 <= count < LARGEST_COUNT for count in counts):
            raise ModelError(f"{path}: damaged (a count is below 0, or beyond any run's): remove it to start anew")
        return one
    except ValidationError as error:
        where = ".".join(map(str, error.errors()[0]["loc"]))
        raise ModelError(f"{path}: damaged (its {where} is missing or wrong): remove it to start anew") from None


def read(path: Path) -> tuple[dict[str, np.ndarray], dict[str, Any]]:
    """The arrays and the description of a checkpoint."""
    try:
        stored, metadata = read_arrays(path)
        described = from_json(metadata["backlit_checkpoint"])
        if not isinstance(described, dict):
            raise ValueError("its description is no table")
    except (KeyError, ValueError, OSError) as error:
        raise ModelError(f"{path}: damaged, or not a checkpoint ({error}): remove it to start anew") from None
    if described.get("version") != VERSION:
        raise ModelError(f"{path}: of version {described.get('version')}, not {VERSION}: use the Backlit that wrote it")
    return stored, described


def fingerprint(run: Run) -> dict[str, Any]:
    """What must be the same for a resumed run to end like an unbroken one; found once, for the data do not change."""
    if not run.fingerprint:
        run.fingerprint = describe(run)
    return run.fingerprint


def describe(run: Run) -> dict[str, Any]:
    """The network, the settings and the data of a run."""
    settings = run.settings
    return {
        "network": run.net.to_dict(),
        "optimizer": settings.optimizer.to_dict(),
        "schedule": settings.schedule.to_dict(),
        "epochs": settings.epochs,
        "batch_size": settings.batch_size,
        "clip_norm": settings.clip_norm,
        "clip_value": settings.clip_value,
        "alpha": settings.alpha,
        "shuffle": settings.shuffle,
        "seed": settings.seed,
        "monitor": [settings.monitor, settings.patience, settings.tol, settings.restore_best],
        "engine": run.engine.name,
        "data": digest(run.data),
        "validation": None if run.validation is None else digest(run.validation),
    }


def digest(data: Data | Stream | Shards) -> list[Any]:
    """Rows, type and a checksum of the examples; of shards, each one's."""
    if isinstance(data, Shards):
        return [f"{len(data.each)} shards", *([shard.batch_size, *digest(shard.source)] for shard in data.each)]
    if not isinstance(data, Data):
        return data.digest()
    check = 0
    X = (data.X.data, data.X.indices, data.X.indptr) if data.is_sparse else (data.X,)
    for array in (*X, data.Y, data.sample_weight):
        check = check if array is None else checksum(array, check)
    return [len(data), str(data.X.dtype), check]


def first_difference(where: str, before: Any, now: Any) -> tuple[str, Any, Any]:
    """The first place at which two descriptions differ, and what stands there.

    >>> first_difference("network", {"inputs": 2, "layers": [{"units": 3}]}, {"inputs": 2, "layers": [{"units": 4}]})
    ('network.layers[0].units', 3, 4)
    """
    if isinstance(before, dict) and isinstance(now, dict):
        key = next(key for key in [*before, *now] if before.get(key, ABSENT) != now.get(key, ABSENT))
        return first_difference(f"{where}.{key}", before.get(key, ABSENT), now.get(key, ABSENT))
    if where.startswith("network") and isinstance(before, list) and isinstance(now, list) and len(before) == len(now):
        k = next(k for k in range(len(now)) if before[k] != now[k])
        return first_difference(f"{where}[{k}]", before[k], now[k])
    return where, before, now


def short(value: Any) -> str:
    """A value in at most 60 characters."""
    text = str(value)
    return text if len(text) <= 60 else text[:57] + "..."
