"""Estimators on chunks: as `fit` on all rows, resumed to the bit, an iterator once, errors that say what to give."""

import numpy as np
import pytest
from scipy.sparse import csr_matrix
from sklearn.datasets import load_digits
from sklearn.exceptions import ConvergenceWarning
from tests.helpers import quick_first, raises_naming
from tests.training.runs import killed_at

from backlit.errors import ProblemError
from backlit.estimators import MLPClassifier, MLPRegressor

pytestmark = pytest.mark.filterwarnings("ignore:Stochastic Optimizer")
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
        (chunks(), ("classes has to name all that will come",)),
        ([], ("chunks", "held", "rows")),
        ([X], ("chunk 1", "ndarray", "give", "tuples")),
        ([(X, Y), (X,)], ("chunk 2", "tuple")),
        ([(X, Y), (X[:, :5], Y)], ("chunk 2", "X", "5", "features")),
        ([(X, Y), (X, Y[:5])], ("chunk 2", "input", "variables", "inconsistent", "numbers", "samples")),
        ([(X, Y), (X * np.nan, Y)], ("chunk 2", "Input", "X", "contains", "NaN")),
        ([(X, Y, Y[:5])], ("chunk 1", "sample_weight.shape")),
        ([(X, Y), (X, Y, -1.0 - Y)], ("chunk 2", "Negative", "data", "`sample_weight`")),
        ([(X, Y), (X, Y.astype(str))], ("chunk 2", "y", "0", "chunks", "labels", "type")),
        ([(X, Y), (X, np.column_stack([Y, Y]))], ("chunk 2", "y", "columns", "1")),
        (7, ("chunks", "int", "give", "function")),
    ],
)
def test_what_is_no_chunk_is_named(given, says):
    with raises_naming(ProblemError, *says, longest=800):  # on NaN scikit-learn goes on to speak of its own estimators
        MLPClassifier((4,)).fit_chunks(given)


def test_a_call_that_fails_leaves_the_model_as_it_was():
    model = MLPClassifier((8,), max_iter=2, random_state=0).fit_chunks(chunks)
    before, epochs = model.predict_proba(X), model.n_iter_
    with raises_naming(ProblemError, "chunk 2", "int"):
        model.fit_chunks([(X, Y), 3], classes=range(10))
    np.testing.assert_array_equal(model.predict_proba(X), before)
    assert model.n_iter_ == epochs


def test_early_stopping_ends_the_epochs_and_may_hold_a_whole_chunk_out():
    def two():
        yield X[:1], Y[:1]
        yield X[1:], Y[1:]

    told = {"early_stopping": True, "validation_fraction": 0.5, "random_state": 0, "max_iter": 40}
    model = MLPClassifier((8,), n_iter_no_change=2, tol=0.0, learning_rate_init=0.1, **told).fit_chunks(two)
    assert model.stopped_ == "patience"
    assert model.n_iter_ == len(model.validation_scores_) < 40
    assert model.best_validation_score_ == max(model.validation_scores_)
    assert 0.3 * len(X) < model.t_ / model.n_iter_ < 0.7 * len(X)  # half of the rows were held out
    for seed in range(4):  # the first chunk, of one row, is held out by some of these
        MLPClassifier((8,), **told | {"random_state": seed, "max_iter": 1}).fit_chunks(two)
    with raises_naming(ProblemError, "2", "rows"):
        MLPRegressor(**told | {"validation_fraction": 0.999}).fit_chunks([(X[:2], Y[:2])])


FORMS = {
    "dense": (lambda x: x, lambda k: None),
    "sparse": (csr_matrix, lambda k: None),
    "weighted": (lambda x: x, lambda k: np.arange(k) % 3 + 0.5),
}


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("classifies", [True, False])
def test_chunks_of_any_size_learn_what_fit_on_all_rows_does(form, classifies):
    change, weigh = FORMS[form]
    told = {"hidden_layer_sizes": (8,), "shuffle": False, "batch_size": 100, "max_iter": 3, "random_state": 0}
    whole = MLPClassifier(**told) if classifies else MLPRegressor(**told, norm="batch")
    weight = weigh(len(X))
    parts = np.split(np.arange(len(X)), [7, 7, 360, 1700])  # an empty one too
    given = [(change(X[r]), Y[r]) if weight is None else (change(X[r]), Y[r], weight[r]) for r in parts]
    streamed = type(whole)(**whole.get_params()).fit_chunks(given)
    whole.fit(change(X), Y, weight)
    np.testing.assert_array_equal(streamed._params.theta, whole._params.theta)
    assert streamed.network_.l2 == pytest.approx(whole.network_.l2, rel=1e-12)  # by the weight of all rows
    assert streamed.loss_curve_ == pytest.approx(whole.loss_curve_, rel=1e-12)
    assert (streamed.t_, streamed.n_iter_) == (whole.t_, whole.n_iter_)


