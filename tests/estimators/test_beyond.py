"""What scikit-learn's networks don't have: losses, schedules, callbacks, validation data, stopping in parts."""

import tracemalloc

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal
from scipy import sparse
from sklearn import neural_network
from sklearn.base import clone
from sklearn.utils.class_weight import compute_sample_weight
from tests.estimators.conftest import QUICK
from tests.helpers import raises_naming

from backlit.core.losses import get_loss
from backlit.errors import ProblemError
from backlit.estimators import MLPClassifier, MLPRegressor
from backlit.estimators.network import check_targets
from backlit.optim import AdamW, RmsProp

pytestmark = pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")


# --- options ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("options", [
    {"skip": "residual", "hidden_layer_sizes": (12, 12, 12)}, {"skip": 0.5, "hidden_layer_sizes": (12, 12)},
    {"loss": "cross_entropy"}, {"loss": "binary_cross_entropy"}, {"loss": "half_squared_error"},
    {"loss": lambda a, y: -np.sum(y * np.log(a + 1e-9), axis=1)}, {"class_weight": "balanced"},
    {"class_weight": {0: 1.0, 1: 2.0, 2: 3.0}}, {"label_smoothing": 0.1}, {"optimizer": "rmsprop"},
    {"optimizer": {"name": "adamw", "weight_decay": 0.01}}, {"optimizer": AdamW(learning_rate=0.02)},
    {"schedule": "cosine"}, {"schedule": {"name": "warm_up", "length": 20, "per": "step", "after": "cosine"}},
    {"solver": "sgd", "schedule": "one_cycle", "learning_rate_init": 0.1}, {"activation": lambda u: u / (1 + u * u)},
], ids=str)  # fmt: skip
def test_every_new_option_learns_iris(options, iris):
    model = MLPClassifier(**{**QUICK, **options}).fit(*iris)
    assert model.score(*iris) > 0.93
    assert_allclose(model.predict_proba(iris[0]).sum(axis=1), 1)


@pytest.mark.parametrize(("loss", "classes", "name"), [
    ("auto", 3, "cross_entropy"), ("auto", 2, "binary_cross_entropy"), ("cross_entropy", 2, "cross_entropy"),
    ("binary_cross_entropy", 3, "binary_cross_entropy"), ("half_squared_error", 3, "half_squared_error"),
    ("squared_error", 2, "squared_error"),
])  # fmt: skip
def test_the_loss_that_is_named_is_the_networks(loss, classes, name):
    X, y = np.eye(6), np.arange(6) % classes
    assert MLPClassifier((2,), loss=loss, max_iter=1, random_state=0).fit(X, y).network_.loss.name == name


@pytest.mark.parametrize(("loss", "share"), [
    ("absolute_error", 0.5), ({"name": "huber", "delta": 0.5}, 0.5), ({"name": "quantile", "quantile": 0.9}, 0.9),
    ("half_squared_error", 0.5), (lambda a, y: np.log(np.cosh(a - y)).sum(axis=1), 0.5),
], ids=str)  # fmt: skip
def test_losses_of_numbers(loss, share, diabetes):
    model = MLPRegressor(loss, **{**QUICK, "alpha": 0.0, "batch_size": 110}).fit(*diabetes)
    assert abs(np.mean(model.predict(diabetes[0]) >= diabetes[1]) - share) < 0.12  # a mean is not quite a median


@pytest.mark.parametrize(("cls", "options", "line"), [
    (MLPClassifier, {"loss": "cros_entropy"}, ("loss", "'cros_entropy'", "cross_entropy")),
    (MLPClassifier, {"loss": "poisson"}, ("loss", "'poisson'")),
    (MLPRegressor, {"loss": "cross_entropy"}, ("loss", "'cross_entropy'")),
    (MLPRegressor, {"loss": {"name": "quantile", "quantile": 2}}, ("quantile", "0", "1")),
    (MLPClassifier, {"skip": "residual"}, ("skip='residual'", "joins", "hidden", "layers", "equal", "widths")),
    (MLPClassifier, {"optimizer": "adma"}, ("optimizer", "'adma'")),
    (MLPClassifier, {"schedule": "cosin"}, ("schedule", "'cosin'")),
    (MLPClassifier, {"callbacks": [3]}, ("callbacks", "functions", "run", "3")),
    (MLPClassifier, {"monitor": "validation_loss"}, ("monitor='validation_loss'", "examples", "measure")),
    (MLPClassifier, {"scoring": "acuracy"}, ("'scoring'", "'acuracy'")),
    (MLPClassifier, {"solver": "lbfgs", "schedule": "cosine"}, ("schedule", "solvers", "steps")),
    (MLPClassifier, {"solver": "lbfgs", "optimizer": "sgd"}, ("optimizer", "solvers", "steps")),
    (MLPClassifier, {"label_smoothing": 1.0}, ("'label_smoothing'", "parameter", "MLPClassifier")),
    (MLPClassifier, {"class_weight": "even"}, ("'class_weight'", "parameter", "MLPClassifier")),
], ids=str)  # fmt: skip
def test_new_options_that_cannot_be(cls, options, line, iris):
    with raises_naming(ValueError, *line, longest=2000):  # scikit-learn lists every score that it knows
        cls(**{**QUICK, **options}).fit(*iris)


