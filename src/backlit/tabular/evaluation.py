"""What the test rows say of a model: how far the truth may lie from its scores, curves and recall a class,
calibration, importances of columns, worst rows."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from backlit.tables import TargetCodec
from backlit.tabular.scoring import counted, row_losses, shares

if TYPE_CHECKING:
    import polars as pl

Array = np.ndarray
POINTS, BINS = 200, 10
Interval = tuple[float, float]
Z = 1.959963984540054  # 95 % of a normal variable lie within ± Z
LEAST_LEFT = 1e-10  # of a sum without one row, beside other such sums; less is rounding
Dealt = Callable[..., Array]  # outputs of rows, or with (name, order) those with a column's values in another order
CELLS = 20_000  # rows × columns that are encoded for each column
MOST_ROWS, MOST_COLUMNS = 1000, 200
WORST = 10  # rows that are told


@dataclass(frozen=True)
class ClassScore:
    """One class against the rest, on the test rows.

    rows : that are of it.  recall : share of them that is found.  precision : share of what is called so that is so.
    auc : area under the ROC curve.  average_precision : area under that of precision by recall.  None where undefined.
    roc : (n, 2) false and true positive rates.  pr : (n, 2) recall and precision.  Both have at most 200 points.
    """

    label: str
    rows: int
    recall: float | None
    precision: float | None
    auc: float | None
    average_precision: float | None
    roc: Array
    pr: Array


@dataclass(frozen=True)
class Calibration:
    """How often predictions of some confidence are right.

    confidence, right, rows : (n,) the mean probability of the predicted class, the share of right ones and the number
    of rows, in bins of equal width.  error : the mean gap of the two over the rows.
    """

    confidence: Array
    right: Array
    rows: Array
    error: float


def class_scores(labels: tuple[object, ...], y: Array, p: Array, weight: Array | None = None) -> list[ClassScore]:
    """Each class against the rest, for class indices y (m,), probabilities p (m, K) and weights of rows (m,) or None.

    >>> [a, b] = class_scores(("a", "b"), np.array([0, 1, 1]), np.array([[0.9, 0.1], [0.2, 0.8], [0.6, 0.4]]))
    >>> b.recall, b.precision, b.auc, b.roc.tolist()
    (0.5, 1.0, 1.0, [[0.0, 0.0], [0.0, 0.5], [0.0, 1.0], [1.0, 1.0]])
    """
    answer, w = p.argmax(axis=1), np.ones(len(y)) if weight is None else weight
    return [one_class(str(label), y == k, answer == k, p[:, k], w) for k, label in enumerate(labels)]


def one_class(label: str, truth: Array, called: Array, p: Array, w: Array) -> ClassScore:
    """A class by which rows (m,) are of it, which are called so, their probabilities of it, and their weights."""
    rows, calls, hits = (float(w[chosen].sum()) for chosen in (truth, called, truth & called))
    true, false = counts_by_threshold(truth, p, w)
    others = float(w.sum()) - rows
    both = min(rows, others) > 0
    tpr, fpr = true / (rows or 1), false / (others or 1)
    precision = np.divide(true, true + false, out=np.ones(len(true)), where=true + false > 0)
    return ClassScore(
        label,
        int(truth.sum()),
        recall=hits / rows if rows else None,
        precision=hits / calls if calls else None,
        auc=float(np.trapezoid(tpr, fpr)) if both else None,
        average_precision=float((np.diff(tpr) * precision[1:]).sum()) if both else None,
        roc=thin(np.column_stack([fpr, tpr])),
        pr=thin(np.column_stack([tpr, precision])[1:]),
    )


def counts_by_threshold(truth: Array, p: Array, w: Array) -> tuple[Array, Array]:
    """Weights of true and false positives (n,) as the threshold falls past each different p, from 0 to all."""
    order = np.argsort(-p, kind="stable")
    last = np.flatnonzero(np.append(np.diff(p[order]) != 0, True)) + 1  # of those with one p, which cross together
    at, truth, w = np.concatenate([[0], last]), truth[order], w[order]
    true, false = (np.concatenate([[0.0], np.cumsum(np.where(rows, w, 0.0))])[at] for rows in (truth, ~truth))
    return true, false


def thin(points: Array) -> Array:
    """At most POINTS of (n, 2), evenly along the curve's length, the first and last among them."""
    if len(points) <= POINTS:
        return points
    along = np.concatenate([[0], np.cumsum(np.abs(np.diff(points, axis=0)).sum(axis=1))])
    return points[np.unique(np.searchsorted(along, np.linspace(0, along[-1], POINTS)).clip(max=len(points) - 1))]