def test_chunks_may_differ_in_form():
    parts = [(csr_matrix(X[:900]), Y[:900]), (X[900:].astype(np.float32), Y[900:], np.ones(len(X) - 900))]
    told = {"hidden_layer_sizes": (8,), "shuffle": False, "max_iter": 2, "random_state": 0}
    mixed, plain = MLPClassifier(**told).fit_chunks(parts), MLPClassifier(**told).fit(X, Y)
    np.testing.assert_allclose(mixed.predict_proba(X), plain.predict_proba(X), atol=1e-6)


def in_order(y):
    return [(X[rows], y[rows]) for rows in np.array_split(np.arange(len(X)), 5)]


@pytest.mark.parametrize(
    "y", [Y, np.column_stack([Y, Y % 3]), np.column_stack([Y > 5, Y % 2]).astype(int)], ids=["one", "several", "yes-no"]
)
def test_classes_of_every_kind_are_found(y):
    told = {"hidden_layer_sizes": (8,), "shuffle": False, "max_iter": 2, "random_state": 0}
    streamed, whole = MLPClassifier(**told).fit_chunks(in_order(y)), MLPClassifier(**told).fit(X, y)
    assert str(streamed.classes_) == str(whole.classes_)
    np.testing.assert_array_equal(streamed.predict(X), whole.predict(X))


STOPPING = {
    "loss": ({}, {}),
    "held-out": ({"early_stopping": True}, {}),
    "validation": ({"monitor": "validation_loss"}, {"validation_data": (X[:200], Y[:200])}),
}


@pytest.mark.parametrize("stopping", STOPPING)
@pytest.mark.parametrize(
    "at", quick_first([6, 1, 9])
)  # 1 lies in the first chunk, 6 in a later one, 9 in the next epoch
def test_a_run_that_is_killed_goes_on_to_the_same_bits(monkeypatch, tmp_path, stopping, at):
    params, data = STOPPING[stopping]

    def fit(folder):
        model = MLPClassifier((8,), norm="batch", dropout=0.2, batch_size=64, max_iter=4, random_state=0, **params)
        return model.fit_chunks(chunks, checkpoint=tmp_path / folder, checkpoint_every=4, **data)

    killed_at(monkeypatch, at, lambda: fit("run"))
    resumed, whole = fit("run"), fit("whole")
    np.testing.assert_array_equal(resumed.predict_proba(X), whole.predict_proba(X))
    assert resumed.loss_curve_ == whole.loss_curve_
    assert resumed.validation_losses_ == whole.validation_losses_
    assert (resumed.n_iter_, resumed.t_) == (whole.n_iter_, whole.t_)


def test_another_order_of_the_same_values_is_another_run(tmp_path):
    model = MLPClassifier((8,), max_iter=1, random_state=0)
    model.fit_chunks(chunks, checkpoint=tmp_path)
    for parts in (ROWS[::-1], [np.concatenate(ROWS)]):
        with raises_naming(ProblemError, "belongs", "run", "data"):
            model.fit_chunks([(X[rows], Y[rows]) for rows in parts], checkpoint=tmp_path)


def test_the_same_numbers_in_other_places_of_a_sparse_matrix_are_another_run(tmp_path):
    model, sparse = MLPClassifier((8,), max_iter=1, random_state=0), csr_matrix(np.eye(64))
    y = np.arange(64) % 2
    first = model.fit_chunks([(sparse, y)], checkpoint=tmp_path).loss_curve_
    assert model.fit_chunks([(sparse, y)], checkpoint=tmp_path).loss_curve_ == first  # all is done
    for other in (csr_matrix(np.eye(64)[:, ::-1]), csr_matrix(np.roll(np.eye(64), 1, axis=0))):
        with raises_naming(ProblemError, "belongs", "run", "data"):
            model.fit_chunks([(other, y)], checkpoint=tmp_path)


def test_callbacks_are_called_and_validation_is_measured_after_each_epoch():
    seen = []
    model = MLPClassifier((8,), callbacks=[lambda run: seen.append(len(run.history)) or len(seen) == 3], random_state=0)
    model.fit_chunks(chunks, validation_data=(X, Y))
    assert seen == [1, 2, 3]
    assert len(model.validation_losses_) == 3
    assert model.stopped_ == "callback"


