"""Several labels a row, each with classes of its own."""

import pickle

import numpy as np
import pytest
from numpy.testing import assert_allclose
from sklearn.datasets import load_iris
from tests.estimators.conftest import QUICK
from tests.helpers import raises_naming

from backlit.errors import ProblemError
from backlit.estimators import MLPClassifier

pytestmark = pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")


def test_labels_with_classes_of_their_own(iris):
    X, y = iris
    labels = np.column_stack([np.array(["a", "b", "c"])[y], np.where(X[:, 0] > 0, "big", "small")])
    model = MLPClassifier(**{**QUICK, "learning_rate_init": 0.05}).fit(X, labels)
    assert [list(own) for own in model.classes_] == [["a", "b", "c"], ["big", "small"]]
    assert model.predict(X).shape == (150, 2)
    assert (model.predict(X) == labels).mean(axis=0).min() > 0.93
    p = model.predict_proba(X)
    assert [own.shape for own in p] == [(150, 3), (150, 2)]
    for own in p:
        assert_allclose(own.sum(axis=1), 1)
    assert_allclose(model.predict_log_proba(X)[0], np.log(p[0]))
    assert model.score(X, labels) == (model.predict(X) == labels).all(axis=1).mean()
    parts = MLPClassifier(**{**QUICK, "learning_rate_init": 0.1})
    for _ in range(15):
        parts.partial_fit(X, labels, classes=[["a", "b", "c"], ["big", "small"]])
    assert parts.score(X, labels) > 0.85
    with raises_naming(ValueError, "has classes not in"):
        model.partial_fit(X, np.where(labels == "a", "z", labels))


def test_rows_that_show_few_of_the_classes_are_scored_as_others(iris):
    """Labels of 0 to 2 and of 0 and 1: predictions that happen to be all 0 and 1 were taken for yes or no each."""
    X, y = iris
    labels = np.column_stack([y, X[:, 0] > 0]).astype(int)
    model = MLPClassifier(**{**QUICK, "learning_rate_init": 0.05}).fit(X, labels)
    rows = np.r_[0:3, 60:63, 149]
    low = np.flatnonzero(model.predict(X).max(axis=1) < 2)
    few = model.predict(X[low])
    assert set(few.ravel()) == {0, 1}
    assert model.score(X[low], labels[low]) == (few == labels[low]).all(axis=1).mean() > 0.9
    assert model.score(X[:50], labels[100:]) == 0
    weight = np.arange(1.0, 8)
    right = (model.predict(X[rows]) == labels[rows]).all(axis=1)
    assert model.score(X[rows], labels[rows].tolist(), sample_weight=weight) == right @ weight / weight.sum()
    with raises_naming(ValueError, "y", "shape", "(50, 1)", "2", "labels", "row", "predicted"):
        model.score(X[:50], labels[:50, :1])


def test_labels_with_classes_of_their_own_have_the_rest_of_the_house(iris):
    X, y = iris
    labels = np.column_stack([y, X[:, 0] > 0]).astype(int)
    model = MLPClassifier(**{**QUICK, "max_iter": 10}).fit(X, labels)
    assert model.diagnose(X, labels, remedies=False).verdict == "healthy"
    assert "softmax" in model.explain(X[:2], labels[:2]).to_text()
    assert model.cost().to_dict()["layers"]
    assert_allclose(model.example_gradient_norms(X[:9], labels[:9]).shape, (9,))
    found = model.label_error_ranking(X, labels)
    assert found.suspicion[found.rows[0]] == max(found.suspicion)
    assert found.suggested.shape == (150, 2)


def test_two_heads_learn_what_two_networks_learn():
    """Without hidden layers the heads share nothing, so each is the network that has it alone."""
    X, y = load_iris(return_X_y=True)
    other = (X[:, 0] > 5.8).astype(int) + (X[:, 1] > 3)
    told = {"hidden_layer_sizes": (), "solver": "lbfgs", "alpha": 1.0, "max_iter": 2000, "tol": 1e-8, "random_state": 0}
    both = MLPClassifier(**told).fit(X, np.column_stack([y, other + 5]))
    for k, target in enumerate((y, other)):
        alone = MLPClassifier(**told).fit(X, target)
        assert_allclose(
            both.predict_proba(X)[k], alone.predict_proba(X), atol=2e-3
        )  # L-BFGS ends at a fall of 2e-9 in the cost


def test_a_copy_of_the_model_is_told_the_same_of_its_engine(iris):
    X, y = iris
    labels = np.column_stack([y, X[:, 0] > 0]).astype(int)
    model = pickle.loads(pickle.dumps(MLPClassifier(**QUICK).fit(X, labels)))
    with raises_naming(ProblemError, "layer", "several", "labels", "softmax[3,2]"):
        model.set_params(engine="native", warm_start=True).fit(X, labels)