def test_class_weights_are_sample_weights(iris):
    X, y = iris
    told = {**QUICK, "max_iter": 5}
    by_class = MLPClassifier(**told, class_weight={0: 1, 1: 2, 2: 5}).fit(X, y)
    by_row = MLPClassifier(**told).fit(X, y, sample_weight=np.array([1, 2, 5])[y])
    assert_array_equal(by_class.coefs_[0], by_row.coefs_[0])
    balanced = MLPClassifier(**told, class_weight="balanced").fit(X[:120], y[:120])
    by_row = MLPClassifier(**told).fit(X[:120], y[:120], compute_sample_weight("balanced", y[:120]))
    assert_array_equal(balanced.coefs_[0], by_row.coefs_[0])
    with raises_naming(ValueError, "class_weight='balanced'", "examples", "once"):
        MLPClassifier(class_weight="balanced").partial_fit(X, y, classes=[0, 1, 2])


def test_label_smoothing_bounds_what_is_learned(iris):
    sharp, smooth = (
        MLPClassifier(**{**QUICK, "max_iter": 200, "tol": 0}, label_smoothing=share).fit(*iris) for share in (0, 0.3)
    )
    assert sharp.predict_proba(iris[0]).max(axis=1).mean() > 0.95
    assert smooth.predict_proba(iris[0]).max(axis=1).mean() < 0.85  # the target is 0.8


def test_an_optimizer_takes_the_solvers_place(iris):
    named = MLPClassifier(**QUICK, optimizer="rmsprop").fit(*iris)
    given = MLPClassifier(**{**QUICK, "solver": "sgd"}, optimizer=RmsProp(learning_rate=0.02)).fit(*iris)
    assert_array_equal(named.coefs_[0], given.coefs_[0])
    assert (named.coefs_[0] != MLPClassifier(**QUICK).fit(*iris).coefs_[0]).any()


def test_a_schedule_is_followed_by_every_solver(iris):
    for options in ({"solver": "sgd"}, {"solver": "adam"}, {"optimizer": "adagrad"}):
        model = MLPClassifier(**{**QUICK, "max_iter": 4}, schedule={"name": "exponential", "rate": 0.5}, **options)
        rates = model.fit(*iris).history_.column("learning_rate")
        assert_allclose(rates, 0.02 * 0.5 ** np.arange(4))


def test_callbacks_see_each_epoch_and_may_stop(iris):
    seen = []
    model = MLPClassifier(**QUICK, callbacks=[lambda run: seen.append(len(run.history)), lambda run: len(seen) == 7])
    model.fit(*iris)
    assert (seen, model.n_iter_, model.stopped_) == ([1, 2, 3, 4, 5, 6, 7], 7, "callback")


# --- validation -------------------------------------------------------------------------------------------------------


def test_validation_data_is_measured_and_not_learned(iris):
    X, y = iris
    rows = np.arange(150) % 3 == 0
    plain = MLPClassifier(**{**QUICK, "max_iter": 6}).fit(X[~rows], y[~rows])
    model = clone(plain).fit(X[~rows], y[~rows], validation_data=(X[rows], y[rows]))
    assert_array_equal(model.coefs_[0], plain.coefs_[0])
    assert len(model.validation_losses_) == len(model.validation_scores_) == 6
    p = model.predict_proba(X[rows])[np.arange(50), y[rows]]
    assert_allclose(model.validation_losses_[-1], -np.log(p).mean(), rtol=1e-9)
    assert model.validation_scores_[-1] == model.score(X[rows], y[rows])
    weighted = clone(plain).fit(X[~rows], y[~rows], validation_data=(X[rows], y[rows], np.arange(50.0)))
    assert_allclose(weighted.validation_losses_[-1], np.average(-np.log(p), weights=np.arange(50)), rtol=1e-9)