def test_warm_start_goes_on():
    model = MLPClassifier((8,), max_iter=3, warm_start=True, random_state=0).fit_chunks(chunks)
    first = model.loss_
    assert model.fit_chunks(chunks).loss_ < first
    assert len(model.loss_curve_) == 6


def test_warm_start_goes_on_with_an_iterator_too():
    """In an epoch of the iterator's chunks, which may each lack classes; the optimizer begins anew."""
    told = {"max_iter": 3, "random_state": 0, "learning_rate_init": 0.01}
    model = MLPClassifier((8,), warm_start=True, **told).fit(X, Y)
    few = [rows[np.isin(Y[rows], classes)] for rows in ROWS[:1] for classes in ([1, 3, 5, 7, 9], [0, 2, 4, 6, 8])]
    by_hand = MLPClassifier((8,), **told).fit(X, Y)
    by_hand._state = None
    for rows in few:
        by_hand.partial_fit(X[rows], Y[rows])
    assert model.fit_chunks((X[rows], Y[rows]) for rows in few).n_iter_ == 1
    assert len(model.loss_curve_) == 3 + 2
    np.testing.assert_array_equal(model.predict_proba(X), by_hand.predict_proba(X))
    told |= {"early_stopping": True, "validation_fraction": 0.9999}
    with raises_naming(ProblemError, "held", "row", "chunks"):
        model.set_params(**told).fit_chunks(iter([(X[:2], Y[:2])]))
    with raises_naming(ProblemError, "classes has to name"):
        model.set_params(warm_start=False).fit_chunks(iter([(X, Y)]))


@pytest.mark.parametrize("nothing", [[], [(X[:0], Y[:0])]])
def test_an_iterator_without_rows_is_said(nothing):
    with raises_naming(ProblemError, "chunks", "held", "rows"):
        MLPClassifier((4,)).fit_chunks(iter(nothing), classes=range(10))


def changing(*passes):
    """A function that gives other chunks each time."""
    left = iter(passes)
    return lambda: next(left, passes[-1])


@pytest.mark.parametrize(
    ("given", "told", "says"),
    [
        (changing([(X, Y)], [(X[:9], Y[:9])]), {}, ("chunk 1", "9", "rows", "learn", "1797", "pass")),
        (changing([(X, Y)] * 2, [(X, Y)]), {}, ("chunks", "ended", "1", "2")),
        (changing([(X, Y)], [(X, Y)] * 2), {}, ("chunk 2", "1797", "rows", "learn", "0")),
        (chunks(), {"checkpoint": "run"}, ("checkpoint", "iterator")),
        (chunks, {"classes": range(9)}, ("`y`", "classes")),
        (chunks, {"validation_data": X}, ("validation_data",)),
        (chunks, {"checkpoint_every": 0, "checkpoint": "run"}, ("checkpoint_every",)),
    ],
)
def test_what_cannot_be_gone_through_is_said(monkeypatch, tmp_path, given, told, says):
    monkeypatch.chdir(tmp_path)
    with raises_naming(ValueError, *says):
        MLPClassifier((4,), max_iter=2, random_state=0).fit_chunks(given, **{"classes": range(10)} | told)
    assert not list(tmp_path.iterdir())


def test_parameters_are_checked_and_an_end_that_is_none_is_warned_of():
    with raises_naming(ValueError, "'alpha'", "parameter", "MLPRegressor"):
        MLPRegressor(alpha=-1.0).fit_chunks(chunks)
    with pytest.warns(ConvergenceWarning, match=r"Maximum iterations \(1\) reached"):
        MLPRegressor(hidden_layer_sizes=(2,), max_iter=1).fit_chunks(chunks)


def test_parameters_that_need_all_rows_are_refused():
    with raises_naming(ProblemError, "lbfgs"):
        MLPRegressor(solver="lbfgs").fit_chunks(chunks)
    with raises_naming(ValueError, "class_weight='balanced'", "examples", "once"):
        MLPClassifier(class_weight="balanced").fit_chunks(chunks)
    for fit in (MLPRegressor().fit_chunks, lambda chunks, **told: MLPRegressor().fit(X, Y, **told)):
        with raises_naming(ProblemError, "checkpoint", "random_state"):
            fit(chunks, checkpoint="run")
    with raises_naming(ProblemError, "validation_data"):
        MLPRegressor(monitor="validation_loss").fit_chunks(chunks)
