"""scikit-learn's own tests of its networks, run with our classes in the place of its."""

import functools
import inspect
from types import SimpleNamespace

import numpy as np
import pytest
from numpy.testing import assert_almost_equal
from sklearn.neural_network.tests import test_mlp as theirs
from tests.helpers import quick_every, raises_naming

from backlit.estimators import MLPClassifier, MLPRegressor
from backlit.estimators.train import schedule_of


class WithPrivates:
    """The private attributes of scikit-learn's class that its tests read, by what ours show in public."""

    def fit(self, X, y):
        self._optimizer = SimpleNamespace(learning_rate=None)
        super().fit(X, y)
        if self.learning_rate == "adaptive":
            self._optimizer.learning_rate = self.history_.column("learning_rate")[-1]
        else:  # the rate of the epoch that would come
            schedule = schedule_of(self, len(y)).factor(len(self.loss_curve_))
            self._optimizer.learning_rate = self.learning_rate_init * float(schedule)
        return self

    @property
    def _no_improvement_count(self):
        """How many of the last losses are not below the best before them by tol."""
        bests = np.minimum.accumulate([np.inf, *self.loss_curve_[:-1]])
        better = np.flatnonzero(np.array(self.loss_curve_) <= bests - self.tol)
        return len(self.loss_curve_) - 1 - better[-1]


class ClassifierWithPrivates(WithPrivates, MLPClassifier):
    pass


OURS = {theirs.MLPClassifier: MLPClassifier, theirs.MLPRegressor: MLPRegressor}
READS_PRIVATES = {
    "test_learning_rate_warmstart",
    "test_adaptive_learning_rate",
    "test_n_iter_no_change",
    "test_n_iter_no_change_inf",
}
LEFT_OUT = {  # each for what stands in its place, below or in the file that is named
    "test_fit": "it makes a fit by hand, of private attributes; below is its example by public ones",
    "test_gradient": "it differentiates the private _loss_grad_lbfgs; ours: tests/core, tests/engine",
    "test_mlp_partial_fit_after_fit": "it asks that partial_fit refuses early_stopping, which works here; below",
    "test_mlp_diverging_loss": "it asks for NaN scores where training diverges, which is an error here; test_fit.py",
    "test_early_stopping_stratified": "of its 4 rows 1 would be held out, which ours refuses first; below",
    "test_preserve_feature_names-0": "its y holds one class, which our classifier refuses; below with two",
}


def cases():
    for name, function in inspect.getmembers(theirs, inspect.isfunction):
        if name.startswith("test_") and name not in LEFT_OUT:
            yield from unrolled(name, function)


def unrolled(name, function):
    """The function with each combination of its parametrize marks."""
    combinations = [{}]
    for mark in getattr(function, "pytestmark", []):
        if mark.name == "parametrize":
            names, values = [n.strip() for n in mark.args[0].split(",")], mark.args[1]
            rows = [dict(zip(names, value if len(names) > 1 else [value], strict=True)) for value in values]
            combinations = [old | new for old in combinations for new in rows]
    for number, arguments in enumerate(combinations):
        swapped = {key: OURS.get(value, value) if inspect.isclass(value) else value for key, value in arguments.items()}
        if f"{name}-{number}" not in LEFT_OUT:
            yield pytest.param(functools.partial(function, **swapped), id=f"{name}-{number}")


@pytest.mark.filterwarnings("ignore")  # theirs are about their warnings
@quick_every(pytest.mark.parametrize("test", list(cases())), 2)
def test_scikit_learns_own(test, monkeypatch, capsys, tmp_path):
    for cls in OURS.values():
        monkeypatch.setattr(theirs, cls.__name__, cls)
    if test.func.__name__ in READS_PRIVATES:
        monkeypatch.setattr(theirs, "MLPClassifier", ClassifierWithPrivates)
    fixtures = {"capsys": capsys, "tmp_path": tmp_path, "global_random_seed": 42}
    wanted = set(inspect.signature(test.func).parameters) - set(test.keywords)
    test(**{name: fixtures[name] for name in wanted})


