"""Curves of a classifier are scikit-learn's; importances and worst rows are those of the data that were made so."""

import numpy as np
import polars as pl
import pytest
from numpy.testing import assert_array_equal
from sklearn import metrics

from backlit.tables import TargetCodec
from backlit.tabular import train
from backlit.tabular.blend import few_members, predict_dealt, predict_rows
from backlit.tabular.evaluation import POINTS, calibration, class_scores, importances, worst_rows

pytestmark = pytest.mark.usefixtures("small_presets")
draw = np.random.default_rng(0)
TABLE = pl.DataFrame({"idle": draw.normal(size=300), "a": draw.normal(size=300), "b": draw.normal(size=300)})


def drawn(n, K, seed=0, digits=2):
    """Probabilities with ties, and classes that follow them."""
    draw = np.random.default_rng(seed)
    p = draw.dirichlet(np.ones(K), n).round(digits) + 1e-3
    p /= p.sum(axis=1, keepdims=True)
    return np.array([draw.choice(K, p=row) for row in p]), p


@pytest.mark.parametrize("K", [2, 4])
def test_each_class_is_scored_as_scikit_learn_does(K):
    y, p = drawn(150, K)
    found = class_scores(tuple("abcd"[:K]), y, p)
    recall = metrics.recall_score(y, p.argmax(axis=1), average=None)
    precision = metrics.precision_score(y, p.argmax(axis=1), average=None)
    for k, one in enumerate(found):
        assert one.rows == (y == k).sum()
        assert one.recall == pytest.approx(recall[k])
        assert one.precision == pytest.approx(precision[k])
        assert one.auc == pytest.approx(metrics.roc_auc_score(y == k, p[:, k]))
        assert one.average_precision == pytest.approx(metrics.average_precision_score(y == k, p[:, k]))
        fpr, tpr, _ = metrics.roc_curve(y == k, p[:, k], drop_intermediate=False)
        np.testing.assert_allclose(one.roc, np.column_stack([fpr, tpr]))


def test_long_curves_are_thinned_and_keep_their_ends():
    y, p = drawn(5000, 2, digits=9)
    one = class_scores(("a", "b"), y, p)[1]
    assert len(one.roc) <= POINTS
    assert one.roc[[0, -1]].tolist() == [[0, 0], [1, 1]]
    assert np.trapezoid(one.roc[:, 1], one.roc[:, 0]) == pytest.approx(one.auc, abs=0.005)


def test_a_class_without_rows_has_no_area():
    one = class_scores(("a", "b", "c"), np.array([0, 1]), np.array([[0.5, 0.3, 0.2]] * 2))[2]
    assert (one.rows, one.recall, one.precision, one.auc, one.average_precision) == (0, None, None, None, None)


def test_calibration_error_tells_boasting_from_truth():
    y, p = drawn(4000, 3)
    honest = calibration(y, p)
    sharp = p**3 / (p**3).sum(axis=1, keepdims=True)
    boasting = calibration(y, sharp)
    assert honest.error < 0.03
    assert boasting.error > 0.15
    assert honest.rows.sum() == boasting.rows.sum() == 4000
    assert (boasting.right < boasting.confidence)[-2:].all()


def predict(rows):
    return 3 * rows["a"].to_numpy() + rows["b"].to_numpy()


def dealt(predict):
    """What `importances` asks, by a function of rows that knows nothing of dealing."""

    def of_rows(rows):
        def ask(name=None, order=None):
            return predict(rows if name is None else rows.with_columns(rows[name].gather(order)))

        return ask

    return of_rows


def test_the_loss_grows_by_what_a_column_carries():
    y = predict(TABLE) + draw.normal(size=300)
    found = importances(TABLE, y, dealt(predict), classes=False)
    assert list(found) == ["a", "b", "idle"]
    assert found["idle"] == 0
    assert found["a"] == pytest.approx((1 + 2 * 9) ** 0.5 - 1, rel=0.15)  # an error of variance 2 · 3² more
    assert found["b"] == pytest.approx((1 + 2) ** 0.5 - 1, rel=0.3)
    assert importances(TABLE, y, dealt(predict), classes=False) == found


def test_classes_are_measured_by_log_loss():
    def probabilities(rows):
        p = 1 / (1 + np.exp(-4 * rows["a"].to_numpy()))
        return np.column_stack([1 - p, p])

    y = (TABLE["a"].to_numpy() > 0).astype(int)
    found = importances(TABLE, y, dealt(probabilities), classes=True)
    assert next(iter(found)) == "a"
    assert found["a"] > 0.5
    assert found["b"] == found["idle"] == 0


def test_very_many_columns_have_none():
    wide = pl.DataFrame({f"x{k}": [0.0, 1.0] for k in range(201)})
    assert importances(wide, np.zeros(2), dealt(lambda rows: np.zeros(len(rows))), classes=False) == {}


def test_a_column_dealt_is_what_a_table_with_that_column_dealt_would_give():
    rows = TABLE.with_columns(
        word=pl.Series(draw.choice(["x", "y", "z"], 300)),
        day=pl.date(2020, 1, 1) + pl.duration(days=pl.Series(draw.integers(0, 900, 300))),
        same=pl.lit(1),
        gap=pl.when(pl.col("a") > 0).then(pl.col("b")),
    ).with_columns(y=pl.col("a") + (pl.col("word") == "x") + pl.col("day").dt.month() / 6 + pl.col("gap").fill_null(2))
    model = few_members(train(rows, "y", quality="fast", compare=False).model)
    assert len(model.encoders()) > 1
    ask, rows, order = predict_dealt(model, rows[:100]), rows[:100], draw.permutation(100)
    assert_array_equal(ask(), predict_rows(model, rows))
    for name in ("idle", "a", "word", "day", "same", "gap"):
        wanted = predict_rows(model, rows.with_columns(rows[name].gather(order)))
        assert_array_equal(ask(name, order), wanted, err_msg=name)
        assert (wanted != ask()).any() == (name != "same")
    assert_array_equal(ask(), predict_rows(model, rows))  # what was asked before leaves no trace


def test_the_worst_rows_are_named_by_their_place_in_the_table():
    codec = TargetCodec("who", "classification", ("a", "b"))
    p = np.array([[0.9, 0.1], [0.6, 0.4], [0.2, 0.8], [0.99, 0.01]])
    worst = worst_rows(pl.DataFrame({"x": [1, 2, 3, 4]}), np.array([3, 5, 8, 9]), np.array([1, 1, 1, 0]), p, codec)
    assert worst == [
        {"row": 4, "true": "b", "predicted": "a", "probability": 0.1, "values": {"x": 1}},
        {"row": 6, "true": "b", "predicted": "a", "probability": 0.4, "values": {"x": 2}},
    ]  # the two others were answered rightly
    numbers = worst_rows(
        pl.DataFrame({"x": [1, 2]}), np.array([0, 1]), np.array([1.0, 5.0]), np.array([1.5, 9.0]),
        TargetCodec("y", "regression"),
    )  # fmt: skip
    assert [told["row"] for told in numbers] == [2, 1]
    assert numbers[0] == {"row": 2, "true": 5.0, "predicted": 9.0, "values": {"x": 2}}
    y = np.arange(30.0)
    table = pl.DataFrame({"x": y})
    assert len(worst_rows(table, np.arange(30), y, 2 * y, TargetCodec("y", "regression"))) == 10
