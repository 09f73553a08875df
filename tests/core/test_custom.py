"""A plain NumPy function as an activation or a loss trains, explains and checks like a built-in."""

import logging
import pickle

import numpy as np
import pytest
from tests.helpers import raises_naming

from backlit import Dense, MLPRegressor, Network, Problem, check, explain, save_model
from backlit.core.activations import Activation, get_activation
from backlit.core.custom import activation_of, loss_of
from backlit.core.losses import get_loss
from backlit.core.parameters import Statistics
from backlit.engine import warn_once
from backlit.errors import BacklitError, ShapeError
from backlit.formats.models import Model


def swirl(u):
    return u * np.tanh(u)


def bent(u):
    return u * np.abs(u)  # abs drops a complex step's imaginary part


def log_of_cosh(a, y):
    return np.sum(np.log(np.cosh(a - y)), axis=1)


@pytest.fixture
def problem(rng):
    net = Network(3, [Dense(5, swirl), Dense(2)], loss=log_of_cosh)
    return Problem(net, net.init(seed=0), rng.standard_normal((5, 3)), rng.standard_normal((5, 2)))


def test_a_rewritten_built_in_is_the_built_in(rng):
    net = Network(3, [Dense(4, "tanh"), Dense(2)])
    same = Network(3, [Dense(4, lambda u: np.tanh(u)), Dense(2)], loss=lambda a, y: 0.5 * np.sum((a - y) ** 2, axis=1))
    X, y, theta = rng.standard_normal((5, 3)), rng.standard_normal((5, 2)), net.init(seed=1).theta
    grads = [Problem(n, n.init(seed=1), X, y).passes()[1] for n in (net, same)]
    assert np.array_equal(theta, same.init(seed=1).theta)
    np.testing.assert_allclose(grads[1].theta, grads[0].theta, rtol=1e-13)
    assert grads[1].loss == pytest.approx(grads[0].loss, rel=1e-15)


def test_it_checks(problem):
    grad = problem.passes()[1]
    right = check(problem, {"grad_W": grad.W, "loss": float(grad.loss)})
    assert right.verdict == "pass"
    assert {"tape", "complex_step", "central_differences"} <= set(right.oracles.errors)
    wrong = check(problem, {"grad_W": [None, *(5 * W for W in grad.W[1:])]})
    assert wrong.diagnoses[0].name == "missing_batch_mean"


def test_a_function_that_spoils_a_complex_step_is_checked_by_the_others(rng):
    net = Network(3, [Dense(5, bent), Dense(1)])
    problem = Problem(net, net.init(seed=0), rng.standard_normal((5, 3)), rng.standard_normal((5, 1)))
    found = check(problem, {"grad_W": problem.passes()[1].W})
    assert found.ok
    assert "imaginary" in found.oracles.skipped["complex_step"]
    slope = activation_of(bent).derivative
    lying = get_activation(activation_of(bent, name="lying"))
    object.__setattr__(lying, "derivative", lambda u: 1.001 * slope(u))
    net = Network(3, [Dense(5, lying), Dense(1)])
    assert check(Problem(net, problem.params, problem.X, problem.y), {"loss": 1.0}).verdict == "unresolved"


def test_it_explains(problem):
    page = explain(problem)._repr_html_()
    assert "swirl" in page


@pytest.mark.filterwarnings("ignore:Stochastic Optimizer")  # 300 epochs are enough for what is asked here
def test_it_trains_with_the_reference_engine_and_says_so_once(rng, caplog):
    X = rng.standard_normal((60, 3))
    y = X[:, 0] ** 2 + X[:, 1]
    warn_once.cache_clear()
    with caplog.at_level(logging.WARNING, logger="backlit"):
        for _ in range(2):
            model = MLPRegressor(
                hidden_layer_sizes=(8,), activation=swirl, max_iter=300, tol=0, n_iter_no_change=300, random_state=0,
                learning_rate_init=0.01,
            ).fit(X, y)  # fmt: skip
    assert model.score(X, y) > 0.9
    assert [r.getMessage() for r in caplog.records].count(caplog.records[0].getMessage()) == 1
    assert "own" in caplog.text


def test_it_is_not_saved(problem, tmp_path):
    path = tmp_path / "m.safetensors"
    with raises_naming(BacklitError, "layer", "1's", "activation", "swirl", "your own", "function"):
        save_model(Model(problem.params, Statistics(problem.net)), path)
    assert not path.exists()


def test_one_that_has_a_built_ins_name_is_not_saved_as_that(tmp_path):
    """It would be loaded as another function."""
    lying = Activation("tanh", np.sin, np.cos)
    net = Network(2, [Dense(1, lying)])
    with pytest.raises(BacklitError, match="layer 1's activation tanh is your own function"):
        save_model(Model(net.init(), Statistics(net)), tmp_path / "m.safetensors")
    copy = pickle.loads(pickle.dumps(lying))
    assert copy.function is np.sin


def test_a_name_of_a_built_in_stays_the_built_ins():
    def tanh(u):
        return 2 * u

    assert get_activation(tanh).name == "own_tanh"
    assert get_activation(lambda u: u).name == "custom"
    assert get_loss(log_of_cosh).name == "log_of_cosh"


@pytest.mark.parametrize("mixed", [
    lambda u: u.sum(axis=1, keepdims=True),
    lambda u: u.sum(),
    Activation("rows", lambda u: u.sum(axis=1), lambda u: np.ones_like(u)),
], ids=["a column", "a number", "a vector"])  # fmt: skip
def test_a_fit_names_an_activation_that_gives_another_shape(mixed):
    name = get_activation(mixed).name
    with raises_naming(ShapeError, "layer 1", "activation", name, "shape", "(2, 5)"):
        MLPRegressor(hidden_layer_sizes=(5,), activation=mixed).fit(np.ones((8, 3)), np.ones(8))


def test_what_it_cannot_be_is_refused():
    a = np.ones((2, 3))
    with raises_naming(ShapeError, "one number", "example"):
        loss_of(lambda a, y: np.sum((a - y) ** 2)).value(a, a)
    with raises_naming(BacklitError, "number", "itself"):
        activation_of(lambda u: u / np.sum(u)).derivative(a)
