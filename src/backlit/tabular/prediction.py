"""`predict`: a model and a table in, a column of predictions out."""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from backlit.errors import ModelError, TableError
from backlit.files import atomic_write
from backlit.formats.models import Model, load_model
from backlit.tables import TableEncoder, TargetCodec, check_suffix
from backlit.tables.parquet import ParquetTable
from backlit.tables.scan import rows_at_once
from backlit.tables.writing import csv_marks
from backlit.tabular.reasons import Reasons, check_count, explain_rows
from backlit.tabular.scoring import SAMPLE, Scores, outputs_of, score
from backlit.tabular.streamed import has_value

if TYPE_CHECKING:
    import polars as pl


@dataclass(frozen=True)
class Predictions:
    """Predictions for the rows of a table.

    Parameters
    ----------
    table : polars.DataFrame
        One row a row of the table: the prediction in the target's own name and type, and the probability of each class.
    task : {"classification", "regression"}
        What the model predicts.
    metrics : dict or None
        Scores on the rows whose true value the table holds; None if there are none.
    reasons : Reasons or None
        Which columns moved each prediction, if it was asked for.

    Examples
    --------
    >>> from backlit.tabular import predict, train
    >>> from backlit.tabular.datasets import load_dataset
    >>> model = train(dataset="iris", epochs=2).model
    >>> predict(model, load_dataset("iris")).table.columns[0]
    'target'
    """

    table: "pl.DataFrame"
    task: str
    metrics: dict[str, Any] | None
    reasons: Reasons | None = None

    def to_dict(self) -> dict[str, Any]:
        """The result as `backlit predict --format json` prints it."""
        return {
            "task": self.task,
            "n": self.table.height,
            "metrics": self.metrics,
            "predictions": self.table.to_dict(as_series=False),
            **({"reasons": self.reasons.to_dict()} if self.reasons else {}),
        }


def predict(
    model: str | Path | Model, table: "str | Path | pl.DataFrame", *, reasons: int | None = None
) -> Predictions:
    """Predict every row of a table by a model that `train` made.

    Parameters
    ----------
    model : str, Path or Model
        A model file, or a Model.
    table : str, Path or polars.DataFrame
        A CSV, Parquet or JSON lines file, or a data frame, with the columns of the training table.
    reasons : int, optional
        How many columns to name for each row as the reasons of its prediction: "reason 1", … as COLUMN=VALUE: ±EFFECT,
        beside a typical training row, in the target's unit or as log-odds of the predicted class, and "reasons rest",
        which with them makes the whole difference.  See `backlit.tabular.reasons`.

    Returns
    -------
    Predictions
        A table with one row a row, and the scores if it holds the true values.

    Raises
    ------
    ModelError
        If the model cannot be read, was not made from a table, or, for reasons, by an earlier version.
    TableError
        If the table cannot be read, has no rows, or lacks a column.

    Examples
    --------
    >>> from backlit.tabular import train
    >>> from backlit.tabular.datasets import load_dataset
    >>> found = predict(train(dataset="iris", epochs=50, seed=1).model, load_dataset("iris"))
    >>> found.table.height, found.metrics["accuracy"] > 0.9
    (150, True)
    """
    name = "the model" if isinstance(model, Model) else str(model)
    model = model if isinstance(model, Model) else load_model(model)
    encoder, codec = known_model(model, name)
    frame = encoder.read(table, codec.name)
    where = f"{table}: " if isinstance(table, str | Path) else ""
    if not frame.height:
        raise TableError(f"{where}the table has no rows to predict: give it some")
    try:
        outputs = finite(outputs_of(model, encoder.transform(frame, np.float32)))
    except TableError as error:
        raise TableError(f"{where}{error}") from None
    made, why = as_table(codec, outputs), None
    if reasons is not None:
        k = check_count(reasons)
        why = explain_rows(model, frame)
        made = made.hstack(why.table(k))
    return Predictions(made, codec.task, score_if_known(codec, frame, outputs), why)


def finite(outputs: np.ndarray, first: int = 0) -> np.ndarray:
    """The outputs as they are; TableError with the row, counted from 1 in its file, where one is NaN or infinite."""
    fine = np.isfinite(outputs).reshape(len(outputs), -1).all(axis=1)
    if not fine.all():
        raise TableError(
            f"row {first + int(fine.argmin()) + 1:,} has no prediction, as the network's numbers overflow in it: mend "
            f"the row, or train the model again on values as large as its"
        )
    return outputs


def known_model(model: Model, name: str) -> tuple[TableEncoder, TargetCodec]:
    """Encoder and target of a model; ModelError if it has none."""
    if model.encoder is None or model.target is None:
        raise ModelError(
            f"{name} does not say how a table becomes its inputs: use a model that train made from a table"
        )
    return model.encoder, model.target


def as_table(target: TargetCodec, outputs: np.ndarray) -> "pl.DataFrame":
    """The prediction, and the probability of each class."""
    import polars as pl

    if target.task == "regression":
        return pl.DataFrame([target.decode(outputs)])
    columns = [target.decode(outputs.argmax(axis=1))]
    for k, label in enumerate(target.classes):
        columns.append(pl.Series(f"probability of {label}", outputs[:, k].astype(np.float64)))
    return pl.DataFrame(columns)