@pytest.mark.parametrize("monitor", ["loss", "validation_loss", "validation_score"])
def test_what_is_watched(monitor, iris):
    X, y = iris
    told = {**QUICK, "max_iter": 300, "learning_rate_init": 0.1, "alpha": 0.0, "n_iter_no_change": 4}
    model = MLPClassifier(**told, monitor=monitor, restore_best=True).fit(
        X[::2], y[::2], validation_data=(X[1::2], y[1::2])
    )
    column = np.array(model.history_.column(monitor))
    best = column.argmax() if monitor == "validation_score" else column.argmin()
    assert (model.stopped_, model.history_.best_epoch) == ("patience", best + 1)
    assert model.score(X[1::2], y[1::2]) == model.validation_scores_[best]


def test_any_scorer(iris):
    X, y = iris
    models = [
        MLPClassifier(**{**QUICK, "max_iter": 5}, early_stopping=True, scoring=scoring).fit(X, y)
        for scoring in ("neg_log_loss", lambda model, X, y: -len(model.predict(X)))
    ]
    assert_allclose(models[0].validation_scores_, np.negative(models[0].validation_losses_), rtol=1e-6)
    assert models[1].validation_scores_ == [-15.0 if s == -15 else -16.0 for s in models[1].validation_scores_]


def test_a_checkpoint_is_gone_on_from(iris, tmp_path):
    told = {**QUICK, "max_iter": 8}
    whole = MLPClassifier(**told).fit(*iris)
    with pytest.raises(RuntimeError, match="power cut"):
        MLPClassifier(**told, callbacks=[stop_at_five]).fit(*iris, checkpoint=tmp_path / "run")
    resumed = MLPClassifier(**told).fit(*iris, checkpoint=tmp_path / "run", checkpoint_every=2)
    assert_array_equal(resumed.coefs_[0], whole.coefs_[0])
    assert resumed.loss_curve_ == whole.loss_curve_


def stop_at_five(run):
    if len(run.history) == 5:
        raise RuntimeError("power cut")


# --- early stopping in parts ------------------------------------------------------------------------------------------


def test_equal_examples_are_held_out_together(iris):
    X, y = iris
    model = MLPClassifier(**QUICK, early_stopping=True, validation_fraction=0.3)
    whole = model.fit(np.repeat(X, 2, axis=0), np.repeat(y, 2))
    kept, out = whole._validation(
        whole._read(*(np.repeat(a, 2, axis=0) for a in iris), None, first=False, new_targets=False), None
    )
    rows = [{row.tobytes() for row in part.X} for part in (kept, out)]
    assert not rows[0] & rows[1]
    assert 80 <= len(out) <= 100


def test_partial_fit_stops_and_stays_stopped(iris):
    X, y = iris
    model = MLPClassifier(
        **{**QUICK, "n_iter_no_change": 5, "batch_size": "auto"}, early_stopping=True, validation_fraction=0.2
    )
    for _ in range(200):
        for rows in np.array_split(np.arange(150), 5):
            model.partial_fit(X[rows], y[rows], classes=[0, 1, 2])
        if model.stopped_:
            break
    assert model.stopped_ == "patience"
    sample = model._stopping.sample
    assert 15 <= len(sample) <= 45  # each held-out flower is there once
    assert model.score(sample.X, sample.Y.argmax(axis=1)) == max(s for s in model.validation_scores_[-40:])
    before, epochs = model.coefs_[0].copy(), len(model.loss_curve_)
    model.partial_fit(X, y)
    assert_array_equal(model.coefs_[0], before)
    assert len(model.loss_curve_) == epochs


def test_partial_fit_watches_what_it_is_given(diabetes):
    X, y = diabetes
    model = MLPRegressor(**{**QUICK, "n_iter_no_change": 3}, early_stopping=True)
    for _ in range(100):
        model.partial_fit(X[:300], y[:300], validation_data=(X[300:], y[300:]))
    assert model.stopped_ == "patience"
    assert_allclose(model.score(X[300:], y[300:]), model.best_validation_score_, rtol=1e-12)


@pytest.mark.filterwarnings("error")
def test_partial_fit_may_watch_a_loss_that_it_is_given_the_rows_for(diabetes):
    X, y = diabetes
    model = MLPRegressor(**QUICK, monitor="validation_loss")
    with raises_naming(ProblemError, "validation_data"):
        model.partial_fit(X, y)
    model.partial_fit(X[:300], y[:300], validation_data=(X[300:], y[300:]))
    assert len(model.history_) == 1


