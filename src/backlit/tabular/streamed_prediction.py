"""`predict` on a table that stays on the disk: into one file, or into a folder with a file for each of the table's.

A piece of the table is a job, which may run anywhere.  What is written is the same to the byte whoever ran them.
"""

import hashlib
import os
import tempfile
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from backlit.display import Displayed
from backlit.errors import BacklitError, TableError
from backlit.files import atomic_write, remove_unfinished
from backlit.formats.ensembles import Ensemble, load_ensemble, save_ensemble
from backlit.formats.models import Model
from backlit.jobs import on
from backlit.tables import check_table_suffix
from backlit.tables.parquet import File, ParquetTable, Piece, remote
from backlit.tables.scan import rows_at_once
from backlit.tables.table_files import csv_marks, spreadsheet_safe
from backlit.tabular.blend import predict_rows
from backlit.tabular.scoring import as_table, finite, known_model, outputs_in, truth_of
from backlit.tabular.streamed_scores import SAMPLE, Scores
from backlit.tabular.table_rows import raw_weight

if TYPE_CHECKING:
    import polars as pl

Show = Callable[[float], None]
MADE_BY = "backlit"  # the entry of a file of predictions that tells of what it was made


def quiet(share: float) -> None:
    """Show nothing of the share that is done."""


@dataclass(frozen=True)
class StreamedPredictions(Displayed):
    """What a streamed prediction leaves.

    Parameters
    ----------
    n : int
        How many rows were predicted.
    task : {"classification", "regression"}
        What the model predicts.
    metrics : dict or None
        Scores on the rows whose true value the table holds; None if there are none.
    output : str or None
        The file, or the folder, with the predictions.
    kept : int
        Files of the folder that were there, made by the same model of the same rows.
    weight : str, default ''
        The column whose weights the scores go by, where the model was trained by one and the table has it.

    Examples
    --------
    >>> StreamedPredictions(3, "regression", None, "predictions/").to_dict()["output"]
    'predictions/'
    """

    n: int
    task: str
    metrics: dict[str, Any] | None
    output: str | None
    kept: int = 0
    weight: str = ""

    def to_dict(self) -> dict[str, Any]:
        """The result as `backlit predict --format json` prints it; the predictions are in the file."""
        told = {"task": self.task, "n": self.n, "metrics": self.metrics, "predictions": None, "output": self.output}
        return told | ({"weight": self.weight} if self.weight else {})


@dataclass
class Pass:
    """Predictions of a table, chunk by chunk, in the order of its rows; `scores` are known when it is over."""

    model: Model | Ensemble
    table: ParquetTable
    cluster: Any = 0
    show: Show = quiet
    scores: Scores = field(init=False)

    def __post_init__(self) -> None:
        self.scores = self.empty(0)

    def empty(self, first: int) -> Scores:
        """No scores yet, of rows from number `first` on."""
        _, codec = known_model(self.model, "the model")
        weighed = bool(weight_of(self.model))
        return Scores(codec.task, len(codec.classes), SAMPLE / len(self.table), first, weighed)

    def pieces(self) -> list[Piece]:
        """The table in pieces, as large as is read at once."""
        encoder, _ = known_model(self.model, "the model")
        width = len(columns_read(self.model, self.table)) + len(encoder.feature_names_out)
        return self.table.pieces(rows_at_once(width))

    def __iter__(self) -> Iterator["pl.DataFrame"]:
        self.scores, done, pieces = self.empty(0), 0, self.pieces()
        jobs = [(self.model, piece, self.empty(piece.chunks[0].first)) for piece in pieces]
        for piece, (frames, scores) in zip(pieces, on(self.cluster)(predict_piece, jobs), strict=True):
            self.scores.merge(scores)
            done += piece.rows
            self.show(done / len(self.table))
            yield from frames

    def result(self, output: str | None = None, kept: int = 0) -> StreamedPredictions:
        """What there is to say when the pass is over."""
        metrics = self.scores.metrics() if self.scores.n else None
        weight = weight_of(self.model) if self.scores.goes_by_weight else ""
        return StreamedPredictions(len(self.table), self.scores.task, metrics, output, kept, weight)