def calibration(y: Array, p: Array, weight: Array | None = None) -> Calibration:
    """Of the predicted class, for class indices y (m,), probabilities p (m, K) and weights of rows (m,) or None.

    >>> found = calibration(np.array([0, 0, 1, 1]), np.array([[0.9, 0.1]] * 4))
    >>> found.confidence.tolist(), found.right.tolist(), round(found.error, 3)
    ([0.9], [0.5], 0.4)
    """
    p, w = shares(p), np.ones(len(y)) if weight is None else weight
    confidence, right = p.max(axis=1), p.argmax(axis=1) == y
    at = np.minimum((confidence * BINS + 1e-9).astype(int), BINS - 1)
    rows, total = np.bincount(at, minlength=BINS), np.bincount(at, w, BINS)
    there = np.flatnonzero(total)
    mean, share = (np.bincount(at, w * v, BINS)[there] / total[there] for v in (confidence, right.astype(float)))
    return Calibration(mean, share, rows[there], float((np.abs(mean - share) * total[there]).sum() / w.sum()))


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
    predict : from rows to what is asked for each column; see `blend.predict_dealt`.
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
    features: "pl.DataFrame", numbers: Array, y: Array, outputs: Array, codec: TargetCodec
) -> list[dict[str, Any]]:
    """The rows with the largest loss: their "row", counted from 1, what is "true" and what is "predicted".

    Of classes only rows that were answered wrongly, with the "probability" of the true one.
    features : (m, n) columns of test rows, told as "values".  numbers : (m,) places in the table, from 0.
    """
    classes = bool(codec.classes)
    order = np.argsort(-row_losses(y, outputs, classes), kind="stable")
    worst = order[:WORST] if not classes else [k for k in order[:WORST] if outputs[k].argmax() != y[k]]
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


# --- intervals of scores ----------------------------------------------------------------------------------------------


def intervals(task: str, y: Array, outputs: Array, weight: Array | None = None) -> dict[str, Interval]:
    """(low, high) of each metric that has one, for targets y (n,) and outputs (n, K) or (n,): 95 % confidence.

    weight : (n,) by which rows count, all alike if not given.

    Each score is, to first order, a mean of numbers one a row (its influence), so the spread of these over √n is its
    standard error.  Where a few large errors make most of a score, and rows are few, they hold it less often (90 %).
    Sources: Wilson 1927 for shares; DeLong, DeLong & Clarke-Pearson 1988 for the area under the ROC curve; the delta
    method for the rest, and for R² the jackknife of its logarithm.

    >>> y = np.array([0, 1] * 50)
    >>> p = np.where(y == 1, 0.9, 0.2)
    >>> intervals("classification", y, np.column_stack([1 - p, p]))["accuracy"]
    (0.963..., 1.0)
    """
    y, outputs, weight = counted(weight, y, outputs)
    if len(y) < 2:
        return {}
    w = np.ones(len(y)) if weight is None else weight
    if task == "regression":
        return of_numbers(y, outputs.astype(np.float64), w)
    return of_classes(y, shares(outputs), w, ranked=weight is None)


def of_classes(y: Array, p: Array, w: Array, ranked: bool) -> dict[str, Interval]:
    """Of accuracy, balanced accuracy, log loss, and for two classes, if `ranked`, ROC AUC."""
    right = p.argmax(axis=1) == y
    recall = [share_of(right[y == k], w[y == k]) for k in np.unique(y)]
    near = [((share * n + 1) / (n + 2), n) for share, n in recall]  # no class is sure of being all found
    variance = sum(share * (1 - share) / n for share, n in near) / len(recall) ** 2
    loss = row_losses(y, p, classes=True)
    made = {
        "accuracy": wilson(*share_of(right, w)),
        "balanced_accuracy": around(float(np.mean([share for share, _ in recall])), float(variance) ** 0.5, 0, 1),
        "log_loss": positive(float(np.average(loss, weights=w)), standard_error(loss, w)),
    }
    if ranked and p.shape[1] == 2 and len(recall) == 2 and min(n for _, n in recall) > 1:
        made["roc_auc"] = auc_interval(p[y == 1, 1], p[y == 0, 1])
    return made


