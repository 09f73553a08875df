"""What a trained model is worth, and what there is to know of the table that it was trained on."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from backlit.tables import TableEncoder, Target
from backlit.tables.messages import shown
from backlit.tabular.baselines import baselines, gradient_boosting, verdict
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
    sooner, which is asked about each column; see `outputs.predict_dealt`.  rival : trained on the same rows.
    weight : (n,) by which rows count.
    """
    used = features.select(column.name for column in rival.encoder.columns if column.features)
    X, test, classes = rival.X, used[held_out], bool(target.classes)
    y, y_test = target.y[kept], target.y[held_out]
    outputs = predict(features[held_out])
    w, w_test = (None, None) if weight is None else (weight[kept], weight[held_out])
    theirs = baselines(target.task, rival.encoder, X[kept], y, X[held_out], weight=w, boosting=False)
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
