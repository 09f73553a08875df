"""`predict` on a table that stays on the disk: a chunk is read, predicted and written before the next is read."""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from backlit.errors import TableError
from backlit.io.atomic import atomic_write
from backlit.io.models import Model
from backlit.io.tables import check_suffix
from backlit.io.tables.folder import ParquetTable
from backlit.io.tables.surveying import rows_at_once
from backlit.io.tables.writing import csv_marks
from backlit.tabular.outputs import outputs_of
from backlit.tabular.predicting import as_table, known_model, truth_of
from backlit.tabular.scoring import SAMPLE, Scores

if TYPE_CHECKING:
    import polars as pl


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
                outputs = outputs_of(self.model, encoder.transform(frame, np.float32))
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
    from backlit.io.models import load_model

    read = model if isinstance(model, Model) else load_model(model)
    known_model(read, "the model" if isinstance(model, Model) else str(model))
    return Pass(read, ParquetTable.open(path))
