"""Intervals at 95 % hold the score of all rows about that often."""

import numpy as np
import pytest
from scipy.stats import ttest_rel
from sklearn.metrics import roc_auc_score

from backlit.tabular.evaluation import intervals, told_apart, wilson
from backlit.tabular.scoring import classification_metrics, regression_metrics

TRIALS = 400


def classified(draw, n):
    """True classes and probabilities that are a little off."""
    score = draw.normal(size=n)
    y = (draw.random(n) < 1 / (1 + np.exp(-1.5 * score))).astype(int)
    p = 1 / (1 + np.exp(-2 * score - 0.2))
    return y, np.column_stack([1 - p, p])


def measured(draw, n):
    y = draw.gamma(2, 1, n)
    return y, y + draw.normal(size=n) * (0.5 + 0.1 * y)


@pytest.mark.parametrize("task", ["classification", "regression"])
def test_coverage(task):
    draw_of, of = (classified, classification_metrics) if task == "classification" else (measured, regression_metrics)
    truth = of(*draw_of(np.random.default_rng(0), 400_000))
    draw, held = np.random.default_rng(1), dict.fromkeys(truth, 0)
    for _ in range(TRIALS):
        for name, (low, high) in intervals(task, *draw_of(draw, 200)).items():
            assert low < high
            held[name] += low <= truth[name] <= high
    assert {name for name, n in held.items() if not 0.92 * TRIALS <= n <= 0.98 * TRIALS} == set(), held


def test_a_perfect_score_has_an_interval():
    y, p = np.array([0, 1] * 10), np.eye(2)[[0, 1] * 10]
    low, high = intervals("classification", y, p)["accuracy"]
    assert (low, high) == (pytest.approx(0.8389, abs=1e-4), 1.0)  # Wilson's for 20 of 20
    low, high = intervals("classification", y, p)["balanced_accuracy"]
    assert 0.85 < low < 0.95
    assert high == 1
    assert wilson(0.0, 20) == (0.0, pytest.approx(1 - 0.8389, abs=1e-4))


def test_each_interval_holds_its_own_score():
    y, p = classified(np.random.default_rng(2), 60)
    found, scores = intervals("classification", y, p), classification_metrics(y, p)
    assert set(found) == set(scores)
    assert all(low <= scores[name] <= high for name, (low, high) in found.items())
    low, high = found["roc_auc"]
    assert (low + high) / 2 == pytest.approx(roc_auc_score(y, p[:, 1]))


def test_what_has_no_interval_has_none():
    assert intervals("regression", np.array([1.0]), np.array([2.0])) == {}
    assert set(intervals("regression", np.ones(5), np.arange(5.0))) == {"rmse", "mae"}
    y, p = np.array([0, 1, 2, 0]), np.full((4, 3), 1 / 3)
    assert set(intervals("classification", y, p)) == {"accuracy", "balanced_accuracy", "log_loss"}
    assert intervals("regression", np.arange(3.0), np.arange(3.0))["rmse"] == (0.0, 0.0)


def test_two_models_are_told_apart_as_often_as_they_differ():
    """As SciPy's paired test says; two equally good ones in about 5 % of all tables, unequal ones in most."""
    draw, told = np.random.default_rng(3), {1.0: 0, 2.0: 0}
    for _ in range(TRIALS):
        y, outputs = measured(draw, 40)
        for scale in told:
            others = y + scale * draw.normal(size=40) * (0.5 + 0.1 * y)
            found = told_apart("regression", y, outputs, others)
            assert found == (ttest_rel((outputs - y) ** 2, (others - y) ** 2).pvalue < 0.05)
            told[scale] += found
    assert 0.02 * TRIALS < told[1.0] < 0.07 * TRIALS, told
    assert told[2.0] > 0.7 * TRIALS, told


def test_two_classifiers_are_told_apart_by_their_log_loss():
    draw, told = np.random.default_rng(4), set()
    for _ in range(40):
        y, p = classified(draw, 60)
        flat = p**0.2 / (p**0.2).sum(axis=1, keepdims=True)
        losses = [-np.log(shares[np.arange(60), y]) for shares in (p, flat)]
        found = told_apart("classification", y, p, flat)
        assert found == (ttest_rel(*losses).pvalue < 0.05) == told_apart("classification", y, p, flat, np.ones(60))
        told.add(found)
    assert told == {True, False}


def test_rows_of_weight_0_tell_nothing():
    y, weight = np.arange(6.0), np.array([1.0, 1, 0, 0, 0, 1])
    other = np.array([0.1, 1.1, 9, 9, 9, 5.2])
    assert told_apart("regression", y, y, other, weight) == told_apart(
        "regression", y[[0, 1, 5]], y[[0, 1, 5]], other[[0, 1, 5]]
    )
    assert not told_apart("regression", y[:1], y[:1], y[:1] + 1)


def test_where_one_row_makes_most_of_r2_the_interval_holds_what_it_is_without_that_row(rng):
    y = rng.normal(0, 1, 120)
    y[0] = 110.0
    p = 0.05 * y + rng.normal(0, 0.5, 120)
    low, high = intervals("regression", y, p)["r2"]
    assert low < regression_metrics(y[1:], p[1:])["r2"] < regression_metrics(y, p)["r2"] < high


@pytest.mark.parametrize("weighted", [False, True])
def test_the_error_of_r2_is_that_of_leaving_rows_out_one_by_one(rng, weighted):
    n = 30
    y, w = rng.normal(size=n), rng.uniform(1, 3, n) if weighted else np.ones(n)
    p = y + rng.normal(size=n)
    others = [np.delete(np.arange(n), k) for k in range(n)]
    logs = [np.log(1 - regression_metrics(y[rows], p[rows], w[rows])["r2"]) for rows in others]
    low, high = intervals("regression", y, p, w)["r2"]
    error = np.sqrt((n - 1) * np.var(logs))
    assert np.log((1 - low) / (1 - high)) == pytest.approx(2 * 1.959963984540054 * error)
