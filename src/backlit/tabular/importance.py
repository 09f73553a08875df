"""Which columns a model leans on, and the rows that it gets most wrong."""

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import numpy as np

from backlit.tables import TargetCodec

if TYPE_CHECKING:
    import polars as pl

Array = np.ndarray
Dealt = Callable[..., Array]  # outputs of rows, or with (name, order) those with a column's values in another order
CELLS = 20_000  # rows × columns that are encoded for each column
MOST_ROWS, MOST_COLUMNS = 1000, 200


def row_losses(y: Array, outputs: Array, classes: bool) -> Array:
    """−ln p of the true class, or the squared error, of each row (m,)."""
    if not classes:
        return (outputs.astype(np.float64) - y) ** 2
    return -np.log(np.maximum(outputs[np.arange(len(y)), y].astype(np.float64), np.finfo(float).eps))


def total(losses: Array, classes: bool, weight: Array | None = None) -> float:
    """Log loss, or root mean square error."""
    mean = float(np.average(losses, weights=weight))
    return mean if classes else mean**0.5


def importances(
    features: "pl.DataFrame",
    y: Array,
    predict: Callable[["pl.DataFrame"], Dealt],
    *,
    classes: bool,
    weight: Array | None = None,
    seed: int = 0,
) -> dict[str, float]:
    """By how much the loss grows if a column's values are dealt to other rows: log loss, or root mean square error.

    features : (m, n) columns of test rows, of which at most 1,000 are used.  y : (m,).
    predict : from rows to what is asked for each column; see `outputs.predict_dealt`.
    weight : (m,) by which rows count.

    The largest comes first; of more than 200 columns there are none.  Columns that say the same share what they are
    worth, and each of them may seem to matter little.  Source: Breiman 2001.

    >>> import polars as pl
    >>> table = pl.DataFrame({"x": [0.0, 1.0, 2.0, 3.0], "idle": [1.0, 5.0, 2.0, 2.0]})
    >>> x = table["x"].to_numpy()
    >>> ask = lambda name=None, order=None: x[order] if name == "x" else x
    >>> found = importances(table, np.arange(4.0), lambda rows: ask, classes=False)
    >>> found["x"] > 0, found["idle"]
    (True, 0.0)
    """
    if features.width > MOST_COLUMNS:
        return {}
    if weight is not None:
        features, y, weight = features.filter(weight > 0), y[weight > 0], weight[weight > 0]
    rng = np.random.default_rng(seed)
    rows = min(len(features), MOST_ROWS, max(CELLS // features.width, 100))
    chosen = np.sort(rng.permutation(len(features))[:rows])
    features, y, weight = features[chosen], y[chosen], None if weight is None else weight[chosen]
    ask = predict(features)
    base = total(row_losses(y, ask(), classes), classes, weight)
    growth = {}
    for name in features.columns:
        growth[name] = total(row_losses(y, ask(name, rng.permutation(rows)), classes), classes, weight) - base
    return dict(sorted(growth.items(), key=lambda item: -item[1]))


def worst_rows(
    features: "pl.DataFrame", numbers: Array, y: Array, outputs: Array, codec: TargetCodec, most: int = 10
) -> list[dict[str, Any]]:
    """The rows with the largest loss: their "row", counted from 1, what is "true" and what is "predicted".

    Of classes only rows that were answered wrongly, with the "probability" of the true one.
    features : (m, n) columns of test rows, told as "values".  numbers : (m,) places in the table, from 0.
    """
    classes = bool(codec.classes)
    order = np.argsort(-row_losses(y, outputs, classes), kind="stable")
    worst = order[:most] if not classes else [k for k in order[:most] if outputs[k].argmax() != y[k]]
    truth = codec.decode(y).to_list()
    answers = codec.decode(outputs.argmax(axis=1) if classes else outputs).to_list()
    return [
        {
            "row": int(numbers[k]) + 1,
            "true": truth[k],
            "predicted": answers[k],
            **({"probability": float(outputs[k, y[k]])} if classes else {}),
            "values": features.row(int(k), named=True),
        }
        for k in worst
    ]
