"""From outputs to what the target means, and the scores of a prediction."""

import math
from typing import TYPE_CHECKING, Any

import numpy as np

from backlit.core.parameters import Parameters, Statistics
from backlit.engine import TrainConfig, get_engine
from backlit.errors import ModelError, TableError
from backlit.formats.ensembles import Ensemble
from backlit.formats.models import Model
from backlit.optim import Sgd
from backlit.tables import TableEncoder, TargetCodec

if TYPE_CHECKING:
    import polars as pl

Array = np.ndarray


def outputs_of(model: Model, X: Array) -> Array:
    """Probabilities (n, K) for classification, numbers (n,) for regression, for features X (n, n_0)."""
    a = activations_of(model.params, model.statistics, X)
    if model.target is None or model.target.task == "regression":
        return a[:, 0] if a.shape[1] == 1 else a
    return np.hstack([1 - a, a]) if a.shape[1] == 1 else a


def activations_of(params: Parameters, statistics: Statistics, X: Array, engine: str = "auto") -> Array:
    """a_L, (n, n_L), for features X (n, n_0); a row's, to the bit, whatever stands beside it."""
    runner = get_engine(engine, TrainConfig(params.net, Sgd(), batch_size=1))
    X = X.astype(params.theta.dtype, copy=False)
    if runner.name != "reference" or not len(X):
        return runner.predict(params, statistics, X)
    return np.concatenate([runner.predict(params, statistics, X[i : i + 1]) for i in range(len(X))])


def classification_metrics(
    y: Array, p: Array, weight: Array | None = None, answers: Array | None = None
) -> dict[str, float | None]:
    """Score class probabilities p (n, K) against class indices y (n,).

    weight : (n,) by which rows count.  answers : (n,) classes that are answered, the likeliest if not given.
    accuracy; balanced accuracy, the mean over the classes of the share found; log loss in nats; ROC AUC, for more than
    two classes the mean over all pairs of classes.

    >>> classification_metrics(np.array([0, 1]), np.array([[0.9, 0.1], [0.2, 0.8]]))["accuracy"]
    1.0
    """
    answers = p.argmax(axis=1) if answers is None else answers
    return {
        "accuracy": float(np.average(answers == y, weights=weight)),
        "balanced_accuracy": mean_recall(y, answers, weight),
        "log_loss": float(np.average(row_losses(y, shares(p), classes=True), weights=weight)),
        "roc_auc": roc_auc(y, p, weight),
    }


def mean_recall(y: Array, answers: Array, weight: Array | None = None) -> float:
    """Mean over the classes in y (n,) of the share that is found."""
    w, found = np.ones(len(y)) if weight is None else weight, answers == y
    rows, hits = np.bincount(y, w), np.bincount(y[found], w[found], minlength=y.max() + 1)
    return float((hits[rows > 0] / rows[rows > 0]).mean())


def row_losses(y: Array, outputs: Array, classes: bool) -> Array:
    """−ln p of the true class, or the squared error, of each row (m,)."""
    if not classes:
        return (outputs.astype(np.float64) - y) ** 2
    eps = np.finfo(float).eps
    return -np.log(np.clip(outputs[np.arange(len(y)), y].astype(np.float64), eps, 1 - eps))


def roc_auc(y: Array, p: Array, weight: Array | None = None) -> float | None:
    """The area under the ROC curve, for more than two classes the mean over all pairs; None if a class is not in y."""
    if len(np.unique(y)) < p.shape[1]:
        return None
    return area_of_pairs(y, shares(p), weight)


def area_of_pairs(y: Array, p: Array, weight: Array | None = None) -> float:
    """The mean, over all pairs of the classes in y (m,), two or more, of the area under their ROC curve.

    p : (m, K), rows sum to 1.  Of a pair each class's probability is asked.  Source: Hand & Till 2001.
    """
    w = np.ones(len(y)) if weight is None else weight
    if p.shape[1] == 2:
        return float(areas_beside(y, p[:, 1], 1, w)[0])
    known = np.unique(y)
    return float(np.mean([areas_beside(y, p[:, k], k, w)[known[known != k]] for k in known]))


