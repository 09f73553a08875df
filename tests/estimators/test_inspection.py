"""What a fitted estimator says about its gradient, its cost and its rows."""

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal
from scipy.sparse import csr_matrix
from sklearn.datasets import load_diabetes, load_digits, load_iris
from sklearn.exceptions import NotFittedError
from tests.helpers import raises_naming

from backlit.core.passes import backward, forward
from backlit.estimators import MLPClassifier, MLPRegressor, inspection
from backlit.estimators.inspection import problem_of

pytestmark = pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")
X, Y = load_iris(return_X_y=True)
WORDS = np.array(["setosa", "versicolor", "virginica"])[Y]


def fitted(y=WORDS, cls=MLPClassifier, **options):
    return cls((7, 5), max_iter=15, random_state=0, learning_rate_init=0.01, **options).fit(X, y)


def test_a_few_rows_may_lack_classes_whatever_a_next_fit_would_do():
    model = fitted(warm_start=True)
    assert model.example_gradient_norms(X[:3], WORDS[:3]).shape == (3,)
    assert model.label_error_ranking(X[:3], WORDS[:3], cv=None).rows.shape == (3,)
    assert "loss" in model.explain(X[:1], WORDS[:1]).to_text()
    assert model.diagnose(X[:3], WORDS[:3], remedies=False).verdict


def one_by_one(model, X, Y):
    """‖∂ℓ_i/∂θ‖ by a backward pass a row; L2 left out, batch norm by its running moments."""
    norms = []
    for x, y in zip(X, Y, strict=True):
        trace = forward(model.network_, model._params, x[None], statistics=model._statistics)
        grad = backward(model.network_, model._params, trace, y[None])
        theta = grad.theta.copy()
        if model.network_.l2:
            for W, own in zip(model._params.W[1:], type(model._params)(model.network_, theta).W[1:], strict=True):
                own -= model.network_.l2 * W
        norms.append(np.linalg.norm(theta))
    return np.array(norms)


@pytest.mark.parametrize(
    "options", [{}, {"norm": "batch"}, {"norm": "layer"}, {"dropout": 0.3}, {"alpha": 0.5}], ids=str
)
def test_example_gradient_norms_are_those_of_one_row_at_a_time(options):
    model = fitted(**options)
    found = model.example_gradient_norms(X[::7], WORDS[::7])
    assert_allclose(found, one_by_one(model, X[::7], np.eye(3)[Y[::7]]), rtol=1e-10)


def test_example_gradient_norms_go_in_slices(monkeypatch):
    model = fitted()
    whole = model.example_gradient_norms(X, WORDS)
    monkeypatch.setattr(inspection, "SLICE_BYTES", 8 * sum(model.network_.n) * 11)
    data = model._read(X, WORDS, None, first=False, new_targets=False)
    assert [len(y) for _, y in inspection.traces(model, data)] == [*[11] * 13, 7]
    assert_allclose(model.example_gradient_norms(X, WORDS), whole, rtol=1e-12)


def test_regression_has_gradients_by_row_too():
    X, y = load_diabetes(return_X_y=True)
    model = MLPRegressor(hidden_layer_sizes=(6,), max_iter=5, random_state=0).fit(X, y)
    assert_allclose(model.example_gradient_norms(X[:20], y[:20]), one_by_one(model, X[:20], y[:20, None]), rtol=1e-10)


def test_explain_is_the_gradient_at_the_fitted_parameters():
    model = fitted(alpha=0.3)
    told = model.explain(X[:3], WORDS[:3], sample_weight=[1.0, 2.0, 0.5]).to_dict()
    trace = forward(model.network_, model._params, X[:3])
    grad = backward(model.network_, model._params, trace, np.eye(3)[Y[:3]], [1.0, 2.0, 0.5])
    for l in (1, 2, 3):
        assert_allclose(told["grad_W"][str(l)], grad.W[l], rtol=1e-12)
    assert_allclose(told["loss"], grad.loss)
    assert "grad_W[1][0,1]" in model.explain(X[:2], WORDS[:2], entry="grad_W[1][0,1]").to_text()


def test_sparse_rows_are_looked_at_as_dense_ones():
    model, rows = fitted(), csr_matrix(X)
    assert_array_equal(model.example_gradient_norms(rows, WORDS), model.example_gradient_norms(X, WORDS))
    assert_array_equal(problem_of(model, rows[:3], WORDS[:3], None).X, X[:3])


def test_explain_has_the_optimizers_update_and_lbfgs_has_none():
    assert problem_of(fitted(), X, WORDS, None).optimizer.name == "adam"
    assert problem_of(fitted(solver="lbfgs"), X, WORDS, None).optimizer is None


def test_explain_works_with_float32_dropout_and_batch_norm():
    model = MLPClassifier((4,), norm="batch", dropout=0.2, max_iter=3).fit(X.astype(np.float32), Y)
    assert model.explain(X[:4].astype(np.float32), Y[:4]).to_text()


