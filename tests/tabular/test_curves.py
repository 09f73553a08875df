"""Curves of a classifier are scikit-learn's."""

import numpy as np
import pytest
from sklearn import metrics

from backlit.tabular.curves import POINTS, calibration, class_scores


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
