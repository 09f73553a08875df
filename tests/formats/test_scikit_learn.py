"""scikit-learn's fitted networks compute the same once they are Backlit's."""

import numpy as np
import pytest
from sklearn.datasets import load_breast_cancer, load_diabetes, load_iris, make_multilabel_classification
from sklearn.decomposition import PCA
from sklearn.neural_network import MLPClassifier, MLPRegressor
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import MaxAbsScaler, MinMaxScaler, RobustScaler, StandardScaler, scale
from tests.helpers import raises_naming

from backlit.errors import ModelError
from backlit.formats.scikit_learn import from_scikit_learn
from backlit.tabular.scoring import outputs_of


@pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")
@pytest.mark.parametrize("load", [load_iris, load_breast_cancer])
@pytest.mark.parametrize("activation", ["identity", "logistic", "tanh", "relu"])
def test_a_classifier(load, activation):
    X, y = load(return_X_y=True)
    X = scale(X)
    theirs = MLPClassifier((8, 5), activation=activation, max_iter=20, random_state=0).fit(X, y)
    model = from_scikit_learn(theirs)
    np.testing.assert_allclose(outputs_of(model, X), theirs.predict_proba(X), rtol=1e-10)
    assert model.target.classes == tuple(theirs.classes_.tolist())


@pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")
@pytest.mark.parametrize("loss", ["squared_error", "poisson"])
def test_a_regressor(loss):
    X, y = load_diabetes(return_X_y=True)
    theirs = MLPRegressor(loss=loss, hidden_layer_sizes=(6,), max_iter=20, random_state=0).fit(X, y / 100)
    np.testing.assert_allclose(outputs_of(from_scikit_learn(theirs), X), theirs.predict(X), rtol=1e-10)


@pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")
def test_several_labels_have_no_classes_of_their_own():
    X, Y = make_multilabel_classification(random_state=0)
    theirs = MLPClassifier((6,), max_iter=20, random_state=0).fit(X, Y)
    model = from_scikit_learn(theirs)
    assert model.target is None
    np.testing.assert_allclose(outputs_of(model, X), theirs.predict_proba(X), rtol=1e-10)


def test_what_is_not_fitted_is_refused():
    with raises_naming(ModelError, "MLPClassifier", "fitted"):
        from_scikit_learn(MLPClassifier())


@pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")
@pytest.mark.parametrize(
    "steps",
    [
        [StandardScaler()],
        [MinMaxScaler((-1, 2)), "passthrough", RobustScaler()],
        [MaxAbsScaler(), StandardScaler(with_mean=False), RobustScaler(with_scaling=False)],
    ],
)
def test_a_pipeline_takes_what_the_pipeline_takes(steps):
    X, y = load_diabetes(return_X_y=True)
    X = 3 + 20 * X
    theirs = make_pipeline(*steps, MLPRegressor(hidden_layer_sizes=(6,), max_iter=30, random_state=0)).fit(X, y / 100)
    np.testing.assert_allclose(outputs_of(from_scikit_learn(theirs), X), theirs.predict(X), rtol=1e-9)


@pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")
@pytest.mark.parametrize("step", [PCA(2), MinMaxScaler(clip=True)])
def test_a_step_that_does_more_than_scale_is_named(step):
    X, y = load_iris(return_X_y=True)
    theirs = make_pipeline(step, MLPClassifier((3,), max_iter=5, random_state=0)).fit(X, y)
    with raises_naming(ModelError, type(step).__name__, "no scaling"):
        from_scikit_learn(theirs)
