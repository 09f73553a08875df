"""`predict`: a model and a table in, a column of predictions out."""

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from backlit.errors import ModelError, TableError
from backlit.io.models import Model, load_model
from backlit.io.tables import TargetCodec, read_table
from backlit.tabular.metrics import score
from backlit.tabular.outputs import outputs_of

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
    if model.encoder is None or model.target is None:
        raise ModelError(
            f"{name} does not say how a table becomes its inputs: use a model that train made from a table"
        )
    frame = read_table(table, text=model.encoder.text_columns) if isinstance(table, str | Path) else table
    where = f"{table}: " if isinstance(table, str | Path) else ""
    if not frame.height:
        raise TableError(f"{where}the table has no rows to predict: give it some")
    try:
        X = model.encoder.transform(frame, np.float32)
    except TableError as error:
        raise TableError(f"{where}{error}") from None
    outputs = outputs_of(model, X)
    return Predictions(as_table(model.target, outputs), model.target.task, score_if_known(model.target, frame, outputs))


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
    if target.name not in frame.columns:
        return None
    truth, decoded = frame[target.name], target.decode(np.zeros(1))
    known = np.flatnonzero(truth.is_not_null().to_numpy())
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
    return score(target.task, y, outputs[known]) if known.size else None
