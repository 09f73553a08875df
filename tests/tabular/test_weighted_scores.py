"""Rows count by their weight in every score: a whole weight is as good as so many copies of the row."""

import numpy as np
import polars as pl
import pytest
from numpy.testing import assert_allclose
from tests.helpers import raises_naming
from tests.tabular.test_ensemble import TABLE, wavy

from backlit import predict, train
from backlit.errors import TableError
from backlit.tabular.assessment import constant
from backlit.tabular.evaluation import calibration, class_scores, importances, intervals
from backlit.tabular.scoring import score

pytestmark = pytest.mark.usefixtures("small_presets")
N = 60


def rows(K, rng):
    """Targets, outputs and whole weights of some rows, 0 among them; K classes, or numbers where K is 0."""
    weight = rng.integers(0, 4, N).astype(float)
    if not K:
        y = rng.normal(size=N)
        return y, y + rng.normal(size=N), weight
    p = rng.dirichlet(np.ones(K), N)
    return np.concatenate([np.arange(K), rng.integers(0, K, N - K)]), p, np.maximum(weight, np.arange(N) < K)


@pytest.mark.parametrize("K", [0, 2, 4])
def test_a_weight_is_so_many_copies(K, rng):
    y, outputs, weight = rows(K, rng)
    copies = np.repeat(np.arange(N), weight.astype(int))
    task = "classification" if K else "regression"
    weighted, plain = score(task, y, outputs, weight), score(task, y[copies], outputs[copies])
    assert weighted == pytest.approx(plain, rel=1e-12)
    assert weighted != pytest.approx(score(task, y, outputs), rel=1e-3)
    if not K:
        assert_allclose(constant(y, 1, 0, weight), y[copies].mean())
        return
    assert_allclose(constant(y, 1, K, weight)[0], np.bincount(y[copies], minlength=K) / len(copies))
    curves, copied = (class_scores(tuple(range(K)), *of) for of in ((y, outputs, weight), (y[copies], outputs[copies])))
    for ours, theirs in zip(curves, copied, strict=True):
        assert (ours.recall, ours.precision, ours.auc) == pytest.approx((theirs.recall, theirs.precision, theirs.auc))
        assert ours.average_precision == pytest.approx(theirs.average_precision)
    ours, theirs = calibration(y, outputs, weight), calibration(y[copies], outputs[copies])
    assert ours.error == pytest.approx(theirs.error)
    assert_allclose(ours.right, theirs.right)


@pytest.mark.parametrize("K", [0, 2])
def test_equal_weights_change_no_interval_and_uneven_ones_widen_it(K, rng):
    y, outputs, _ = rows(K, rng)
    task = "classification" if K else "regression"
    plain = intervals(task, y, outputs)
    equal = intervals(task, y, outputs, np.full(N, 7.0))
    for name, ends in equal.items():
        assert ends == pytest.approx(plain[name])
    uneven = intervals(task, y, outputs, np.where(np.arange(N) % 10, 0.01, 1.0))
    name = "accuracy" if K else "mae"
    assert np.diff(uneven[name]) > 1.5 * np.diff(plain[name])


@pytest.mark.parametrize("K", [0, 2])
def test_intervals_with_weights_hold_the_truth_as_often_as_they_say(K):
    held, draws = 0, 300
    for seed in range(draws):
        rng = np.random.default_rng(seed)
        weight = rng.exponential(size=400)
        if K:
            p = np.full((400, 2), 0.5) + rng.choice([-0.2, 0.2], 400)[:, None] * [1, -1]
            y = (rng.random(400) < p[:, 1]).astype(int)
            low, high = intervals("classification", y, p, weight)["accuracy"]
            held += low <= 0.7 <= high
        else:
            low, high = intervals("regression", rng.normal(size=400), np.zeros(400), weight)["rmse"]
            held += low <= 1 <= high
    assert 0.9 < held / draws < 0.985


def test_importances_hear_rows_by_their_weight(rng):
    table = pl.DataFrame({"a": rng.normal(size=200), "b": rng.normal(size=200)})
    first = np.arange(200) < 100
    y = np.where(first, table["a"], table["b"])

    def predict(rows):
        def ask(name=None, order=None):
            t = rows if name is None else rows.with_columns(rows[name].gather(order))
            return np.where(first[: len(t)], t["a"], t["b"])

        return ask

    found = importances(table, y, predict, classes=False, weight=first.astype(float))
    assert found["a"] > 0.5
    assert found["b"] == 0


def spoiled(rows=400, seed=0):
    """A table in which every third row is nonsense of weight 0."""
    table = wavy(rows, seed).with_columns(w=pl.when(pl.int_range(rows) % 3 == 0).then(0.0).otherwise(2.0))
    return table.with_columns(y=pl.when(pl.col("w") == 0).then(500.0).otherwise(pl.col("y")))


@pytest.mark.parametrize("options", [{"quality": "fast"}, {"hidden": (16,), "epochs": 30}])
def test_every_score_of_a_training_goes_by_weight(options, tmp_path):
    test = tmp_path / "test.csv"
    spoiled(90, seed=7).write_csv(test)
    for told in ({}, {"test": test}):
        result = train(spoiled(), "y", drop=["kind"], weight="w", **options, **told)
        rmse = [result.metrics["train"], result.metrics["test"], *result.assessment.baselines.values()]
        assert all(scores["rmse"] < 3 for scores in rmse), rmse
        assert result.assessment.intervals["rmse"][1] < 3
        assert max(result.assessment.importances.values()) < 3
        assert predict(result.model, spoiled(90, seed=7)).metrics["rmse"] < 3
    without = predict(result.model, spoiled(90, seed=7).drop("w"))
    assert without.metrics["rmse"] > 100


def test_rows_that_weigh_nothing_cannot_score():
    table = TABLE.with_columns(w=pl.Series([1.0] * 320 + [0.0] * 80), day=pl.Series(range(400)))
    with raises_naming(TableError, "no row that scores", "--weight"):
        train(table, "y", drop=["kind"], weight="w", time="day")
    with raises_naming(TableError, "'w'", "not in the table"):
        train(table, "y", drop=["kind", "day"], weight="w", test=TABLE)
