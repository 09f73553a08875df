"""A fit that goes on keeps its network: parameters that describe another one are named, all others may change."""

import pickle

import numpy as np
import pytest
from sklearn.datasets import load_iris
from tests.helpers import raises_naming

from backlit import MLPClassifier, MLPRegressor
from backlit.errors import ProblemError
from backlit.estimators.train import NETWORK_PARAMETERS, OPTIMIZER_PARAMETERS

pytestmark = pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")
X, Y = load_iris(return_X_y=True)
TOLD = {"hidden_layer_sizes": (6, 6), "max_iter": 2, "random_state": 0, "warm_start": True}

OTHER_NETWORK = {
    "hidden_layer_sizes": (20, 5),
    "activation": "tanh",
    "norm": "layer",
    "dropout": 0.25,
    "skip": "residual",
    "loss": "binary_cross_entropy",
}
GOING_ON = {
    "fit": lambda model: model.fit(X, Y),
    "partial_fit": lambda model: model.partial_fit(X, Y),
    "fit_chunks": lambda model: model.fit_chunks(lambda: iter([(X, Y)])),
    "fit_chunks of an iterator": lambda model: model.fit_chunks(iter([(X, Y)])),
}


def trained(**options):
    return MLPClassifier(**{**TOLD, **options}).partial_fit(X, Y, classes=[0, 1, 2])


def test_every_parameter_of_the_network_is_tried():
    assert set(OTHER_NETWORK) == set(NETWORK_PARAMETERS)


@pytest.mark.parametrize("go_on", GOING_ON.values(), ids=GOING_ON)
@pytest.mark.parametrize("name", OTHER_NETWORK)
def test_another_network_is_refused_by_its_parameters_name(name, go_on):
    model, new = trained(), OTHER_NETWORK[name]
    before, old = model.coefs_[0].copy(), getattr(model, name)
    model.set_params(**{name: new})
    with raises_naming(ProblemError, f"{name} was {old!r} and is {new!r}", "set it back", "warm_start=False"):
        go_on(model)
    np.testing.assert_array_equal(model.coefs_[0], before)
    go_on(model.set_params(**{name: old}))
    model.set_params(**{name: new}, warm_start=False).fit(X, Y)
    assert model.network_ != trained().network_


def test_several_changes_are_all_named():
    with raises_naming(ProblemError, "hidden_layer_sizes was (6, 6) and is (3,)", "norm was None and is 'batch'"):
        trained().set_params(hidden_layer_sizes=(3,), norm="batch").fit(X, Y)


def test_a_list_that_is_changed_in_place_is_a_change():
    sizes = [6, 6]
    model = trained(hidden_layer_sizes=sizes)
    sizes[0] = 7
    with raises_naming(ProblemError, "hidden_layer_sizes was [6, 6] and is [7, 6]"):
        model.fit(X, Y)


@pytest.mark.parametrize(
    "spelling",
    [
        {"hidden_layer_sizes": np.array([6, 6])},
        {"activation": {"name": "relu"}},
        {"activation": ["relu", "relu"]},
        {"loss": "cross_entropy"},
    ],
    ids=str,
)
def test_another_spelling_of_the_same_network_is_no_change(spelling):
    assert trained().set_params(**spelling).fit(X, Y).network_ == trained().network_


@pytest.mark.parametrize(
    "change",
    [
        *({"alpha": 1.0}, {"batch_size": 20}, {"learning_rate_init": 0.1}, {"max_iter": 3}, {"shuffle": False}),
        *({"tol": 0.1}, {"verbose": True}, {"early_stopping": True}, {"n_iter_no_change": 2}, {"schedule": "cosine"}),
        *({"clip_norm": 1.0}, {"init": "he_normal"}, {"random_state": 5}, {"class_weight": {0: 2.0}}, {"beta_1": 0.5}),
        *({"label_smoothing": 0.1}, {"engine": "reference"}, {"warm_start": False}),
    ],
    ids=str,
)
@pytest.mark.parametrize("method", ["fit", "partial_fit"])
def test_everything_else_may_change(change, method):
    model = trained().set_params(**change)
    getattr(model, method)(X, Y)
    assert model.network_.n == (4, 6, 6, 3)


OTHER_MEMORY = {
    "another solver": ({}, {"solver": "sgd"}, "solver was 'adam' and is 'sgd'"),
    "no momentum": ({"solver": "sgd"}, {"momentum": 0.0}, "momentum was 0.9 and is 0.0"),
    "as many averages of another kind": ({"solver": "sgd"}, {"optimizer": "rmsprop"}, "optimizer was None and is"),
}


@pytest.mark.parametrize(("before", "after", "says"), OTHER_MEMORY.values(), ids=OTHER_MEMORY)
def test_partial_fit_keeps_its_optimizer_and_fit_may_change_it(before, after, says):
    model = trained(**before).set_params(**after)
    with raises_naming(ProblemError, says, "averages", "warm_start=True"):
        model.partial_fit(X, Y)
    model.fit(X, Y).partial_fit(X, Y)
    assert set(after) <= set(OPTIMIZER_PARAMETERS)


@pytest.mark.parametrize("how", ["pickle", "file"])
def test_what_was_stored_remembers_its_network(how, tmp_path):
    model = trained()
    if how == "pickle":
        again = pickle.loads(pickle.dumps(model))
    else:
        model.save(tmp_path / "m.safetensors")
        again = MLPClassifier.load(tmp_path / "m.safetensors")
    again.fit(X, Y)
    with raises_naming(ProblemError, "activation was 'relu' and is 'tanh'"):
        again.set_params(activation="tanh").fit(X, Y)


class Cubed:
    def __call__(self, u):
        return u**3


def test_functions_of_ones_own_are_the_same_as_long_as_they_are():
    model = MLPRegressor(**{**TOLD, "activation": Cubed(), "engine": "reference"})
    model.fit(X / 10, Y).fit(X / 10, Y)
    with raises_naming(ProblemError, "activation was"):
        model.set_params(activation="relu").fit(X / 10, Y)
