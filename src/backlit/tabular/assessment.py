"""What a trained model is worth, and what there is to know of the table that it was trained on."""

import warnings
from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from backlit.tables import TableEncoder, Target
from backlit.tables.columns import Category, frequencies, settle
from backlit.tables.messages import figure, shown
from backlit.tabular.evaluation import (
    Calibration,
    ClassScore,
    Dealt,
    Interval,
    calibration,
    class_scores,
    importances,
    intervals,
    told_apart,
    worst_rows,
)
from backlit.tabular.remarks import remarks
from backlit.tabular.scoring import score

if TYPE_CHECKING:
    import polars as pl

Array = np.ndarray
BARS = 16


@dataclass(frozen=True)
class ColumnOverview:
    """One column.

    missing : share of the rows.  different : how many values.  summary : quartiles, or the most frequent words.
    bars : how many rows each of up to 16 equal intervals holds, or each of the 16 most frequent words.
    """

    name: str
    missing: float
    different: int
    summary: str
    bars: tuple[int, ...]


@dataclass(frozen=True)
class Assessment:
    """What `assess` gives.

    Parameters
    ----------
    verdict : str
        One sentence: the score beside those of the baselines, and which the test rows are too few to tell it from.
    baselines : dict
        Metrics of "constant", "linear" and "gradient_boosting" on the test rows.
    intervals : dict
        (low, high) of the test metrics, 95 %.
    remarks : tuple of str
        What in the table makes a score say too much or too little.
    importances : dict
        By how much the loss of the test rows grows if a column's values are dealt to other rows, largest first.
    worst : list of dict
        The test rows with the largest loss.
    overview : list of ColumnOverview
        What is in each column, the target last.
    classes : list of ClassScore
        Each class against the rest: recall, precision, curves; empty for regression.
    calibration : Calibration, optional
        How often predictions of some confidence are right; None for regression.

    Examples
    --------
    >>> from backlit.tabular import train
    >>> found = train(dataset="iris", epochs=50, seed=1).assessment
    >>> sorted(found.baselines), found.intervals["accuracy"][0] > 0.7
    (['constant', 'gradient_boosting', 'linear'], True)
    """

    verdict: str
    baselines: dict[str, dict[str, Any]]
    intervals: dict[str, Interval]
    remarks: tuple[str, ...]
    importances: dict[str, float]
    worst: list[dict[str, Any]]
    overview: list[ColumnOverview]
    classes: list[ClassScore]
    calibration: Calibration | None


@dataclass(frozen=True)
class Rival:
    """What gradient boosting says of the rows that test, (m, K) or (m,), and the features that it learned from.

    encoder : of the columns that are learned from.  X : (n, n_0) float32, of all rows.  outputs : None where it was not
    wanted, or there are too many classes.
    """

    encoder: TableEncoder
    X: Array
    outputs: Array | None

    @classmethod
    def train(
        cls,
        features: "pl.DataFrame",
        target: Target,
        kept: Array,
        held_out: Array,
        *,
        weight: Array | None = None,
        wanted: bool = True,
        seed: int = 0,
    ) -> "Rival":
        """Train it on the rows that `assess` will be given; it takes long, and needs no model to be there."""
        encoder = TableEncoder.fit(features[kept])
        X, y = encoder.transform(features, np.float32), target.y[kept]
        if not wanted:
            return cls(encoder, X, None)
        K, w = int(y.max()) + 1 if target.classes else 0, None if weight is None else weight[kept]
        return cls(encoder, X, gradient_boosting(encoder, X[kept], y, X[held_out], K, seed, w))