@pytest.mark.parametrize(("loss", "y", "says"), [
    ("cross_entropy", np.array([[0, 1], [1, 1], [1, 0]]), ("label", "example", "y", "several")),
    ("binary_cross_entropy", np.array([[0, 1], [1, 2], [2, 0]]), ("yes", "y", "labels", "several")),
])  # fmt: skip
def test_a_loss_that_does_not_fit_the_labels(loss, y, says):
    with raises_naming(ProblemError, *says):
        MLPClassifier(loss=loss).fit(np.eye(3), y)


def test_the_target_that_is_out_of_range_is_named():
    loss = get_loss("binary_cross_entropy")
    for wrong in (-1.5, 2.5):
        with raises_naming(ProblemError, "y", str(wrong), "[0, 1]"):
            check_targets(loss, np.array([[0.5], [wrong]]))


def test_partial_fit_measures_once_two_examples_are_held_out(diabetes):
    """R² of a single example is not defined: it is neither measured nor warned of, call after call."""
    X, y = diabetes
    seen = set()
    for seed in range(5):
        options = {**QUICK, "batch_size": "auto", "random_state": seed}
        model = MLPRegressor(**options, early_stopping=True, validation_fraction=0.25)
        scores = held_out = 0
        for i in range(30):
            model.partial_fit(X[i : i + 1], y[i : i + 1])
            before, held_out = held_out, 0 if model._stopping.sample is None else len(model._stopping.sample)
            if held_out == before:  # the example was learned from
                scores += held_out >= 2
                seen.add(held_out)
            assert len(model.validation_scores_) == scores
        assert np.isfinite(model.validation_scores_).all()
    assert {0, 1, 2} < seen


def test_examples_that_repeat_are_held_out_two_at_least():
    """R² of a single row is not defined: where few examples differ, another is held out, and where none is left, said.

    A third of a bootstrap sample repeats, so a tenth of the rows can be a tenth of fewer examples than ten.
    """
    draw = np.random.default_rng(0)
    X, options = draw.standard_normal((7, 2)), {**QUICK, "batch_size": "auto", "max_iter": 2, "early_stopping": True}
    for seed in range(5):
        rows = np.concatenate([np.arange(7), draw.integers(0, 7, 5)])
        model = MLPRegressor(**{**options, "random_state": seed}).fit(X[rows], X[rows, 0])
        assert np.isfinite(model.validation_scores_).all()
    model, equal = MLPRegressor(**{**options, "validation_fraction": 0.2}), np.ones((20, 2))
    with raises_naming(ValueError, "n_samples", "20", "1", "differ", "0.2"):
        model.fit(equal, equal[:, 0])
    said = 0
    for seed in range(5):  # which says whether the one row that differs is learned from or would be held out alone
        try:
            assert model.set_params(random_state=seed).fit(equal, np.eye(20)[0]).t_ == model.n_iter_
        except ValueError as error:
            said += "n_samples = 20, of which 2 differ, and validation_fraction = 0.2 make 1 of" in str(error)
    assert 0 < said < 5


# --- sparse inputs ----------------------------------------------------------------------------------------------------


def test_batch_norm_under_lbfgs_sees_all_sparse_rows_at_once(diabetes, monkeypatch):
    monkeypatch.setattr("backlit.engine.selection.BYTES_AT_ONCE", 4096)  # of 442 rows 51
    told = {"hidden_layer_sizes": (4,), "solver": "lbfgs", "norm": "batch", "max_iter": 3, "random_state": 0}
    one, other = (
        MLPRegressor(**told).fit(change(diabetes[0]), diabetes[1]) for change in (sparse.csr_matrix, np.array)
    )
    assert_allclose(one.coefs_[0], other.coefs_[0], rtol=1e-9)


def test_weights_of_classes_are_for_what_is_learned(iris):
    """Validation measures what comes: its examples weigh alike, or what they are given."""
    model = MLPClassifier(**{**QUICK, "max_iter": 1}, class_weight={0: 1.0, 1: 5.0, 2: 0.5})
    model.fit(*iris, validation_data=iris)
    outputs = model.predict_proba(iris[0])
    assert_allclose(model.validation_losses_, [-np.log(outputs[np.arange(150), iris[1]]).mean()], rtol=1e-10)
    with raises_naming(TypeError, "validation_data", "y", "dates"):
        model.fit(*iris, validation_data=(iris[0], iris[1].astype("M8[D]")))