def score_if_known(target: TargetCodec, frame: "pl.DataFrame", outputs: np.ndarray) -> dict[str, Any] | None:
    """Metrics on the rows whose true value the table holds; None if it holds none, or values of another kind."""
    found = truth_of(target, frame)
    return None if found is None else score(target.task, found[1], outputs[found[0]])


def truth_of(target: TargetCodec, frame: "pl.DataFrame") -> tuple[np.ndarray, np.ndarray] | None:
    """The rows (k,) whose true value the table holds, and these values (k,) as class indices or numbers."""
    if target.name not in frame.columns:
        return None
    truth, decoded = frame[target.name], target.decode(np.zeros(1))
    known = np.flatnonzero(has_value(truth))
    if not known.size or (target.task == "regression" and not truth.dtype.is_numeric()):
        return None
    if target.task == "regression":
        y = truth.gather(known).to_numpy().astype(np.float64)
    else:
        index = {label: k for k, label in enumerate(target.classes)}
        y = np.array(
            [index.get(label, -1) for label in truth.cast(decoded.dtype, strict=False).gather(known).to_list()]
        )
        known, y = known[y >= 0], y[y >= 0]
    return (known, y) if known.size else None


@dataclass(frozen=True)
class StreamedPredictions:
    """What a streamed prediction leaves: how many rows it wrote where, and the scores where true values are known."""

    n: int
    task: str
    metrics: dict[str, Any] | None
    output: str | None

    def to_dict(self) -> dict[str, Any]:
        """The result as `backlit predict --format json` prints it; the predictions are in the file."""
        return {"task": self.task, "n": self.n, "metrics": self.metrics, "predictions": None, "output": self.output}


@dataclass
class Pass:
    """Predictions of a table, chunk by chunk, in the order of its rows."""

    model: Model
    table: ParquetTable
    n: int = 0
    scores: Scores | None = None

    def __iter__(self) -> Iterator["pl.DataFrame"]:
        encoder, codec = known_model(self.model, "the model")
        self.n, self.scores = 0, Scores(codec.task, len(codec.classes), SAMPLE / len(self.table))
        columns = [c.name for c in encoder.columns if c.features and c.name in self.table.schema]
        columns += [codec.name] if codec.name in self.table.schema and codec.name not in columns else []
        for chunk in self.table.chunks(rows_at_once(len(columns) + len(encoder.feature_names_out))):
            frame = self.table.read(chunk, columns)
            try:
                frame = encoder.read(frame, codec.name)
                outputs = finite(outputs_of(self.model, encoder.transform(frame, np.float32)), chunk.start)
            except TableError as error:
                raise TableError(f"{self.table.where(chunk)}: {error}") from None
            truth = truth_of(codec, frame)
            if truth is not None:
                self.scores.add(truth[1], outputs[truth[0]])
            self.n += chunk.rows
            yield as_table(codec, outputs)

    def result(self, output: str | None = None) -> StreamedPredictions:
        """What there is to say when the pass is over."""
        assert self.model.target is not None
        metrics = self.scores.metrics() if self.scores is not None and self.scores.n else None
        return StreamedPredictions(self.n, self.model.target.task, metrics, output)


def predict_streamed(model: str | Path | Model, path: str | Path, output: str | Path) -> StreamedPredictions:
    """Predict every row of a Parquet file or a folder of them and write the predictions, in memory that stays flat.

    output : a file that ends in .csv, .tsv, .parquet, .jsonl or .ndjson; it appears whole or not at all.
    Raises ModelError or TableError in one line, with the name of the file at fault.
    """
    import polars as pl
    from polars.io.plugins import register_io_source

    check_suffix(output)
    done = open_pass(model, path)
    _, codec = known_model(done.model, "the model")
    empty = as_table(codec, np.zeros((0, len(codec.classes))) if codec.classes else np.zeros(0))
    suffix = Path(output).suffix.lower()

    def source(columns: Any, predicate: Any, rows: Any, batch: Any) -> Iterator[pl.DataFrame]:
        yield from done

    with atomic_write(output) as temporary:
        lazy = register_io_source(source, schema=empty.schema, is_pure=True)
        if suffix == ".parquet":
            lazy.sink_parquet(temporary)
        elif suffix in (".csv", ".tsv"):
            separator, missing = csv_marks(suffix, empty.width)
            lazy.sink_csv(temporary, separator=separator, null_value=missing)
        else:
            lazy.sink_ndjson(temporary)
    return done.result(str(output))


def open_pass(model: str | Path | Model, path: str | Path) -> Pass:
    """A pass over a table that has not begun; model and table are looked at."""
    from backlit.formats.models import load_model

    read = model if isinstance(model, Model) else load_model(model)
    known_model(read, "the model" if isinstance(model, Model) else str(model))
    return Pass(read, ParquetTable.open(path))
