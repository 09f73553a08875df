"""From the same start, over the same batches, both libraries take the same steps; and they learn digits as well."""

import numpy as np
import pytest
from numpy.testing import assert_allclose
from scipy.special import xlogy
from sklearn import neural_network
from sklearn.datasets import load_breast_cancer, load_diabetes, load_digits, load_iris
from sklearn.exceptions import ConvergenceWarning
from sklearn.preprocessing import StandardScaler
from tests.helpers import quick_first

from backlit.estimators import MLPClassifier, MLPRegressor
from backlit.training import History

pytestmark = pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")


def table(load, n: int):
    """The first n rows in a mixed order, inputs and numeric targets standardized."""
    X, y = load(return_X_y=True)
    rows = np.random.default_rng(0).permutation(len(X))[:n]
    X, y = StandardScaler().fit_transform(X[rows]), y[rows]
    return X, (y - y.mean()) / y.std() if load is load_diabetes else y


def several_targets(load, n: int):
    X, y = table(load, n)
    return X, np.column_stack([y == 0, y == 1, X[:, 0] > 0]).astype(int)


def counts(load, n: int):
    X, _ = table(load, n)
    return X, np.random.default_rng(1).poisson(np.exp(0.5 * X[:, 0]))


TASKS = {
    "two classes": ("MLPClassifier", lambda: table(load_breast_cancer, 200), {}),
    "three classes": ("MLPClassifier", lambda: table(load_iris, 150), {}),
    "labels": ("MLPClassifier", lambda: several_targets(load_iris, 150), {}),
    "numbers": ("MLPRegressor", lambda: table(load_diabetes, 200), {}),
    "counts": ("MLPRegressor", lambda: counts(load_diabetes, 200), {"loss": "poisson"}),
}
SOLVERS = {
    "sgd": {"solver": "sgd", "learning_rate_init": 0.05},
    "sgd without momentum": {"solver": "sgd", "learning_rate_init": 0.05, "momentum": 0.0},
    "classical momentum": {"solver": "sgd", "learning_rate_init": 0.02, "nesterovs_momentum": False},
    "invscaling": {"solver": "sgd", "learning_rate_init": 0.5, "learning_rate": "invscaling", "power_t": 0.3},
    # epsilon: scikit-learn adds it before it corrects for the start at 0, we after, as the paper and PyTorch do
    "adam": {"solver": "adam", "learning_rate_init": 0.01, "beta_1": 0.8, "beta_2": 0.95, "epsilon": 1e-37},
}
# of each five, every task and every solver once
PAIRS = [(task, [*SOLVERS][(k + apart) % 5]) for apart in range(5) for k, task in enumerate(TASKS)]
COMMON = {"hidden_layer_sizes": (8, 5), "activation": "tanh", "alpha": 0.1, "batch_size": 50, "shuffle": False}


def from_the_same_start(name: str, X, y, **options):
    """Our estimator and scikit-learn's, fitted from the parameters of ours; X must be whole batches."""
    start = {
        "solver": "sgd",
        "learning_rate_init": 1e-200,
        "learning_rate": "constant",
        "max_iter": 1,
        "random_state": 0,
    }
    mine, other = getattr(neural_network, name), getattr(neural_network, name)
    mine = {"MLPClassifier": MLPClassifier, "MLPRegressor": MLPRegressor}[name]
    mine, other = (cls(**{**COMMON, **options, **start, "warm_start": True}).fit(X, y) for cls in (mine, other))
    other.coefs_ = [W.copy() for W in mine.coefs_]
    other.intercepts_ = [b.copy() for b in mine.intercepts_]
    other.best_loss_, other._no_improvement_count, other.t_, other.loss_curve_ = np.inf, 0, 0, []
    mine.history_, mine.t_ = History(), 0
    for model in (mine, other):
        model.set_params(
            **{**model.get_params(), "max_iter": 30, "random_state": 0, "learning_rate": "constant", **options}
        )
        model.fit(X, y)
    return mine, other


