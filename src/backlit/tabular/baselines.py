"""What a score is worth: simple models trained on the same rows, which predict the same test rows.

>>> from backlit.tables import TableEncoder, read_target, split
>>> from backlit.tabular.datasets import load_dataset
>>> table = load_dataset("iris")
>>> y = read_target(table, "target").y
>>> kept, held_out = split(y)
>>> encoder = TableEncoder.fit(table[kept], drop=["target"])
>>> X = encoder.transform(table)
>>> found = baselines("classification", encoder, X[kept], y[kept], X[held_out])
>>> sorted(found), bool((found["linear"].argmax(axis=1) == y[held_out]).mean() > 0.9)
(['constant', 'gradient_boosting', 'linear'], True)
"""

import warnings
from collections.abc import Collection
from typing import Any

import numpy as np

from backlit.tables import TableEncoder
from backlit.tables.columns import Category
from backlit.tables.messages import figure

Array = np.ndarray
Scores = dict[str, Any]
MOST_CLASSES = 50  # for gradient boosting, which grows a tree for each class in each round
LOSS = {"classification": "log_loss", "regression": "rmse"}  # what a model is judged by
WORDS = {"log_loss": "log loss", "rmse": "root mean square error"}
RIVALS = {"constant": "the constant prediction", "linear": "a linear model", "gradient_boosting": "gradient boosting"}


def baselines(
    task: str,
    encoder: TableEncoder,
    X: Array,
    y: Array,
    X_test: Array,
    *,
    weight: Array | None = None,
    boosting: bool = True,
    seed: int = 0,
) -> dict[str, Array]:
    """Probabilities (n, K) or numbers (n,) by "constant", "linear" and, if `boosting`, "gradient_boosting".

    encoder : from the table's columns to X.  X : (m, n_0) features of the training rows, and y : (m,) their class
    indices or numbers.  X_test : (n, n_0), of the test rows.  weight : (m,) by which training rows count.

    The constant prediction is the classes' shares, or the mean; the linear model is logistic or ridge regression, and
    gradient boosting is scikit-learn's HistGradientBoosting, each with its defaults.
    """
    from threadpoolctl import threadpool_limits

    K = int(y.max()) + 1 if task == "classification" else 0
    with threadpool_limits(1):  # the same bits for any number of threads, and no waiting on a busy machine
        made = {"constant": constant(y, len(X_test), K, weight), "linear": linear(X, y, X_test, K, weight)}
    boosted = gradient_boosting(encoder, X, y, X_test, K, seed, weight) if boosting else None
    return made if boosted is None else {**made, "gradient_boosting": boosted}


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
    'the held-out rows are too few to tell it from the constant prediction'
    """
    said, rivals = compared(task, test, others, answer)
    unsure = [RIVALS[rival] for rival in rivals if rival in alike]
    return said + (f"; the held-out rows are too few to tell it from {together(unsure)}" if unsure else "")


def compared(task: str, test: Scores, others: dict[str, Scores], answer: str) -> tuple[str, list[str]]:
    """What `verdict` says of the scores alone, and with which baselines it compares by loss."""
    name = LOSS[task]
    own, losses = test[name], {rival: scores[name] for rival, scores in others.items()}
    measured = f"{WORDS[name]} {figure(own)}"
    for rival in ("constant", "linear"):
        if own >= losses[rival]:
            return f"the model adds nothing: {measured}, and {figure(losses[rival])} by {RIVALS[rival]}", [rival]
    if task == "classification" and test["accuracy"] <= others["constant"]["accuracy"]:
        always = others["constant"]["accuracy"]
        right = f"right in {test['accuracy']:.1%} of the held-out rows"
        return f"the model's answers add nothing: {right}, and always {answer} in {always:.1%}", []
    if own > losses.get("gradient_boosting", np.inf):
        best = losses["gradient_boosting"]
        said = f"gradient boosting is better here: {WORDS[name]} {figure(best)}, and {figure(own)} by the model"
        return said, ["gradient_boosting"]
    names, theirs = [RIVALS[rival] for rival in losses], [figure(loss) for loss in losses.values()]
    return f"better than {together(names)}: {measured}, and theirs {together(theirs)}", list(losses)


def together(words: list[str]) -> str:
    """Words as a sentence lists them.

    >>> together(["a", "b", "c"])
    'a, b and c'
    """
    return " and ".join([", ".join(words[:-1]), words[-1]] if len(words) > 1 else words)
