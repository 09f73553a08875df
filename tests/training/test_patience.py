"""Early stopping counts as scikit-learn does, and the best epoch comes back whole."""

import numpy as np
import pytest
from numpy.testing import assert_array_equal
from tests.training.runs import curve, learned, run_curve

from backlit.training import History


def scored(scores: list[float], **options) -> tuple[History, list[np.ndarray], np.ndarray]:
    """A run whose epochs have these scores: its history, what was learned after each epoch, and at the end."""
    given, kept = iter(scores), []
    outcome = run_curve(
        epochs=len(scores),
        monitor="validation_score",
        score=lambda *_: next(given),
        callbacks=[lambda run: kept.append(learned(run)) and None],
        **options,
    )
    return outcome.history, kept, learned(outcome)


@pytest.mark.parametrize(("scores", "patience", "tol", "epochs"), [
    ([0.5] * 9, 3, 1e-4, 5),  # the first, and 4 > 3 without improvement
    ([0.5] * 9, 1, 1e-4, 3),
    ([0.5, 0.6, 0.7, 0.8], 1, 1e-4, 4),
    ([0.1, 0.2, 0.2, 0.3, 0.3, 0.3, 0.3], 2, 1e-4, 7),  # 0.3 started the count again
    ([0.1, 0.2, 0.2, 0.3, 0.3, 0.3, 0.3], 1, 1e-4, 6),
    ([0.50, 0.55, 0.60, 0.65], 1, 0.1, 3),  # better, but not by tol; and the best moves on all the same
    ([0.50, 0.55, 0.62, 0.73, 0.8], 1, 0.1, 3),
    ([0.5] * 9, 3, 0.0, 9),  # as good as the best is no step back when tol is 0
    ([0.5, float("nan"), float("nan"), 0.4, 0.4], 1, 1e-4, 5),  # NaN compares false, as there
])  # fmt: skip
def test_stops_after_more_than_patience_epochs_without_improvement(scores, patience, tol, epochs):
    history, _, _ = scored(scores, patience=patience, tol=tol)
    assert len(history) == epochs
    assert history.stopped == ("patience" if epochs < len(scores) else history.stopped)
    assert len(history) == scikit_learns_count(scores, patience, tol)


def scikit_learns_count(scores: list[float], patience: int, tol: float) -> int:
    """The epochs that scikit-learn's own counter allows."""
    from sklearn.neural_network import MLPClassifier

    model, given = MLPClassifier(tol=tol, n_iter_no_change=patience, early_stopping=True), iter(scores)
    model.validation_scores_, model.best_validation_score_, model._no_improvement_count = [], -np.inf, 0
    model.coefs_, model.intercepts_, model.verbose = [], [], False
    model._score = lambda *_, **__: next(given)
    for epoch in range(1, len(scores) + 1):
        model._update_no_improvement_count(True, None, None, None)
        if model._no_improvement_count > patience:
            return epoch
    return len(scores)


@pytest.mark.parametrize("monitor", ["loss", "validation_loss"])
def test_a_loss_is_better_when_lower(monitor):
    """A step of 0 lowers nothing: the first epoch is the best, and patience runs out."""
    outcome = run_curve(
        epochs=9, monitor=monitor, validation=curve(20), patience=2, batch_size=60, shuffle=False,
        schedule={"name": "step", "every": 3, "rate": 0.0},
    )  # fmt: skip
    column = outcome.history.column(monitor)
    assert outcome.history.stopped == "patience"
    assert outcome.history.best_epoch == int(np.argmin(column)) + 1
    assert column[0] > column[2]


def test_restore_best_gives_the_best_epochs_parameters_and_moments():
    scores = [0.1, 0.5, 0.9, 0.3, 0.9, 0.2]
    history, kept, end = scored(scores, restore_best=True)
    assert history.best_epoch == 3  # the first of two equals
    assert_array_equal(end, kept[2])
    history, kept, end = scored(scores, restore_best=False)
    assert history.best_epoch == 3
    assert_array_equal(end, kept[-1])


def test_the_best_epoch_may_be_the_one_at_which_a_callback_stops():
    scores, kept = iter([0.1, 0.2, 0.9]), []

    def stop_at_3(run):
        kept.append(learned(run))
        return len(run.history) == 3

    outcome = run_curve(
        monitor="validation_score", score=lambda *_: next(scores), restore_best=True, callbacks=[stop_at_3]
    )
    assert outcome.history.best_epoch == 3
    assert_array_equal(learned(outcome), kept[2])


def test_none_never_stops():
    history, _, _ = scored([0.5] * 30, patience=None)
    assert history.stopped == "epochs"