def weight_of(model: Model | Ensemble) -> str:
    """The column by whose weights the model was trained; '' if by none."""
    return str(model.training.get("weight", ""))


def scored_by(model: Model | Ensemble) -> list[str]:
    """The columns that say how right a prediction is, and how much that counts."""
    _, codec = known_model(model, "the model")
    return [name for name in (codec.name, weight_of(model)) if name]


def columns_read(model: Model | Ensemble, table: ParquetTable) -> list[str]:
    """The columns that are read: those that the model needs, and of those that score it what is there."""
    encoder, _ = known_model(model, "the model")
    needed = [column.name for column in encoder.columns if column.features]
    return [name for name in dict.fromkeys([*needed, *scored_by(model)]) if name in table.schema]


def predict_piece(model: Model | Ensemble, piece: Piece, scores: Scores) -> tuple[list["pl.DataFrame"], Scores]:
    """The predictions of a piece, and its scores."""
    return list(predicted(model, piece, scores)), scores


def predicted(model: Model | Ensemble, piece: Piece, scores: Scores) -> Iterator["pl.DataFrame"]:
    """The predictions of a piece, chunk by chunk; adds to the scores."""
    encoder, codec = known_model(model, "the model")
    table, others = piece.checked(), scored_by(model)
    for chunk in piece.chunks:
        frame = table.read(chunk, columns_read(model, table))
        try:
            frame = encoder.read(frame, *others)
            outputs = finite(predict_rows(model, frame), chunk.start)
        except TableError as error:
            raise TableError(f"{table.where(chunk)}: {error}") from None
        add_scores(scores, model, frame, outputs)
        yield as_table(codec, outputs)


def add_scores(scores: Scores, model: Model | Ensemble, frame: "pl.DataFrame", outputs: np.ndarray) -> None:
    """Take in the rows whose true value the table holds, with their weights if these can be weights."""
    _, codec = known_model(model, "the model")
    truth, weight = truth_of(codec, frame), None
    if truth is None:
        return
    known, y = truth
    with suppress(TableError):  # without weights the scores are plain, and say so
        weight = raw_weight(frame[known], weight_of(model))
    scores.add(y, outputs[known], weight)


def predict_streamed(
    model: str | Path | Model | Ensemble,
    path: str | Path,
    output: str | Path,
    *,
    cluster: Any = 0,
    show: Show = quiet,
    safe: bool = False,
) -> StreamedPredictions:
    """Predict every row of a Parquet file or a folder of them and write the predictions, in memory that stays flat.

    output : a file that ends in .csv, .tsv, .parquet, .jsonl or .ndjson, which appears whole or not at all; or a folder
        (that exists, or whose name ends in a slash) that gets a Parquet file for each of the table's: those that are
        there, of the same model and rows, are kept.
    cluster : who runs it, as in `train`; what is written is the same.
    safe : whether a CSV's labels and names are kept from being formulas in a spreadsheet.
    Raises ModelError or TableError in one line, with the name of the file at fault.
    """
    if remote(output):
        raise BacklitError(
            f"{remote(output)}: predictions are written to a disk: give a path, and copy them from there"
        )
    whole = open_pass(model, path, cluster, show)
    if is_folder(output):
        return predict_folder(whole, Path(output))
    check_table_suffix(output)
    with atomic_write(output) as temporary:
        sink(iter(whole), whole.model, temporary, safe=safe)
    return whole.result(str(output))


def is_folder(output: str | Path) -> bool:
    """Whether predictions go into a folder.

    >>> is_folder("predictions/"), is_folder("predictions.csv")
    (True, False)
    """
    return Path(output).is_dir() or str(output).endswith((os.sep, "/"))


