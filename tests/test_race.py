"""The summary of benchmarks/race, on results that are small enough to work out by hand."""

import numpy as np
import pytest

pd = pytest.importorskip("pandas")

from benchmarks.race.scoring import calibration_error, score  # noqa: E402  # they need pandas
from benchmarks.race.summary import compare, losses, normalized, ranks  # noqa: E402  # likewise
from benchmarks.race.tables import Table, categories  # noqa: E402  # likewise

LOSSES = {  # table, seed: constant, ours, hgb, catboost
    ("a", 0): (1.0, 0.2, 0.4, 0.3),
    ("a", 1): (1.0, 0.4, 0.4, 0.5),
    ("b", 0): (2.0, 1.0, 3.0, 0.5),
    ("b", 1): (2.0, 1.0, 3.0, np.nan),  # a fit that failed
}


@pytest.fixture
def rows():
    models = ("constant", "backlit", "hgb", "catboost")
    return pd.DataFrame([
        {"table": t, "seed": s, "model": model, "loss": loss}
        for (t, s), found in LOSSES.items()
        for model, loss in zip(models, found, strict=True)
    ])  # fmt: skip


def test_scores_run_from_the_constant_prediction_to_the_best(rows):
    scores = normalized(losses(rows))
    np.testing.assert_allclose(scores.loc["a", ["backlit", "hgb", "catboost"]], [1, 0.6 / 0.7, 0.6 / 0.7])
    np.testing.assert_allclose(scores.loc["b", ["backlit", "hgb", "catboost"]], [1 / 1.5, -1 / 1.5, 1])


def test_ranks_share_ties(rows):
    assert ranks(losses(rows)).loc["a"].to_dict() == {"backlit": 1, "hgb": 2.5, "catboost": 2.5}


def test_a_rival_is_met_on_the_seeds_that_both_have(rows):
    assert compare(rows, "backlit", "catboost") == {"wins": 1, "tables": 2, "worst": ("b", 2.0)}
    assert compare(rows, "backlit", ("hgb", "catboost")) == {"wins": 1, "tables": 2, "worst": ("b", 2.0)}


def test_calibration_error_is_the_mean_gap():
    confidence, right = np.array([0.95, 0.95, 0.95, 0.95, 0.55, 0.55]), np.array([1, 1, 1, 0, 1, 0], bool)
    assert calibration_error(confidence, right) == pytest.approx((4 * 0.2 + 2 * 0.05) / 6)


def test_scores_of_a_prediction():
    X = pd.DataFrame({"x": [0.0, 1.0]})
    table = Table("classification", "y", X, np.array([0, 1]), X, np.array([0, 1]), X, X, ("n", "y"))
    found = score(table, np.array([[0.8, 0.2], [0.6, 0.4]]))
    assert found["loss"] == pytest.approx(-(np.log(0.8) + np.log(0.4)) / 2)
    assert (found["error"], found["auc"]) == (0.5, 1.0)
    numbers = Table("regression", "y", X, np.array([0.0, 2.0]), X, np.array([0.0, 2.0]), X, X)
    assert score(numbers, np.array([1.0, 1.0])) == {"loss": 1.0}


def test_words_that_the_training_rows_lack_are_missing():
    train = pd.DataFrame({"c": ["a", "b", None], "x": [1, 2, 3]})
    shown = categories(pd.DataFrame({"c": ["b", "z", None], "x": [1, 2, 3]}), train)
    assert shown["c"].cat.categories.tolist() == ["a", "b"]
    assert shown["c"].isna().tolist() == [False, True, True]
