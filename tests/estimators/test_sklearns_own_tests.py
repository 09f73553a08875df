"""scikit-learn's own tests of its networks, run with our classes in the place of its."""

import functools
import inspect

import pytest
from sklearn.neural_network.tests import test_mlp as theirs

from backlit.estimators import MLPClassifier, MLPRegressor

OURS = {theirs.MLPClassifier: MLPClassifier, theirs.MLPRegressor: MLPRegressor}
PRIVATE = "it sets or reads private attributes of scikit-learn's class: {}"
LEFT_OUT = {
    "test_fit": PRIVATE.format("it sets weights before any fit, and _coef_grads"),
    "test_gradient": PRIVATE.format("_loss_grad_lbfgs"),
    "test_learning_rate_warmstart": PRIVATE.format("_optimizer.learning_rate"),
    "test_adaptive_learning_rate": PRIVATE.format("_optimizer.learning_rate"),
    "test_n_iter_no_change": PRIVATE.format("_no_improvement_count"),
    "test_n_iter_no_change_inf": PRIVATE.format("_no_improvement_count"),
    "test_mlp_partial_fit_after_fit": "partial_fit with early_stopping works here, and is refused there",
    "test_mlp_diverging_loss": "a divergence is an error here, and NaN scores there",
    "test_early_stopping_stratified": "4 rows leave 1 to hold out: that is said here, and that a class has 1 row there",
    "test_preserve_feature_names-0": "the classifier is given one class, which is an error here",
    "test_verbose_sgd": "progress goes to standard error here, and 'Iteration' to standard output there",
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
@pytest.mark.parametrize("test", list(cases()))
def test_scikit_learns_own(test, monkeypatch, capsys, tmp_path):
    for cls in OURS.values():
        monkeypatch.setattr(theirs, cls.__name__, cls)
    fixtures = {"capsys": capsys, "tmp_path": tmp_path, "global_random_seed": 42}
    wanted = set(inspect.signature(test.func).parameters) - set(test.keywords)
    test(**{name: fixtures[name] for name in wanted})


def test_what_is_left_out_is_there():
    assert all(hasattr(theirs, name.split("-")[0]) for name in LEFT_OUT)
    assert len(list(cases())) > 40
