"""Estimators on chunks: an iterator once, a function as often as it takes, errors that say what to give."""

import numpy as np
import pytest
from sklearn.datasets import load_digits

from backlit.errors import ProblemError
from backlit.estimators import MLPClassifier, MLPRegressor

X, Y = load_digits(return_X_y=True)
X = X / 16
ROWS = np.array_split(np.random.default_rng(0).permutation(len(X)), 5)


def chunks():
    return ((X[rows], Y[rows]) for rows in ROWS)


def test_a_function_makes_epochs_and_classes_are_found():
    model = MLPClassifier((32,), learning_rate_init=0.01, max_iter=30, random_state=0).fit_chunks(chunks)
    assert model.n_iter_ == 30
    assert model.score(X, Y) > 0.95


def test_an_iterator_is_one_epoch_of_partial_fit():
    one = MLPClassifier((8,), random_state=0).fit_chunks(chunks(), classes=range(10))
    by_hand = MLPClassifier((8,), random_state=0)
    for x, y in chunks():
        by_hand.partial_fit(x, y, classes=range(10))
    assert one.n_iter_ == 1
    np.testing.assert_array_equal(one.predict_proba(X), by_hand.predict_proba(X))


def test_a_second_fit_begins_anew_and_weights_count():
    model = MLPRegressor(hidden_layer_sizes=(4,), max_iter=3, random_state=0)
    weighted = [(X[rows], Y[rows].astype(float), np.arange(len(rows)) + 1.0) for rows in ROWS]
    first = model.fit_chunks(weighted).predict(X)
    np.testing.assert_array_equal(model.fit_chunks(weighted).predict(X), first)
    plain = MLPRegressor(hidden_layer_sizes=(4,), max_iter=3, random_state=0).fit_chunks(
        [chunk[:2] for chunk in weighted]
    )
    assert not np.array_equal(plain.predict(X), first)


def test_it_stops_when_the_loss_does():
    model = MLPRegressor(hidden_layer_sizes=(4,), max_iter=50, tol=100.0, n_iter_no_change=2, random_state=0)
    assert model.fit_chunks(chunks).n_iter_ < 8


@pytest.mark.parametrize(
    ("given", "says"),
    [
        (chunks(), "classes has to name all that will come"),
        ([], "chunks held no rows"),
        ([X], "chunk 1 is ndarray: give tuples"),
        ([(X, Y), (X,)], "chunk 2 is tuple"),
    ],
)
def test_what_is_no_chunk_is_named(given, says):
    with pytest.raises(ProblemError, match=says):
        MLPClassifier((4,)).fit_chunks(given)


def test_a_call_that_fails_leaves_the_model_as_it_was():
    model = MLPClassifier((8,), max_iter=2, random_state=0).fit_chunks(chunks)
    before, epochs = model.predict_proba(X), model.n_iter_
    with pytest.raises(ProblemError, match="chunk 2 is int"):
        model.fit_chunks([(X, Y), 3], classes=range(10))
    np.testing.assert_array_equal(model.predict_proba(X), before)
    assert model.n_iter_ == epochs
