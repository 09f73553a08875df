"""The estimators among scikit-learn's tools: routing, frames, searches, calibration, inspection, other processes."""

import numpy as np
import pytest
import sklearn
from numpy.testing import assert_allclose, assert_array_equal
from sklearn.calibration import CalibratedClassifierCV
from sklearn.compose import make_column_transformer
from sklearn.experimental import enable_halving_search_cv  # noqa: F401  the import is what switches it on
from sklearn.inspection import permutation_importance
from sklearn.model_selection import GridSearchCV, HalvingGridSearchCV, cross_val_predict, cross_validate
from sklearn.multioutput import MultiOutputClassifier
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import OneHotEncoder, StandardScaler

from backlit.estimators import MLPClassifier, MLPRegressor

pytestmark = pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")
QUICK = {"hidden_layer_sizes": (8,), "learning_rate_init": 0.05, "max_iter": 25, "batch_size": 30, "random_state": 0}


def test_weights_are_routed_through_a_pipeline_and_a_search(iris):
    X, y = iris
    weight = np.where(y == 1, 5.0, 0.1)
    with sklearn.config_context(enable_metadata_routing=True):
        model = MLPClassifier(**QUICK).set_fit_request(sample_weight=True).set_score_request(sample_weight=True)
        pipe = make_pipeline(StandardScaler().set_fit_request(sample_weight=False), model)
        pipe.fit(X, y, sample_weight=weight)
        search = GridSearchCV(pipe, {"mlpclassifier__alpha": [1e-4, 1.0]}, cv=3).fit(X, y, sample_weight=weight)
        cross_validate(pipe, X, y, params={"sample_weight": weight}, cv=2, error_score="raise")
    alone = MLPClassifier(**QUICK).fit(StandardScaler().fit_transform(X), y, weight)
    assert_array_equal(pipe[-1].coefs_[0], alone.coefs_[0])
    unweighted = GridSearchCV(make_pipeline(StandardScaler(), MLPClassifier(**QUICK)), search.param_grid, cv=3).fit(
        X, y
    )
    assert (search.best_estimator_[-1].coefs_[0] != unweighted.best_estimator_[-1].coefs_[0]).any()


def test_validation_data_and_weights_of_partial_fit_can_be_routed(iris):
    with sklearn.config_context(enable_metadata_routing=True):
        model = MLPClassifier(**QUICK).set_fit_request(validation_data=True)
        pipe = make_pipeline(StandardScaler(with_mean=False, with_std=False), model)
        pipe.fit(*iris, validation_data=iris)
        MLPRegressor().set_partial_fit_request(sample_weight=True, validation_data=True)
    assert len(pipe[-1].validation_losses_) == pipe[-1].n_iter_


@pytest.mark.parametrize("library", ["pandas", "polars"])
def test_frames(library, iris):
    frames = pytest.importorskip(library)
    X, y = iris
    frame = frames.DataFrame({name: X[:, j] for j, name in enumerate("abcd")})
    words = (
        frames.Series("species", ["abc"[k] for k in y])
        if library == "polars"
        else frames.Series(y).map("abc".__getitem__)
    )
    model = MLPClassifier(**QUICK, early_stopping=True).fit(frame, words)
    plain = MLPClassifier(**QUICK, early_stopping=True).fit(X, np.array(list("abc"))[y])
    assert_array_equal(model.predict_proba(frame), plain.predict_proba(X))
    assert list(model.feature_names_in_) == list("abcd")
    with pytest.raises(ValueError, match="feature names should match"):
        model.predict(frame[list("dcba")])
    model.partial_fit(frame, words)


@pytest.mark.parametrize("library", ["pandas", "polars"])
def test_set_output_of_what_comes_before(library, iris):
    frames = pytest.importorskip(library)
    X, y = iris
    frame = frames.DataFrame({"a": X[:, 0], "b": X[:, 2], "kind": ["xyz"[k % 3] for k in y]})
    before = make_column_transformer((StandardScaler(), ["a", "b"]), (OneHotEncoder(sparse_output=False), ["kind"]))
    pipe = make_pipeline(before, MLPClassifier(**QUICK)).set_output(transform=library)
    assert pipe.fit(frame, y).score(frame, y) > 0.9
    assert pipe[-1].feature_names_in_[0] == "standardscaler__a"


@pytest.mark.slow
def test_a_search_in_two_processes(iris):
    grid = {"norm": [None, "batch"], "schedule": [{"name": "cosine"}]}
    found = [GridSearchCV(MLPClassifier(**QUICK), grid, cv=2, n_jobs=n, error_score="raise").fit(*iris) for n in (1, 2)]
    assert_array_equal(*(search.cv_results_["mean_test_score"] for search in found))


def test_a_halving_search(iris):
    search = HalvingGridSearchCV(
        MLPClassifier(**QUICK), {"max_iter": [1, 5, 40]}, cv=2, random_state=0, error_score="raise", min_resources=60
    ).fit(*iris)
    assert search.best_params_["max_iter"] > 1


@pytest.mark.parametrize("method", ["sigmoid", "isotonic"])
def test_calibration(method, iris):
    X, y = iris
    calibrated = CalibratedClassifierCV(MLPClassifier(**QUICK), method=method, cv=3).fit(X, y)
    assert_allclose(calibrated.predict_proba(X).sum(axis=1), 1)
    assert calibrated.score(X, y) > 0.9


def test_importances_are_those_of_the_columns_that_say_something():
    rng = np.random.default_rng(0)
    X = rng.standard_normal((300, 3))
    model = MLPRegressor(**{**QUICK, "max_iter": 60}).fit(X, 2 * X[:, 1])
    found = permutation_importance(model, X, 2 * X[:, 1], n_repeats=3, random_state=0).importances_mean
    assert found.argmax() == 1
    assert found[1] > 10 * max(found[0], found[2])


@pytest.mark.parametrize("method", ["predict", "predict_proba", "predict_log_proba"])
def test_predictions_across_folds(method, iris):
    X, y = iris
    found = cross_val_predict(MLPClassifier(**QUICK), X, y, cv=3, method=method)
    assert np.mean((found if method == "predict" else found.argmax(axis=1)) == y) > 0.9


def test_a_classifier_for_each_label(iris):
    X, y = iris
    both = np.column_stack([y, (X[:, 0] > 0).astype(int)])
    assert MultiOutputClassifier(MLPClassifier(**QUICK)).fit(X, both).score(X, both) > 0.85
