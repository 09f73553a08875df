"""Intervals at 95 % hold the score of all rows about that often."""

import numpy as np
import pytest
from sklearn.metrics import roc_auc_score

from backlit.tabular.intervals import intervals, wilson
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