def test_what_is_left_out_is_there():
    assert all(hasattr(theirs, name.split("-")[0]) for name in LEFT_OUT)
    assert all(hasattr(theirs, name) for name in READS_PRIVATES)
    assert len(list(cases())) > 40


def test_the_worked_example_of_test_fit_by_public_attributes():
    told = {"solver": "sgd", "learning_rate_init": 0.1, "alpha": 0.1, "activation": "logistic", "momentum": 0}
    X, y = np.array([[0.6, 0.8, 0.7]]), np.array([0])
    model = MLPClassifier(2, max_iter=1, random_state=1, **told).partial_fit(X, y, classes=[0, 1])
    model.coefs_ = [np.array([[0.1, 0.2], [0.3, 0.1], [0.5, 0]]), np.array([[0.1], [0.2]])]
    model.intercepts_ = [np.array([0.1, 0.1]), np.array([1.0])]
    model.partial_fit(X, y)
    assert_almost_equal(model.coefs_[0], [[0.098, 0.195756], [0.2956664, 0.096008], [0.4939998, -0.002244]], decimal=3)
    assert_almost_equal(model.coefs_[1], [[0.04706], [0.154089]], decimal=3)
    assert_almost_equal(model.intercepts_[0], [0.098333, 0.09626], decimal=3)
    assert_almost_equal(model.intercepts_[1], [0.9235], decimal=3)
    assert_almost_equal(model.predict_proba(X)[0, 1], 0.739, decimal=3)


@pytest.mark.parametrize(
    ("name", "given", "says"),
    [
        ("coefs_", [np.zeros((3, 2))], ("coefs_", "list", "2", "arrays", "not 1")),
        ("coefs_", [np.zeros((2, 3)), np.zeros((2, 1))], ("coefs_[0]", "shape", "(3, 2)", "(2, 3)")),
        ("intercepts_", [[0.0, np.nan], [0.0]], ("intercepts_[0]", "NaN")),
        ("intercepts_", [[0.0, 1e39], [0.0]], ("intercepts_[0]", "NaN", "infinity")),
        ("intercepts_", [["a", "b"], [0.0]], ("intercepts_", "arrays", "numbers")),
        ("intercepts_", 3.0, ("list", "2", "arrays", "layer", "float")),
    ],
)
def test_weights_that_do_not_fit_are_refused_and_none_is_set(name, given, says):
    model = MLPClassifier(2).partial_fit(np.eye(3, dtype=np.float32), [0, 1, 1], classes=[0, 1])
    before = model._params.theta.copy()
    with raises_naming(ValueError, *says):
        setattr(model, name, given)
    np.testing.assert_array_equal(model._params.theta, before)


@pytest.mark.parametrize("cls", OURS.values())
def test_partial_fit_after_fit_goes_on_with_early_stopping(cls):
    model = cls(early_stopping=True, random_state=0, max_iter=5)
    with pytest.warns(UserWarning, match="Maximum iterations"):
        model.fit(theirs.X_iris, theirs.y_iris)
    before = model.coefs_[0].copy()
    model.partial_fit(theirs.X_iris, theirs.y_iris)
    assert not np.array_equal(model.coefs_[0], before)


def test_too_few_rows_to_hold_out_are_said():
    with raises_naming(ValueError, "validation", "set", "small", "n_samples", "4"):
        MLPClassifier(early_stopping=True).fit([[1, 2], [2, 3], [3, 4], [4, 5]], [0, 0, 0, 1])


def test_early_stopping_keeps_feature_names():
    pd = pytest.importorskip("pandas")
    X = pd.DataFrame(np.random.default_rng(0).standard_normal((20, 2)), columns=["colname_a", "colname_b"])
    model = MLPClassifier(early_stopping=True, validation_fraction=0.2, tol=1.0, random_state=0)
    assert list(model.fit(X, np.arange(20) % 2).feature_names_in_) == ["colname_a", "colname_b"]  # and no warning