def areas_beside(y: Array, score: Array, k: int, weight: Array) -> Array:
    """(K,) how likely a row of class k has a higher score (n,) than one of each class; a tie counts half.

    >>> y, score = np.array([0, 0, 1, 2]), np.array([0.9, 0.4, 0.4, 0.1])
    >>> areas_beside(y, score, 0, np.ones(4))
    array([0.5 , 0.75, 1.  ])
    """
    own = np.flatnonzero(y == k)
    own = own[np.argsort(score[own], kind="stable")]
    passed = np.concatenate([[0.0], np.cumsum(weight[own])])  # by a score that is above so many of the class
    below, up_to = (passed[np.searchsorted(score[own], score, side)] for side in ("left", "right"))
    higher = passed[-1] - (below + up_to) / 2
    with np.errstate(invalid="ignore"):  # of a class that has no row
        return np.bincount(y, weight * higher) / (passed[-1] * np.bincount(y, weight))


def shares(p: Array) -> Array:
    """Probabilities whose rows sum to 1, which those in float32 do only roughly."""
    p = p.astype(np.float64)
    return p / p.sum(axis=1, keepdims=True)


def regression_metrics(y: Array, predicted: Array, weight: Array | None = None) -> dict[str, float | None]:
    """Score numbers (n,): R² (None where y is constant or a single row), root mean square error, mean absolute error.

    >>> regression_metrics(np.array([0.0, 2.0]), np.array([0.0, 1.0]))
    {'r2': 0.5, 'rmse': 0.7071067811865476, 'mae': 0.5}
    """
    error, w = predicted.astype(np.float64) - y, 1.0 if weight is None else weight
    spread = float((w * (y - np.average(y, weights=weight)) ** 2).sum())
    return {
        "r2": 1 - float((w * error**2).sum()) / spread if spread > 0 else None,
        "rmse": math.sqrt(float(np.average(error**2, weights=weight))),
        "mae": float(np.average(np.abs(error), weights=weight)),
    }


def score(
    task: str, y: Array, outputs: Array, weight: Array | None = None, answers: Array | None = None
) -> dict[str, Any]:
    """The metrics of a task; `outputs` are probabilities (n, K) or numbers (n,), `weight` (n,) what rows count.

    answers : (n,) classes that are answered, the likeliest if not given.
    """
    if task == "regression":
        return regression_metrics(*counted(weight, y, outputs))
    answers = outputs.argmax(axis=1) if answers is None else answers
    y, outputs, answers, weight = counted(weight, y, outputs, answers)
    return classification_metrics(y, outputs, weight, answers)


def counted(weight: Array | None, *arrays: Array) -> tuple[Any, ...]:
    """The arrays and the weights without the rows of weight 0, which are no rows; as they are where there are none."""
    if weight is None:
        return *arrays, None
    rows = weight > 0
    return *(array[rows] for array in arrays), weight[rows]


def finite(outputs: np.ndarray, first: int = 0) -> np.ndarray:
    """The outputs as they are; TableError with the row, counted from 1 in its file, where one is NaN or infinite."""
    fine = np.isfinite(outputs).reshape(len(outputs), -1).all(axis=1)
    if not fine.all():
        raise TableError(
            f"row {first + int(fine.argmin()) + 1:,} has no prediction, as the network's numbers overflow in it: mend "
            f"the row, or train the model again on values as large as its"
        )
    return outputs


def known_model(model: Model | Ensemble, name: str) -> tuple[TableEncoder, TargetCodec]:
    """Encoder and target of a model; ModelError if it has none."""
    if model.encoder is None or model.target is None:
        raise ModelError(
            f"{name} does not say how a table becomes its inputs: use a model that train made from a table"
        )
    return model.encoder, model.target


def as_table(target: TargetCodec, outputs: np.ndarray, answers: np.ndarray | None = None) -> "pl.DataFrame":
    """The prediction, and the probability of each class.  answers : (m,) classes, the likeliest if not given."""
    import polars as pl

    if target.task == "regression":
        return pl.DataFrame([target.decode(outputs)])
    columns = [target.decode(outputs.argmax(axis=1) if answers is None else answers)]
    for k, label in enumerate(target.classes):
        columns.append(pl.Series(f"probability of {label}", outputs[:, k].astype(np.float64)))
    return pl.DataFrame(columns)


def outputs_in(target: TargetCodec, predictions: "pl.DataFrame") -> np.ndarray:
    """The probabilities (n, K) or numbers (n,) of which `as_table` made a table."""
    K = len(target.classes)
    return predictions[:, 1 : K + 1].to_numpy() if K else predictions.to_series().to_numpy()


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


def has_value(column: Any) -> Array:
    """Which rows (m,) are neither null nor NaN."""
    return (column.is_not_nan().fill_null(False) if column.dtype.is_float() else column.is_not_null()).to_numpy()