def assess(
    features: "pl.DataFrame",
    target: Target,
    kept: Array,
    held_out: Array,
    predict: Callable[["pl.DataFrame"], Array],
    quick: Callable[["pl.DataFrame"], Dealt],
    rival: Rival,
    *,
    weight: Array | None = None,
    seed: int = 0,
) -> Assessment:
    """Say what the score of a model on held-out rows is worth.

    features : columns that are learned from, of the rows that have a target.  kept, held_out : (n,) rows of it that
    trained and that test.  predict : from such columns to probabilities (m, K) or numbers (m,).  quick : much the same
    sooner, which is asked about each column; see `blend.predict_dealt`.  rival : trained on the same rows.
    weight : (n,) by which rows count.
    """
    used = features.select(column.name for column in rival.encoder.columns if column.features)
    X, test, classes = rival.X, used[held_out], bool(target.classes)
    y, y_test = target.y[kept], target.y[held_out]
    outputs = predict(features[held_out])
    w, w_test = (None, None) if weight is None else (weight[kept], weight[held_out])
    theirs = baselines(target.task, X[kept], y, X[held_out], weight=w)
    theirs |= {} if rival.outputs is None else {"gradient_boosting": rival.outputs}
    own, *others = (score(target.task, y_test, made, w_test) for made in (outputs, *theirs.values()))
    beside = dict(zip(theirs, others, strict=True))
    alike = [name for name, made in theirs.items() if not told_apart(target.task, y_test, outputs, made, w_test)]
    usual = shown(target.classes[int(np.bincount(y).argmax())]) if classes else ""
    growth = importances(test, y_test, quick, classes=classes, weight=w_test, seed=seed)
    told = test.select(list(growth)[:6] or test.columns[:6])
    return Assessment(
        verdict=verdict(target.task, own, beside, usual, alike),
        baselines=beside,
        intervals=intervals(target.task, y_test, outputs, w_test),
        remarks=tuple(remarks(used, target, kept, held_out)),
        importances=growth,
        worst=worst_rows(told, target.rows[held_out], y_test, outputs, target.codec),
        overview=overview(features.with_columns(target.codec.decode(target.y))),
        classes=class_scores(target.classes, y_test, outputs, w_test) if classes else [],
        calibration=calibration(y_test, outputs, w_test) if classes else None,
    )


def overview(table: "pl.DataFrame") -> list[ColumnOverview]:
    """Every column, in the table's order.

    >>> import polars as pl
    >>> [line] = overview(pl.DataFrame({"color": ["red", "red", None, "blue"]}))
    >>> line.missing, line.different, line.summary, line.bars
    (0.25, 2, "'red' 67%, 'blue' 33%", (2, 1))
    """
    return [describe(settle(table[name])) for name in table.columns]


def describe(column: "pl.Series") -> ColumnOverview:
    """One settled column."""
    import polars as pl

    given = column.drop_nulls()
    missing = column.null_count() / max(len(column), 1)
    words = given.dtype in (pl.String, pl.Boolean) or not len(given)
    summary, bars = of_words(given) if words else of_numbers(given)
    return ColumnOverview(column.name, missing, given.n_unique(), summary, bars)


def of_words(given: "pl.Series") -> tuple[str, tuple[int, ...]]:
    """The three most frequent values with their shares, and the counts of the first 16."""
    counts = sorted(frequencies(given).items(), key=lambda pair: (-pair[1], str(pair[0])))
    shares = [f"{shown(value, most=20)} {n / len(given):.0%}" for value, n in counts[:3]]
    rest = f", {len(counts) - 3:,} more" if len(counts) > 3 else ""
    return ", ".join(shares) + rest, tuple(n for _, n in counts[:BARS])


def of_numbers(given: "pl.Series") -> tuple[str, tuple[int, ...]]:
    """Least, quartiles and largest of numbers or moments, and the counts of 16 equal intervals."""
    told = [given.sort()[round(q * (len(given) - 1))] for q in (0, 0.25, 0.5, 0.75, 1)]
    words = [figure(v) if given.dtype.is_numeric() else str(v) for v in told]
    values = given.to_physical().to_numpy()
    if values.dtype.kind in "iu":  # large ones may differ in their last digits: from the least on, modulo 2⁶⁴
        values = values.astype(np.uint64) - values.min().astype(np.uint64)
    counts, _ = np.histogram(values.astype(np.float64), bins=BARS)
    if given.dtype.is_numeric():
        return f"{words[0]} to {words[4]}, half within {words[1]} and {words[3]}, median {words[2]}", tuple(
            map(int, counts)
        )
    return f"{words[0]} to {words[4]}, median {words[2]}", tuple(map(int, counts))


