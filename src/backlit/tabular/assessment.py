"""What a trained model is worth, and what there is to know of the table that it was trained on."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from backlit.tables import TableEncoder, Target
from backlit.tables.messages import shown
from backlit.tabular.baselines import baselines, verdict
from backlit.tabular.curves import Calibration, ClassScore, calibration, class_scores
from backlit.tabular.importance import Dealt, importances, worst_rows
from backlit.tabular.intervals import Interval, intervals, told_apart
from backlit.tabular.overview import ColumnOverview, overview
from backlit.tabular.remarks import remarks
from backlit.tabular.scoring import score

if TYPE_CHECKING:
    import polars as pl

Array = np.ndarray


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


def assess(
    features: "pl.DataFrame",
    target: Target,
    kept: Array,
    held_out: Array,
    predict: Callable[["pl.DataFrame"], Array],
    quick: Callable[["pl.DataFrame"], Dealt],
    *,
    weight: Array | None = None,
    boosting: bool = True,
    seed: int = 0,
) -> Assessment:
    """Say what the score of a model on held-out rows is worth.

    features : columns that are learned from, of the rows that have a target.  kept, held_out : (n,) rows of it that
    trained and that test.  predict : from such columns to probabilities (m, K) or numbers (m,).  quick : much the same
    sooner, which is asked about each column; see `outputs.predict_dealt`.  weight : (n,) by which rows count.
    boosting : whether gradient boosting is trained to compare with.
    """
    encoder = TableEncoder.fit(features[kept])
    used = features.select(column.name for column in encoder.columns if column.features)
    X, test, classes = encoder.transform(used, np.float32), used[held_out], bool(target.classes)
    y, y_test = target.y[kept], target.y[held_out]
    outputs = predict(features[held_out])
    w, w_test = (None, None) if weight is None else (weight[kept], weight[held_out])
    theirs = baselines(target.task, encoder, X[kept], y, X[held_out], weight=w, boosting=boosting, seed=seed)
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
