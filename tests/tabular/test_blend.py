"""Weights, temperature, metrics and intervals: each against what it must be."""

import numpy as np
import pytest
from numpy.testing import assert_allclose
from sklearn import metrics as reference

from backlit.core.activations.softmax import softmax
from backlit.errors import ProblemError
from backlit.tabular.blend import (
    MEASURES,
    blended,
    fit_temperature,
    greedy_weights,
    log_loss,
    log_probabilities,
    measure_of,
    quantiles_of,
)
from backlit.tabular.scoring import score

DRAW = np.random.default_rng(0)


def test_a_blend_counts_only_who_speaks():
    outputs = np.array([[[1.0], [np.nan]], [[3.0], [5.0]]])
    assert_allclose(blended(outputs, np.array([1.0, 3.0]))[:, 0], [2.5, 5.0])


def test_greedy_weights_find_the_mixture_and_leave_the_useless_out():
    y = DRAW.normal(size=400)
    noises = DRAW.normal(size=(2, 400))
    outputs = np.stack([y + noises[0], y + noises[1], 5 * DRAW.normal(size=400)])[:, :, None]
    weights = greedy_weights(outputs, lambda z: float(((z[:, 0] - y) ** 2).mean()), np.zeros(3))
    assert_allclose(weights[:2], 0.5, atol=0.1)
    assert weights[2] < 0.05
    assert weights.sum() == pytest.approx(1)


def test_a_start_pulls_the_weights_together():
    y = DRAW.normal(size=200)
    outputs = np.stack([y + 0.5 * DRAW.normal(size=200), y + 0.6 * DRAW.normal(size=200)])[:, :, None]
    loss = lambda z: float(((z[:, 0] - y) ** 2).mean())  # noqa: E731  short
    assert min(greedy_weights(outputs, loss, np.ones(2))) > 0


def test_the_temperature_mends_overconfidence():
    z = DRAW.normal(size=(4000, 3))
    y = np.array([DRAW.choice(3, p=p) for p in softmax(z)])
    assert fit_temperature(3 * z, y, None) == pytest.approx(3, rel=0.1)
    assert fit_temperature(z, y, None) == pytest.approx(1, rel=0.1)


def test_log_probabilities_of_one_output_are_of_two_classes():
    assert_allclose(np.exp(log_probabilities(np.array([[0.25], [1.0]]))), [[0.75, 0.25], [1e-7, 1.0]])


@pytest.mark.parametrize("weighted", [False, True])
def test_measures_are_scikit_learns(weighted):
    z, y = DRAW.normal(size=(300, 3)), DRAW.integers(0, 3, 300)
    weight = DRAW.random(300) if weighted else None
    p, hard = softmax(z), z.argmax(axis=1)
    right = {
        "log_loss": reference.log_loss(y, p, sample_weight=weight),
        "accuracy": -reference.accuracy_score(y, hard, sample_weight=weight),
        "balanced_accuracy": -reference.balanced_accuracy_score(y, hard, sample_weight=weight),
    }
    for name, value in right.items():
        assert measure_of("classification", name)(z, y, weight) == pytest.approx(value)
    assert measure_of("classification", None)(z, y, weight) == log_loss(z, y, weight)


def test_the_area_is_scikit_learns():
    z, y = DRAW.normal(size=(200, 2)), DRAW.integers(0, 2, 200)
    right = reference.roc_auc_score(y, z[:, 1] - z[:, 0])
    assert measure_of("classification", "roc_auc")(z, y, None) == pytest.approx(-right)


@pytest.mark.parametrize("weighted", [False, True])
def test_the_area_of_several_classes_is_the_one_that_is_reported(weighted):
    z, y = DRAW.normal(size=(200, 3)), DRAW.integers(0, 3, 200)
    weight = DRAW.integers(0, 3, 200).astype(float) if weighted else None
    area = measure_of("classification", "roc_auc")
    assert area(z, y, weight) == pytest.approx(-score("classification", y, softmax(z), weight)["roc_auc"])
    two = y < 2  # where a fold has no row of the third
    assert area(z[two], y[two], None) == pytest.approx(-pair_of(z[two], y[two]), rel=1e-12)
    assert area(z[:1], y[:1], None) == -0.5


def pair_of(z, y):
    """The area of classes 0 and 1 by the probability of each."""
    p = softmax(z)
    return (reference.roc_auc_score(y, p[:, 1]) + reference.roc_auc_score(1 - y, p[:, 0])) / 2


def test_numbers_have_their_measures():
    z, y, weight = DRAW.normal(size=(50, 1)), DRAW.normal(size=50), DRAW.random(50)
    assert MEASURES["regression"]["rmse"](z, y, weight) == pytest.approx(
        reference.mean_squared_error(y, z[:, 0], sample_weight=weight) ** 0.5
    )
    assert MEASURES["regression"]["mae"](z, y, weight) == pytest.approx(
        reference.mean_absolute_error(y, z[:, 0], sample_weight=weight)
    )


def test_another_tasks_metric_is_named():
    with pytest.raises(ProblemError, match=r"'roc_auc'.*regression"):
        measure_of("regression", "roc_auc")


def test_an_interval_is_the_papers_quantile():
    centers, fold, residual = DRAW.normal(size=(3, 7)), DRAW.integers(0, 3, 40), DRAW.random(40)
    low, high = quantiles_of(centers, fold, residual, 0.9)
    ends = np.sort(centers[fold] + residual[:, None], axis=0)
    assert_allclose(high, ends[int(np.ceil(0.9 * 41)) - 1])
    starts = np.sort(centers[fold] - residual[:, None], axis=0)
    assert_allclose(low, starts[40 - int(np.ceil(0.9 * 41))])
    assert (low <= high).all()