# --- simple models, trained on the same rows, that predict the same test rows -----------------------------------------

Scores = dict[str, Any]
MOST_CLASSES = 50  # for gradient boosting, which grows a tree for each class in each round
LOSS = {"classification": "log_loss", "regression": "rmse"}  # what a model is judged by
WORDS = {"log_loss": "log loss", "rmse": "root mean square error"}
RIVALS = {"constant": "the constant prediction", "linear": "a linear model", "gradient_boosting": "gradient boosting"}


def baselines(
    task: str,
    X: Array,
    y: Array,
    X_test: Array,
    *,
    weight: Array | None = None,
) -> dict[str, Array]:
    """Probabilities (n, K) or numbers (n,) by "constant" and "linear".

    X : (m, n_0) features of the training rows, and y : (m,) their class indices or numbers.  X_test : (n, n_0), of the
    test rows.  weight : (m,) by which training rows count.

    The constant prediction is the classes' shares, or the mean; the linear model is logistic or ridge regression with
    scikit-learn's defaults.

    >>> from backlit.tables import read_target, split
    >>> from backlit.tabular.datasets import load_dataset
    >>> table = load_dataset("iris")
    >>> y = read_target(table, "target").y
    >>> kept, held_out = split(y)
    >>> X = TableEncoder.fit(table[kept], drop=["target"]).transform(table)
    >>> found = baselines("classification", X[kept], y[kept], X[held_out])
    >>> sorted(found), bool((found["linear"].argmax(axis=1) == y[held_out]).mean() > 0.9)
    (['constant', 'linear'], True)
    """
    from threadpoolctl import threadpool_limits

    K = int(y.max()) + 1 if task == "classification" else 0
    with threadpool_limits(1):  # the same bits for any number of threads, and no waiting on a busy machine
        return {"constant": constant(y, len(X_test), K, weight), "linear": linear(X, y, X_test, K, weight)}


def constant(y: Array, n_test: int, K: int, weight: Array | None = None) -> Array:
    """The shares of the K classes (n_test, K), or the mean (n_test,), of the training rows."""
    if not K:
        return np.full(n_test, np.average(y, weights=weight))
    counts = np.bincount(y, weight, minlength=K)
    return np.tile(counts / counts.sum(), (n_test, 1))


def linear(X: Array, y: Array, X_test: Array, K: int, weight: Array | None = None) -> Array:
    """Logistic regression's probabilities (m, K), or ridge regression's numbers (m,)."""
    from sklearn.linear_model import LogisticRegression, Ridge

    X, X_test = X.astype(np.float64), X_test.astype(np.float64)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # a fit that could be a little better still is a baseline
        model = (LogisticRegression(max_iter=200) if K else Ridge()).fit(X, y, sample_weight=weight)
    return model.predict_proba(X_test) if K else model.predict(X_test)


def gradient_boosting(
    encoder: TableEncoder, X: Array, y: Array, X_test: Array, K: int, seed: int, weight: Array | None = None
) -> Array | None:
    """What HistGradientBoosting predicts from one feature a column, in one thread; None for very many classes."""
    if K > MOST_CLASSES:
        return None
    from sklearn.ensemble import HistGradientBoostingClassifier, HistGradientBoostingRegressor
    from threadpoolctl import threadpool_limits

    (rows, words), (asked, _) = as_columns(encoder, X), as_columns(encoder, X_test)
    stopping = "auto" if not K or np.bincount(y).min() > 1 else False  # its own split needs two rows of each class
    kind = HistGradientBoostingClassifier if K else HistGradientBoostingRegressor
    model = kind(categorical_features=words, early_stopping=stopping, random_state=seed)
    with threadpool_limits(1, "openmp"):  # of this thread alone: others may have theirs meanwhile
        model.fit(rows, y, sample_weight=weight)
        return model.predict_proba(asked) if K else model.predict(asked)