def predict_folder(whole: Pass, folder: Path) -> StreamedPredictions:
    """Write a file of predictions for each file of the table, but for those that are there."""
    if folder.resolve() == whole.table.path.resolve():
        raise BacklitError(f"{folder}: holds the table that is read: write to another folder")
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise BacklitError(f"{folder}: could not be made ({error.strerror}): write elsewhere") from None
    folder, by_file = folder.absolute(), dict[File, list[Piece]]()
    for piece in whole.pieces():
        by_file.setdefault(piece.table.files[0], []).append(piece)
    digest = digest_of(whole.model)
    jobs = [
        (whole.model, pieces, whole.empty(pieces[0].chunks[0].first), digest, folder / f"{file.stem}.parquet")
        for file, pieces in by_file.items()
    ]
    done = kept = 0
    for pieces, (scores, was_there) in zip(by_file.values(), on(whole.cluster)(predict_file, jobs), strict=True):
        whole.scores.merge(scores)
        kept += was_there
        done += sum(piece.rows for piece in pieces)
        whole.show(done / len(whole.table))
    remove_unfinished(folder, (output.name for *_, output in jobs))  # of workers that died in the act
    return whole.result(str(folder), kept)


def predict_file(
    model: Model | Ensemble, pieces: list[Piece], scores: Scores, digest: str, output: Path
) -> tuple[Scores, bool]:
    """Write the predictions of a file; its scores, and whether they were there."""
    made_by = f"{digest} {pieces[0].mark}"
    if not output.parent.is_dir():
        raise BacklitError(f"{output.parent}: cannot be seen from here: write to a folder that all workers share")
    if was_made_by(output, made_by):
        return score_again(model, pieces, scores, output), True
    with atomic_write(output) as temporary:
        sink((frame for piece in pieces for frame in predicted(model, piece, scores)), model, temporary, made_by)
    return scores, False


def was_made_by(output: Path, made_by: str) -> bool:
    """Whether a file of predictions is there, and of this model and these rows."""
    import polars as pl

    try:
        return pl.read_parquet_metadata(output).get(MADE_BY) == made_by
    except (OSError, pl.exceptions.PolarsError):
        return False


def score_again(model: Model | Ensemble, pieces: list[Piece], scores: Scores, output: Path) -> Scores:
    """The scores of predictions that are there, from their file."""
    encoder, codec = known_model(model, "the model")
    written = ParquetTable.open(output)
    for piece in pieces:
        table, others = piece.checked(), scored_by(model)
        there = [name for name in others if name in table.schema]
        for chunk in piece.chunks if codec.name in there else ():
            frame = encoder.read(table.read(chunk, there), *others)
            add_scores(scores, model, frame, outputs_in(codec, written.read(chunk)))
    return scores


def sink(
    frames: Iterator["pl.DataFrame"], model: Model | Ensemble, path: Path, made_by: str = "", safe: bool = False
) -> None:
    """Write frames, one after the other, in the format of the suffix."""
    from polars.io.plugins import register_io_source

    _, codec = known_model(model, "the model")
    empty = as_table(codec, np.zeros((0, len(codec.classes))) if codec.classes else np.zeros(0))
    if safe:
        empty, frames = spreadsheet_safe(empty), map(spreadsheet_safe, frames)
    lazy = register_io_source(lambda *_: frames, schema=empty.schema, is_pure=True)
    suffix = path.suffix.lower()
    if suffix == ".parquet":
        lazy.sink_parquet(path, metadata={MADE_BY: made_by} if made_by else None)
    elif suffix in (".csv", ".tsv"):
        separator, missing = csv_marks(suffix, empty.width)
        lazy.sink_csv(path, separator=separator, null_value=missing)
    else:
        lazy.sink_ndjson(path)


def digest_of(model: Model | Ensemble) -> str:
    """SHA-256 of a model's file."""
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder, "model.safetensors")
        save_ensemble(model, file)
        return hashlib.sha256(file.read_bytes()).hexdigest()


def open_pass(model: str | Path | Model | Ensemble, path: str | Path, cluster: Any = 0, show: Show = quiet) -> Pass:
    """A pass over a table that has not begun; model and table are looked at."""
    named = isinstance(model, str | Path)
    read = load_ensemble(model) if isinstance(model, str | Path) else model
    known_model(read, str(model) if named else "the model")
    return Pass(read, ParquetTable.open(path), cluster, show)
