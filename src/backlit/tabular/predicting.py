"""`predict`: a model and a table in, a column of predictions out."""

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from backlit.errors import ModelError, TableError
from backlit.io.models import Model, load_model
from backlit.io.tables import TableEncoder, TargetCodec, read_table
from backlit.tabular.metrics import score
from backlit.tabular.outputs import outputs_of
from backlit.tabular.table_stream import has_value

if TYPE_CHECKING:
    import polars as pl


@dataclass(frozen=True)
class Predictions:
    """Predictions for the rows of a table.

    table : the prediction in the target's own name and type, and for classes the probability of each.
    metrics : where the table holds the target's true values, the scores on the rows that have one; else None.
    """

    table: "pl.DataFrame"
    task: str
    metrics: dict[str, Any] | None

    def to_dict(self) -> dict[str, Any]:
        """The result as `backlit predict --format json` prints it."""
        return {
            "task": self.task,
            "n": self.table.height,
            "metrics": self.metrics,
            "predictions": self.table.to_dict(as_series=False),
        }


def predict(model: str | Path | Model, table: "str | Path | pl.DataFrame") -> Predictions:
    """Predict every row of a table by a model that `train` made.

    model : a Model or a model file.  table : a file or a Polars DataFrame with the columns of the training table.
    Raises ModelError or TableError in one line.
    """
    name = "the model" if isinstance(model, Model) else str(model)
    model = model if isinstance(model, Model) else load_model(model)
    encoder, codec = known_model(model, name)
    frame = read_table(table, text=encoder.text_columns) if isinstance(table, str | Path) else table
    where = f"{table}: " if isinstance(table, str | Path) else ""
    if not frame.height:
        raise TableError(f"{where}the table has no rows to predict: give it some")
    try:
        X = encoder.transform(frame, np.float32)
    except TableError as error:
        raise TableError(f"{where}{error}") from None
    outputs = outputs_of(model, X)
    return Predictions(as_table(codec, outputs), codec.task, score_if_known(codec, frame, outputs))


def known_model(model: Model, name: str) -> tuple[TableEncoder, TargetCodec]:
    """Encoder and target of a model; raises ModelError where it has none."""
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
    """Metrics on the rows whose true value the table holds; None where it holds none, or values of another kind."""
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
