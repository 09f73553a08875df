"""TabularClassifier and TabularRegressor: scikit-learn's own checks, DataFrames, and what only they have."""

import pickle

import numpy as np
import polars as pl
import pytest
from numpy.testing import assert_allclose, assert_array_equal
from sklearn.base import clone
from sklearn.model_selection import GridSearchCV
from sklearn.utils.estimator_checks import parametrize_with_checks
from tests.helpers import quick_every, raises_naming

from backlit import TabularClassifier, TabularRegressor, predict
from backlit.errors import TableError
from backlit.tables.frames import as_table
from backlit.tabular import presets

pd = pytest.importorskip("pandas")

pytestmark = [
    pytest.mark.filterwarnings("ignore::sklearn.exceptions.SkipTestWarning"), pytest.mark.usefixtures("small_presets"),
]  # fmt: skip
REPEATED = "an example repeated is in several folds, and one of weight 2 in one"
FAILING = {f"check_sample_weight_equivalence_on_{kind}_data": REPEATED for kind in ("dense", "sparse")}


@pytest.fixture(autouse=True)
def quick(monkeypatch):
    """A recipe of one preset on two folds, and short runs: the conventions are the same."""
    small = presets.Quality(presets=1, folds=2, trial_folds=1, finalists=1)
    monkeypatch.setitem(presets.QUALITIES, "fast", small)
    monkeypatch.setattr(presets, "MOST", {"constant": 25, "cosine": 12})


CHECKS = parametrize_with_checks(
    [TabularClassifier("fast", n_jobs=1)], expected_failed_checks=lambda estimator: FAILING
)


@quick_every(CHECKS, 3)
def test_scikit_learns_checks(estimator, check):
    check(estimator)


@pytest.mark.slow
@parametrize_with_checks([TabularRegressor("fast", n_jobs=1)], expected_failed_checks=lambda estimator: FAILING)
def test_scikit_learns_checks_of_the_regressor(estimator, check):
    check(estimator)


def frame(rows=200, seed=0):
    draw = np.random.default_rng(seed)
    x, word = draw.normal(size=rows), draw.choice(["a", "b", None], rows, p=[0.4, 0.5, 0.1])
    day = pd.Timestamp("2024-01-01") + pd.to_timedelta(draw.integers(0, 300, rows), unit="D")
    X = pd.DataFrame({"x": x, "word": word, "flag": draw.random(rows) > 0.5, "day": day})
    X["count"] = pd.array([None if k % 9 == 0 else k % 7 for k in range(rows)], dtype="Int64")
    X["cat"] = pd.Categorical(draw.choice(["u", "v"], rows))
    return X, x + 2 * (word == "a") + 0.1 * draw.normal(size=rows)


@pytest.mark.usefixtures("full_presets")
def test_data_frames_of_either_library_are_the_same():
    X, y = frame()
    ours = TabularRegressor("fast", random_state=0).fit(X, y)
    table = pl.DataFrame({name: as_table(X)[name] for name in X.columns})
    theirs = TabularRegressor("fast", random_state=0).fit(table, y)
    assert_allclose(ours.predict(X), theirs.predict(table))
    assert ours.score(X, y) > 0.9
    assert list(ours.feature_names_in_) == list(X.columns)


def test_columns_keep_their_kinds():
    X, _ = frame()
    kinds = dict(zip(as_table(X).columns, map(str, as_table(X).dtypes), strict=True))
    assert kinds["word"] == kinds["cat"] == "String"
    assert (kinds["flag"], kinds["x"]) == ("Boolean", "Float64")
    assert kinds["day"].startswith("Datetime")
    assert as_table(X)["count"].is_nan().sum() + as_table(X)["count"].null_count() == X["count"].isna().sum()
    assert as_table(X)["word"].null_count() == X["word"].isna().sum() > 0


@pytest.mark.usefixtures("full_presets")
def test_labels_come_back_and_probabilities_are_out_of_fold():
    X, y = frame()
    labels = np.where(y > 1, "high", "low")
    model = TabularClassifier("fast", random_state=0).fit(X, labels)
    assert set(model.predict(X)) == {"high", "low"}
    assert_allclose(model.predict_proba(X).sum(axis=1), 1)
    assert model.out_of_fold_.shape == (200, 2)
    assert (model.classes_[model.out_of_fold_.argmax(axis=1)] == labels).mean() > 0.85


@pytest.mark.usefixtures("full_presets")
def test_it_is_cloned_pickled_searched_and_saved(tmp_path):
    X, y = frame()
    model = TabularRegressor("fast", random_state=3).fit(X, y)
    assert_array_equal(pickle.loads(pickle.dumps(model)).predict(X), model.predict(X))
    assert_array_equal(clone(model).fit(X, y).predict(X), model.predict(X))
    model.save(tmp_path / "m.safetensors")
    assert_allclose(predict(tmp_path / "m.safetensors", as_table(X)).table["target"].to_numpy(), model.predict(X))
    search = GridSearchCV(TabularRegressor("fast", random_state=0), {"metric": [None, "mae"]}, cv=2).fit(X, y)
    assert search.best_score_ > 0.8


@pytest.mark.usefixtures("full_presets")
def test_intervals_hold():
    X, y = frame(400)
    model = TabularRegressor("fast", random_state=0).fit(X, y)
    new, truth = frame(1000, seed=1)
    low, high = model.predict_interval(new)
    assert 0.85 < ((low <= truth) & (truth <= high)).mean() < 0.99  # members of two folds alone are less sure


def test_groups_are_kept_in_one_fold():
    X, y = frame()
    groups = np.arange(200) // 10
    model = TabularRegressor("fast", random_state=0).fit(X, y, groups=groups)
    fold = model.ensemble_.residual_fold
    assert all(len(set(fold[groups == g])) == 1 for g in range(20))


def test_a_column_of_another_type_is_named():
    X, y = frame()
    model = TabularRegressor("fast", random_state=0).fit(X, y)
    with raises_naming(TableError, "x", "numbers"):
        model.predict(X.assign(x="one"))
    with raises_naming(TableError, "200", "199"):
        TabularRegressor("fast").fit(X, y[:199])


@pytest.mark.parametrize("missing", [None, np.nan, np.inf, pd.NA])
@pytest.mark.parametrize(("kind", "y"), [(TabularRegressor, [0.5, 1.5]), (TabularClassifier, ["no", "yes"])])
def test_a_missing_target_of_a_frame_is_named_by_its_row(kind, y, missing):
    y = pd.Series([*y] * 20, dtype=object)
    y[17] = missing
    with pytest.raises(TableError, match=r"y\[17\]"):
        kind("fast").fit(pd.DataFrame({"a": np.arange(40.0), "b": ["x", "y"] * 20}), y)


def test_an_array_is_predicted_by_the_places_of_a_frame_s_columns():
    X = pd.DataFrame({"a": np.arange(40.0), "b": np.arange(40.0) % 3})
    model = TabularRegressor("fast", random_state=0).fit(X, X["a"] + X["b"])
    with pytest.warns(UserWarning, match="feature names"):
        found = model.predict(X.to_numpy())
    assert_allclose(found, model.predict(X))
