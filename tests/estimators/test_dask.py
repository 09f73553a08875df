"""Dask's collections as input, and its cluster under scikit-learn's searches: the results of doing without."""

import joblib
import numpy as np
import polars as pl
import pytest
from sklearn.datasets import load_digits
from sklearn.model_selection import GridSearchCV, cross_validate
from tests.helpers import raises_naming
from tests.jobs.clusters import KINDS, two_workers
from tests.tabular.test_train_predict import mixed

from backlit import MLPClassifier, MLPRegressor, predict, train
from backlit.errors import ProblemError, TableError

pd = pytest.importorskip("pandas")

da = pytest.importorskip("dask.array")
dd = pytest.importorskip("dask.dataframe")

X, y = load_digits(return_X_y=True)
X, y = X[:600] / 16, y[:600]


def small(**options):
    return MLPClassifier((16,), max_iter=3, shuffle=False, random_state=0, **options)


@pytest.mark.filterwarnings("ignore:.*Maximum iterations")
@pytest.mark.parametrize("columns", [64, 20])
def test_dask_arrays_are_learned_as_their_chunks(columns):
    pair = da.from_array(X, chunks=(200, columns)), da.from_array(y, chunks=200)
    whole = small().fit(X, y)
    found = small().fit_chunks(pair)
    assert all(a.tobytes() == b.tobytes() for a, b in zip(found.coefs_, whole.coefs_, strict=True))
    weighted = small().fit_chunks((*pair, da.ones(600, chunks=200)))
    np.testing.assert_allclose(weighted.predict_proba(X), whole.predict_proba(X), rtol=1e-4)


@pytest.mark.filterwarnings("ignore:.*Maximum iterations")
def test_dask_data_frames_are_learned_as_their_partitions():
    frame = pd.DataFrame(X, columns=[f"pixel {k}" for k in range(64)])
    target = X[:, 20] + X[:, 30]
    parts = dd.from_pandas(frame, npartitions=3), dd.from_pandas(pd.Series(target), npartitions=3)
    model = MLPRegressor(hidden_layer_sizes=(16,), max_iter=3, shuffle=False, random_state=0)
    found = model.fit_chunks(parts).predict(frame)
    assert list(model.feature_names_in_) == list(frame.columns)
    np.testing.assert_array_equal(found, MLPRegressor(**model.get_params()).fit(frame, target).predict(frame))


def test_blocks_that_do_not_fit_are_one_line():
    with raises_naming(ProblemError, "3 and 2 blocks", "rechunk"):
        small().fit_chunks((da.from_array(X, chunks=(200, 64)), da.from_array(y, chunks=300)))
    with raises_naming(ProblemError, "chunk 1"):
        small().fit_chunks((da.from_array(X, chunks=(200, 64)), da.from_array(y, chunks=(100, 300, 200))))


@pytest.mark.parametrize("target", ["grade", "price"])
def test_a_dask_data_frame_is_predicted_as_the_table(target):
    table = mixed(900)
    model = train(table, target, epochs=2, hidden=(8,), compare=False).model
    held, parts = predict(model, table), predict(model, dd.from_pandas(table.to_pandas(), npartitions=4))
    assert parts.table.equals(held.table)
    assert parts.metrics == pytest.approx(held.metrics, rel=1e-6)
    assert predict(model, dd.from_pandas(table.to_pandas().drop(columns=target), npartitions=2)).metrics is None


@pytest.mark.parametrize(("weight", "cost"), [("", {"high": 20}), ("w", None), ("w", {"high": 20, "low": 0.2})])
def test_partitions_are_scored_by_the_costs_and_weights_of_the_table(weight, cost):
    table = mixed(900).with_columns(w=pl.int_range(900) % 5)
    drop = ["price"] if weight else ["price", "w"]
    model = train(table, "grade", drop=drop, weight=weight or None, epochs=4, hidden=(8,), compare=False).model
    held = predict(model, table, cost=cost)
    parts = predict(model, dd.from_pandas(table.to_pandas(), npartitions=4), cost=cost)
    assert parts.table.equals(held.table)
    assert parts.metrics == pytest.approx(held.metrics, rel=1e-6)
    assert (parts.weight, parts.costs is None) == (weight, cost is None)
    assert parts.to_dict().get("cost") == held.to_dict().get("cost")


def test_faults_of_partitions_are_one_line():
    table = mixed(900)
    model = train(table, "price", epochs=1, hidden=(8,), compare=False).model
    broken = table.to_pandas()
    broken.loc[700, "size"] = np.inf
    with raises_naming(TableError, "partition 4", "'size'", "infinite"):
        predict(model, dd.from_pandas(broken, npartitions=4))
    with raises_naming(TableError, "Dask DataFrame"):
        predict(model, da.ones((5, 5)))
    with raises_naming(TableError, "no rows"):
        predict(model, dd.from_pandas(broken[:0], npartitions=1))


@pytest.mark.filterwarnings("ignore:.*Maximum iterations")
@pytest.mark.parametrize("kind", KINDS)
def test_searches_on_a_cluster_have_the_scores_of_serial_ones(tmp_path, kind):
    from distributed import Client

    search = GridSearchCV(MLPClassifier((8,), max_iter=20, random_state=0), {"alpha": [1e-4, 1.0]}, cv=3)
    serial = search.fit(X, y).cv_results_["mean_test_score"].tolist()
    folds = cross_validate(search.best_estimator_, X, y, cv=3)["test_score"].tolist()
    with two_workers(kind, tmp_path) as address, Client(address), joblib.parallel_backend("dask"):
        assert search.fit(X, y).cv_results_["mean_test_score"].tolist() == serial
        assert cross_validate(search.best_estimator_, X, y, cv=3)["test_score"].tolist() == folds