def as_columns(encoder: TableEncoder, X: Array) -> tuple[Array, Array]:
    """One feature a column (m, n), as trees like it, and which of them (n,) are codes of words.

    A word is the number of its slot, and a number that was missing is NaN.
    """
    made, words, places = [], [], encoder.places
    for column in encoder.columns:
        if not column.features:
            continue
        part = X[:, places[column.name]]
        words.append(isinstance(column, Category))
        missing = part[:, 1] == 1 if not words[-1] and part.shape[1] > 1 else False
        made.append(part.argmax(axis=1) if words[-1] else np.where(missing, np.nan, part[:, 0]))
    return np.column_stack(made).astype(np.float64), np.array(words)


def verdict(task: str, test: Scores, others: dict[str, Scores], answer: str, alike: Collection[str] = ()) -> str:
    """One sentence on what a model's scores on the test rows are worth beside those of the baselines.

    answer : the most frequent class, in words.  alike : baselines that the test rows are too few to tell it from.

    >>> few = {"constant": {"rmse": 1.5}, "linear": {"rmse": 3.0}}
    >>> verdict("regression", {"rmse": 2.0}, few, "")
    'the model adds nothing: root mean square error 2, and 1.5 by the constant prediction'
    >>> verdict("regression", {"rmse": 1.0}, few, "")
    'better than the constant prediction and a linear model: root mean square error 1, and theirs 1.5 and 3'
    >>> verdict("regression", {"rmse": 1.0}, few, "", ["constant"]).partition("; ")[2]
    'the held-out rows are too few to tell it from the constant prediction (1.5)'
    """
    name = LOSS[task]
    own, losses = test[name], {rival: scores[name] for rival, scores in others.items()}
    measured, few = f"{WORDS[name]} {figure(own)}", "the held-out rows are too few to tell it from"
    if own >= losses["constant"]:
        return f"the model adds nothing: {measured}, and {figure(losses['constant'])} by the constant prediction"
    if task == "classification" and test["accuracy"] <= others["constant"]["accuracy"]:
        always = others["constant"]["accuracy"]
        right = f"right in {test['accuracy']:.1%} of the held-out rows"
        return f"the model's answers add nothing: {right}, and always {answer} in {always:.1%}"
    behind = [rival for rival, loss in losses.items() if own < loss and rival not in alike]
    ahead = [rival for rival, loss in losses.items() if own >= loss and rival not in alike]
    near = [rival for rival in losses if rival in alike]
    if ahead:
        are = "is" if len(ahead) == 1 else "are"
        theirs = together([figure(losses[rival]) for rival in ahead])
        return f"{named(ahead)} {are} better here: {WORDS[name]} {theirs}, and {figure(own)} by the model"
    unsure = together([f"{RIVALS[rival]} ({figure(losses[rival])})" for rival in near])
    if not behind:
        return f"not shown to be better than any of the others: {measured}; {few} {unsure}"
    theirs = f"{'its' if len(behind) == 1 else 'theirs'} {together([figure(losses[rival]) for rival in behind])}"
    return f"better than {named(behind)}: {measured}, and {theirs}" + (f"; {few} {unsure}" if near else "")


def named(rivals: Sequence[str]) -> str:
    """Baselines in words."""
    return together([RIVALS[rival] for rival in rivals])


def together(words: list[str]) -> str:
    """Words as a sentence lists them.

    >>> together(["a", "b", "c"])
    'a, b and c'
    """
    return " and ".join([", ".join(words[:-1]), words[-1]] if len(words) > 1 else words)