def of_numbers(y: Array, predicted: Array, w: Array) -> dict[str, Interval]:
    """Of R², root mean square error and mean absolute error."""
    square, spread = row_losses(y, predicted, classes=False), (y - np.average(y, weights=w)) ** 2
    mse, variance = float(np.average(square, weights=w)), float(np.average(spread, weights=w))
    absolute = np.abs(predicted - y)
    low, high = positive(mse, standard_error(square, w))
    made = {
        "rmse": (low**0.5, high**0.5),
        "mae": positive(float(np.average(absolute, weights=w)), standard_error(absolute, w)),
    }
    error = error_of_share(square, spread, w)
    if error is not None:
        low, high = positive(mse / variance, error * mse / variance)
        made = {"r2": (1 - high, 1 - low), **made}
    return made


def error_of_share(square: Array, spread: Array, w: Array) -> float | None:
    """The standard error of log(Σ w square / Σ w spread) by the jackknife, spread about its mean of weights w (n,).

    One row can make most of both sums, and their quotient is another without it, which no slope shows.  None where
    leaving a row out leaves no error or no spread.  Source: Efron & Stein 1981.
    """
    n, total, rest = len(w), w.sum(), w.sum() - w
    mse = ((w * square).sum() - w * square) / rest
    variance = ((w * spread).sum() - w * spread * total / rest) / rest  # about the mean of the others
    if mse.min() <= LEAST_LEFT * mse.max() or variance.min() <= LEAST_LEFT * variance.max():
        return None
    logs = np.log(mse / variance)
    return float(np.sqrt((n - 1) / n * ((logs - logs.mean()) ** 2).sum()))


def told_apart(task: str, y: Array, outputs: Array, others: Array, weight: Array | None = None) -> bool:
    """Whether two predictions' losses of the same rows differ by more than chance: Student's paired t test (1908), 5 %.

    y : (n,).  outputs, others : (n, K) or (n,).  weight : (n,) by which rows count.

    >>> y = np.array([1.0, 2.0, 3.0, 4.0])
    >>> told_apart("regression", y, y + 0.1, y + [1.0, 1.1, 0.9, 1.2])
    True
    >>> told_apart("regression", y, y + 0.1, y + [0.0, 0.1, 0.2, 0.1])
    False
    """
    from scipy.special import stdtrit

    y, outputs, others, weight = counted(weight, y, outputs, others)
    if len(y) < 2:
        return False
    w = np.ones(len(y)) if weight is None else weight
    classes = task == "classification"
    outputs, others = (shares(made) if classes else made for made in (outputs, others))
    apart = row_losses(y, outputs, classes) - row_losses(y, others, classes)
    return bool(abs(np.average(apart, weights=w)) > stdtrit(len(y) - 1, 0.975) * standard_error(apart, w))


def standard_error(values: Array, w: Array) -> float:
    """Of the mean of values (n,), n > 1, with weights w."""
    apart = w * (values - np.average(values, weights=w))
    return float(np.sqrt(len(w) / (len(w) - 1) * (apart**2).sum()) / w.sum())


def share_of(right: Array, w: Array) -> tuple[float, float]:
    """The share of true among (n,) with weights w, and of how many rows of one weight it is worth as much (Kish)."""
    return float(np.average(right, weights=w)), float(w.sum() ** 2 / (w**2).sum())


def wilson(share: float, n: float) -> Interval:
    """For a share among n rows, which stays within [0, 1] and is no point where all are true."""
    middle, half = share + Z**2 / (2 * n), Z * (share * (1 - share) / n + (Z / (2 * n)) ** 2) ** 0.5
    low, high = (middle - half) / (1 + Z**2 / n), (middle + half) / (1 + Z**2 / n)
    return 0.0 if share == 0 else low, 1.0 if share == 1 else high


def around(estimate: float, error: float, least: float, most: float) -> Interval:
    """Estimate ± Z standard errors, within bounds."""
    return max(estimate - Z * error, least), min(estimate + Z * error, most)


def positive(estimate: float, error: float) -> Interval:
    """For a mean of numbers ≥ 0, symmetric in its logarithm as such means are skewed."""
    factor = np.exp(Z * error / estimate) if estimate > 0 else 1.0
    return float(estimate / factor), float(estimate * factor)


def auc_interval(positives: Array, negatives: Array) -> Interval:
    """DeLong's, from the scores of both classes; ties count half."""
    from scipy.stats import rankdata

    m, n = len(positives), len(negatives)
    ranks = rankdata(np.concatenate([positives, negatives]))
    above = (ranks[:m] - rankdata(positives)) / n  # for each positive the share of negatives below it
    below = 1 - (ranks[m:] - rankdata(negatives)) / m
    auc = float(above.mean())
    error = float(above.var(ddof=1) / m + below.var(ddof=1) / n) ** 0.5
    return around(auc, error, 0, 1)
