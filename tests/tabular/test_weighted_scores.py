"""Rows count by their weight in every score: a whole weight is as good as so many copies of the row."""

import numpy as np
import polars as pl
import pytest
from numpy.testing import assert_allclose
from tests.helpers import raises_naming
from tests.tabular.test_ensemble import TABLE, wavy
from tests.tabular.test_train_predict import mixed

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


@pytest.fixture(scope="module", params=["grade", "price"])
def weighed(request):
    """A table, and a model of it that was trained by weight, for each task."""
    table = mixed(900).drop({"grade": "price", "price": "grade"}[request.param])
    table = table.with_columns(w=pl.int_range(900) % 5 / 2)
    return table, train(table, request.param, weight="w", epochs=2, hidden=(4,), compare=False).model


SPOILED = {
    "as trained": pl.col("w"),
    "gone": None,
    "a gap": pl.when(pl.int_range(900) == 700).then(None).otherwise(pl.col("w")),
    "below 0": pl.when(pl.int_range(900) == 700).then(-1.0).otherwise(pl.col("w")),
    "all 0": pl.lit(0.0),
    "words": pl.lit("heavy"),
    "0 in a whole file": pl.when(pl.int_range(900) < 400).then(0.0).otherwise(pl.col("w")),
}


@pytest.mark.parametrize("how", SPOILED)
def test_a_streamed_prediction_is_scored_by_weight_as_one_in_memory(weighed, tmp_path, how):
    table, model = weighed
    table = table.drop("w") if SPOILED[how] is None else table.with_columns(w=SPOILED[how])
    (tmp_path / "rows").mkdir()
    for k, rows in enumerate([table[:400], table[400:]]):
        rows.write_parquet(tmp_path / "rows" / f"{k}.parquet", row_group_size=64)
    held = predict(model, table)
    outs = f"{tmp_path}/p.csv", f"{tmp_path}/p/", f"{tmp_path}/p/"
    one, many, again = (predict(model, tmp_path / "rows", out=out) for out in outs)
    assert again.kept == 2
    for done in (one, many, again):
        assert done.weight == held.weight
        assert done.metrics == pytest.approx(held.metrics, rel=1e-5)
        assert done.to_dict().get("weight") == held.to_dict().get("weight")
    assert (held.weight == "w") == (how in ("as trained", "0 in a whole file"))


def test_rows_that_weigh_nothing_cannot_score():
    table = TABLE.with_columns(w=pl.Series([1.0] * 320 + [0.0] * 80), day=pl.Series(range(400)))
    with raises_naming(TableError, "no row that scores", "--weight"):
        train(table, "y", drop=["kind"], weight="w", time="day")
    with raises_naming(TableError, "'w'", "not in the table"):
        train(table, "y", drop=["kind", "day"], weight="w", test=TABLE)