def test_what_is_learned_may_be_sparse_and_what_is_watched_dense(diabetes):
    X, y = np.where(np.abs(diabetes[0]) > 0.5, diabetes[0], 0), diabetes[1]
    one, other = (
        MLPRegressor(**{**QUICK, "max_iter": 3}).fit(sparse.csr_matrix(X), y, validation_data=(watched, y))
        for watched in (X, sparse.csr_matrix(X))
    )
    assert_allclose(one.validation_scores_, other.validation_scores_, rtol=1e-12)
    assert_allclose(one.validation_losses_, other.validation_losses_, rtol=1e-12)


FORMATS = [
    sparse.csr_array,
    sparse.csc_array,
    sparse.coo_array,
    sparse.csr_matrix,
    sparse.csc_matrix,
    sparse.coo_matrix,
]


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("make", FORMATS)
def test_sparse_is_dense_to_the_bit(make, dtype, iris, monkeypatch):
    monkeypatch.setattr("backlit.engine.selection.BYTES_AT_ONCE", 45 * 4 * 8)  # a batch and a half
    X = np.where(np.abs(iris[0]) < 0.7, 0, iris[0]).astype(dtype)
    model = MLPClassifier(**{**QUICK, "max_iter": 4, "batch_size": 35}, early_stopping=True)
    dense, other = model.fit(X, iris[1]), clone(model).fit(make(X), iris[1])
    for W, V in zip(dense.coefs_ + dense.intercepts_, other.coefs_ + other.intercepts_, strict=True):
        assert_array_equal(W, V)
    assert_allclose(other.loss_curve_, dense.loss_curve_, rtol=1e-6)
    assert_array_equal(other.predict_proba(make(X)), dense.predict_proba(X))
    for each, given in ((dense, X), (other, make(X))):
        each.partial_fit(given, iris[1])
    assert_array_equal(dense.coefs_[0], other.coefs_[0])


def test_lbfgs_on_sparse_parts(iris, monkeypatch):
    monkeypatch.setattr("backlit.engine.selection.BYTES_AT_ONCE", 40 * 4 * 8)
    told = {**QUICK, "solver": "lbfgs", "max_iter": 15, "alpha": 0.5}
    weight = np.arange(150.0) % 4
    dense, other = (MLPClassifier(**told).fit(X, iris[1], weight) for X in (iris[0], sparse.csr_array(iris[0])))
    assert_allclose(other.loss_, dense.loss_, rtol=1e-6)
    assert_allclose(other.coefs_[0], dense.coefs_[0], rtol=1e-3, atol=1e-4)


def test_wide_sparse_inputs_stay_sparse():
    """750 rows of 20,000 numbers are 120 MB dense; a batch of them is 16 MB."""
    X = sparse.random_array((750, 20_000), density=2e-4, rng=0, format="csr")
    y = (np.asarray(X.sum(axis=1)).ravel() > 2).astype(int)
    tracemalloc.start()
    model = MLPClassifier((4,), max_iter=1, random_state=0, batch_size=100, early_stopping=True).fit(X, y)
    model.partial_fit(X, y)
    model.predict(X)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 100e6


# --- alpha ------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("weighted", [False, True])
@pytest.mark.parametrize("solver", ["sgd", "adam"])
def test_alpha_is_shared_by_each_batch_as_in_scikit_learn(solver, weighted, iris):
    """With a short last batch, 150 = 4 · 35 + 10, and with weights."""
    X, y = iris
    told = {"hidden_layer_sizes": (6,), "activation": "tanh", "alpha": 2.0, "batch_size": 35, "shuffle": False}
    told |= {"solver": solver, "epsilon": 1e-37, "warm_start": True, "random_state": 0}
    start = {"learning_rate_init": 1e-200, "max_iter": 1}
    mine = MLPClassifier(**told, **start).fit(X, y)
    other = neural_network.MLPClassifier(**told, **start).fit(X, y)
    other.coefs_, other.intercepts_ = ([p.copy() for p in part] for part in (mine.coefs_, mine.intercepts_))
    weight = np.random.default_rng(0).uniform(0.1, 2, 150) if weighted else None
    for model in (mine, other):
        model.set_params(learning_rate_init=0.02, max_iter=6).fit(X, y, sample_weight=weight)
    assert_allclose(mine.coefs_[0], other.coefs_[0], rtol=1e-8, atol=1e-10)
    assert_allclose(mine.loss_curve_[-6:], other.loss_curve_[-6:], rtol=1e-9)