@pytest.mark.parametrize(("task", "solver"), quick_first(PAIRS, 10))
def test_the_same_steps(task, solver):
    name, make, options = TASKS[task]
    X, y = make()
    mine, other = from_the_same_start(name, X, y, **options, **SOLVERS[solver])
    assert len(mine.loss_curve_) == len(other.loss_curve_) > 5
    assert mine.loss_curve_[-1] < 0.99 * mine.loss_curve_[0]
    constant = poisson_constant(y) if "loss" in options else 0.0
    assert_allclose(mine.loss_curve_, np.add(other.loss_curve_, constant), rtol=1e-9)
    for ours, theirs in zip([*mine.coefs_, *mine.intercepts_], [*other.coefs_, *other.intercepts_], strict=True):
        assert_allclose(ours, theirs, rtol=1e-8, atol=1e-9)
    assert_allclose(mine.predict(X), other.predict(X), rtol=1e-8, atol=1e-9)
    for attribute in ("loss_", "best_loss_"):
        assert_allclose(getattr(mine, attribute), getattr(other, attribute) + constant, rtol=1e-9, err_msg=attribute)
    assert (mine.n_iter_, mine.t_) == (other.n_iter_, other.t_)
    if hasattr(other, "predict_proba"):
        assert_allclose(mine.predict_proba(X), other.predict_proba(X), rtol=1e-7, atol=1e-12)
        assert_allclose(mine.predict_log_proba(X), other.predict_log_proba(X), rtol=1e-6, atol=1e-7)


def poisson_constant(y) -> float:
    """Ours is Σ a − y ln a; scikit-learn's is the deviance's half, which has y ln y − y more."""
    return -float(np.mean(xlogy(y, y) - y))


@pytest.mark.parametrize("task", ["three classes", "numbers"])
def test_adaptive_lowers_the_rate_and_ends_at_the_same_epoch(task):
    name, make, options = TASKS[task]
    X, y = make()
    told = {
        "solver": "sgd",
        "learning_rate": "adaptive",
        "learning_rate_init": 0.02,
        "tol": 5e-3,
        "n_iter_no_change": 2,
    }
    mine, other = from_the_same_start(name, X, y, **options, **told, max_iter=400)
    assert mine.n_iter_ == other.n_iter_ < 400
    assert_allclose(mine.loss_curve_, other.loss_curve_, rtol=1e-8)
    rates = np.array(mine.history_.column("learning_rate"))
    assert len(np.unique(rates.round(12))) > 5
    assert rates[-1] <= 1e-6
    assert_allclose(rates[-1], other._optimizer.learning_rate, rtol=1e-9)


@pytest.mark.parametrize("task", ["two classes", "numbers"])
def test_sample_weights(task):
    name, make, options = TASKS[task]
    X, y = make()
    weight = np.random.default_rng(2).uniform(0, 2, len(y))
    # without alpha: over a batch scikit-learn divides it by that batch's weights, we by the mean of all batches'
    mine, other = from_the_same_start(name, X, y, solver="sgd", learning_rate_init=0.02, alpha=0.0, **options)
    heavier = [cls.fit(X, y, sample_weight=weight) for cls in (mine, other)]
    assert_allclose(heavier[0].loss_curve_[-1], heavier[1].loss_curve_[-1], rtol=1e-8)
    assert_allclose(heavier[0].coefs_[0], heavier[1].coefs_[0], rtol=1e-7, atol=1e-9)


@pytest.mark.parametrize("task", TASKS)
def test_lbfgs_reaches_the_same_minimum_of_the_same_cost(task):
    """Strong alpha and few units leave few minima; the costs are compared, not the paths."""
    name, make, options = TASKS[task]
    X, y = make()
    told = {"solver": "lbfgs", "hidden_layer_sizes": (3,), "alpha": 20.0, "max_iter": 3000, "tol": 1e-6, **options}
    mine, other = (cls(**told, activation="tanh", random_state=0).fit(X, y) for cls in classes(name))
    assert_allclose(mine.loss_, other.loss_ + (poisson_constant(y) if "loss" in options else 0), rtol=1e-4)


def classes(name: str):
    return {"MLPClassifier": MLPClassifier, "MLPRegressor": MLPRegressor}[name], getattr(neural_network, name)


def test_lbfgs_that_runs_out_of_calls_says_so():
    X, y = table(load_iris, 150)
    for cls in classes("MLPClassifier"):
        with pytest.warns(ConvergenceWarning, match="lbfgs failed to converge"):
            cls(solver="lbfgs", max_fun=3, random_state=0).fit(X, y)


def test_digits_are_learned_as_well():
    X, y = load_digits(return_X_y=True)
    X = X / 16
    scores = {}
    for cls in classes("MLPClassifier"):
        models = [cls(hidden_layer_sizes=(64,), learning_rate_init=0.01, max_iter=30, random_state=s) for s in range(3)]
        scores[cls] = [model.fit(X[:1200], y[:1200]).score(X[1200:], y[1200:]) for model in models]
    mine, other = (np.mean(scores[cls]) for cls in classes("MLPClassifier"))
    assert other > 0.9
    assert abs(mine - other) <= 0.01, scores