def test_diagnose_sees_what_is_wrong():
    deep = MLPClassifier((10,) * 12, "logistic", max_iter=1, random_state=0).fit(X, WORDS)
    assert deep.diagnose(X, WORDS, remedies=False).verdict == "vanishing"
    diagnosis = fitted().diagnose(X, WORDS)
    assert diagnosis.remedies
    assert diagnosis.subject.X.shape == X.shape


def test_cost_is_that_of_the_fitted_network():
    model = fitted(batch_size=30)
    assert model.cost().to_dict()["batch"] == 30
    weights = 4 * 7 + 7 * 5 + 5 * 3
    assert model.cost(batch=11).ledger.matmul("forward") == 2 * 11 * weights
    assert model.cost().optimizer.name == "adam"
    assert fitted(solver="lbfgs").cost().batch == 200
    assert MLPClassifier((4,), max_iter=1).fit(X.astype("f4"), Y).cost().dtype == "float32"


@pytest.mark.parametrize("method", ["explain", "diagnose", "example_gradient_norms", "label_error_ranking"])
def test_what_is_not_fitted_or_does_not_fit_is_refused(method):
    with pytest.raises(NotFittedError, match="not fitted"):
        getattr(MLPClassifier(), method)(X, Y)
    model = fitted()
    with raises_naming(ValueError, "classes not in"):
        getattr(model, method)(X[:3], ["setosa", "rose", "setosa"])
    with raises_naming(ValueError, "X", "2", "features"):
        getattr(model, method)(X[:3, :2], WORDS[:3])


def planted(share=0.05):
    """Digits with some labels made wrong; which ones."""
    X, y = load_digits(return_X_y=True)
    draw = np.random.default_rng(0)
    wrong = draw.permutation(len(y))[: int(share * len(y))]
    spoiled = y.copy()
    spoiled[wrong] = (y[wrong] + draw.integers(1, 10, len(wrong))) % 10
    return X / 16, spoiled, y, wrong


def test_planted_wrong_labels_come_first():
    """89 of 1797 labels are wrong; of the 89 most suspect rows 81 were (0.91) when this was written, by chance 4."""
    X, y, truth, wrong = planted()
    model = MLPClassifier((32,), max_iter=20, learning_rate_init=0.005, random_state=0).fit(X, y)
    ranking = model.label_error_ranking(X, y, cv=5)
    first = ranking.rows[: len(wrong)]
    precision = np.isin(first, wrong).mean()
    assert precision >= 0.85, precision
    assert (ranking.suggested[wrong] == truth[wrong]).mean() >= 0.9
    assert (np.diff(ranking.suspicion[ranking.rows]) <= 0).all()


def test_this_very_network_judges_rows_that_it_has_not_seen():
    model = MLPClassifier((16,), max_iter=200, learning_rate_init=0.02, random_state=0).fit(X[::2], WORDS[::2])
    spoiled = WORDS[1::2].copy()
    spoiled[:3] = "virginica"  # these are setosas
    ranking = model.label_error_ranking(X[1::2], spoiled, cv=None)
    assert set(ranking.rows[:3]) == {0, 1, 2}
    assert_array_equal(ranking.suggested[:3], ["setosa"] * 3)
    p = model.predict_proba(X[1::2])
    assert_allclose(ranking.suspicion, -np.log(p[np.arange(75), np.searchsorted(model.classes_, spoiled)]), rtol=1e-9)


@pytest.mark.filterwarnings("ignore:The least populated class")
@pytest.mark.parametrize("several", [False, True])
def test_a_class_of_one_row_is_suspect_and_no_error(several):
    """The other folds know of the class; several labels of which a fold shows 0 and 1 alone are not yes or no each."""
    y = np.where(np.arange(150) == 7, 2, Y > 0)
    labels = np.column_stack([y, X[:, 0] > 5.8]).astype(int) if several else y
    model = MLPClassifier((8,), max_iter=60, learning_rate_init=0.02, random_state=0).fit(X, labels)
    found = model.label_error_ranking(X, labels)
    assert found.rows[0] == 7
    assert np.isfinite(found.suspicion).all()
    assert found.suggested.shape == labels.shape


def test_wrong_numbers_and_too_few_rows():
    patients, y = load_diabetes(return_X_y=True)
    y = (y - y.mean()) / y.std()
    y[[5, 50]] += 12
    model = MLPRegressor(hidden_layer_sizes=(8,), max_iter=50, random_state=0).fit(patients, y)
    assert set(model.label_error_ranking(patients, y).rows[:2]) == {5, 50}
    with raises_naming(ValueError, "number", "splits", "n_splits=5"):
        fitted().label_error_ranking(X[[0, 50, 100]], WORDS[[0, 50, 100]])
