"""Which remedies are tried on which network, and how the best one is said to an estimator."""

import math
from dataclasses import replace
from types import SimpleNamespace

import numpy as np
import pytest
from tests.helpers import raises_naming

from backlit.core import Dense, Network
from backlit.core.activations import get_activation
from backlit.core.problem import Problem
from backlit.diagnosis import diagnose
from backlit.diagnosis.inputs import from_sizes, noise_targets, normal_inputs, typical
from backlit.diagnosis.remedies import (
    candidates,
    critical_init,
    depths,
    estimator_arguments,
    recipes,
    shallower,
)
from backlit.diagnosis.theory.expectations import second_moment, slope_moment
from backlit.diagnosis.theory.fixed_points import LayerSpec, fixed_point
from backlit.diagnosis.theory.predicted import gaussian_scales
from backlit.errors import ProblemError
from backlit.formats.problems import read_problem

FAR = SimpleNamespace(xi_grad=math.inf)  # a theory in which depth is no matter
INITS = [f"init {name}" for name in ("xavier_normal", "he_normal", "lecun_normal", "orthogonal", "lsuv")]


def tried(net, one):
    return {name: (changed, scheme) for name, changed, scheme in candidates(net, one, fixed_point(one))}


def stack(depth=6, width=8, phi="tanh", **more):
    return Network(width, [Dense(width, phi, **more) for _ in range(depth)], loss="squared_error", l2=0.1)


def test_all_that_is_tried_on_a_plain_network():
    one = LayerSpec(get_activation("tanh"), 0.64)
    found = tried(stack(), one)
    s = math.sqrt(1 - 0.64)
    variants = [name.split(" with critical init")[0] for name in found if " with critical init" in name]
    assert list(found)[:5] == INITS
    point = critical_init(one)
    assert list(found)[5] == f"init critical σ_w = {point.sigma_w2**0.5:.4g}, σ_b = {point.sigma_b2**0.5:.4g}"
    assert found[list(found)[5]][1] == {
        "scheme": "gaussian", "sigma_w": point.sigma_w2**0.5, "sigma_b": point.sigma_b2**0.5,
    }  # fmt: skip
    assert list(found)[6:10] == [
        "batch norm",
        "layer norm",
        "skips with scale 1",
        f"skips with scale √(1 − χ₁) = {s:.4g}",
    ]
    assert variants == ["relu", "leaky_relu", "elu", "selu"]  # all but its own
    assert [name for name in found if "in place" in name] == ["3 layers in place of 6"]
    assert all(changed.l2 == 0.1 and changed.loss.name == "squared_error" for changed, _ in found.values())
    assert all(changed.layers[-1] == stack().layers[-1] for changed, _ in found.values())


def test_what_each_remedy_changes():
    found = tried(stack(), LayerSpec(get_activation("tanh"), 0.64))
    for norm in ("batch", "layer"):
        changed, scheme = found[f"{norm} norm"]
        assert ([layer.norm for layer in changed.layers], scheme) == ([norm] * 5 + [None], None)
    changed, _ = found["skips with scale 1"]
    assert [(layer.skip_from, layer.skip_scale) for layer in changed.layers[:-1]] == [(l, 1.0) for l in range(5)]
    assert changed.layers[-1].skip_from is None
    (changed, scheme) = next(pair for name, pair in found.items() if name.startswith("selu"))
    assert [layer.activation.name for layer in changed.layers] == ["selu"] * 5 + ["tanh"]
    assert scheme["scheme"] == "gaussian"
    assert scheme["sigma_w"] == pytest.approx(1.071575**-0.5, rel=1e-5)  # of SELU, E φ'² = 1.071575
    assert found["3 layers in place of 6"][0].n == (8, 8, 8, 8)


def test_skips_are_only_where_widths_are_equal():
    net = Network(4, [Dense(8, "tanh"), Dense(8, "tanh"), Dense(6, "tanh"), Dense(6, "tanh"), Dense(2)])
    changed, _ = tried(net, LayerSpec(get_activation("tanh"), 1.0))["skips with scale 1"]
    assert [layer.skip_from for layer in changed.layers] == [None, 1, None, 3, None]


@pytest.mark.parametrize(("more", "absent"), [
    ({"norm": "layer"}, ["init critical", "layer norm", "relu with"]),
    ({"norm": "batch"}, ["init critical", "batch norm"]), ({"skip": 1.0}, ["init critical", "skips"]),
])  # fmt: skip
def test_what_is_there_already_or_has_no_theory_is_not_tried(more, absent):
    found = tried(stack(), LayerSpec(get_activation("tanh"), 1.0, **more))
    assert not [name for name in found for start in absent if name.startswith(start)]
    assert set(INITS) <= set(found)


def test_a_skip_keeps_gradients_alike_only_where_they_fade():
    assert not [name for name in tried(stack(), LayerSpec(get_activation("tanh"), 9.0)) if "√" in name]


def test_layers_go_where_the_output_s_fits_below():
    one = LayerSpec(get_activation("tanh"), 0.64)
    net = Network(8, [*[Dense(8, "tanh")] * 4, Dense(5, "tanh"), Dense(2)])
    assert not [name for name in tried(net, one) if "in place" in name]
    net = Network(
        8, [Dense(6, "tanh"), Dense(5, "tanh"), Dense(6, "tanh"), Dense(6, "tanh"), Dense(5, "tanh"), Dense(2)]
    )
    changed, scheme = tried(net, one)["3 layers in place of 6"]
    assert (changed.n, changed.layers[-1], scheme) == ((8, 6, 5, 2), Dense(2), None)


@pytest.mark.parametrize(("L", "chi", "expected"), [
    (16, 1.0, [8, 4, 2]), (16, math.exp(-1), [8, 7, 4, 2]), (2, 0.5, []), (3, 1.0, []), (4, 1.0, [2]),
    (100, math.exp(-0.1), [70, 50, 25, 12, 6, 3]), (16, 1e-9, [8, 4, 2]),
])  # fmt: skip
def test_depths_are_halves_and_as_deep_as_a_gradient_reaches(L, chi, expected):
    theory = fixed_point(LayerSpec(get_activation("identity"), chi))
    assert theory.chi_1 == pytest.approx(chi)
    assert depths(L, theory) == expected


@pytest.mark.parametrize("phi", ["relu", "tanh", "gelu", "selu"])
def test_a_critical_draw_keeps_gradients_and_lengths(phi):
    phi = get_activation(phi)
    point = critical_init(LayerSpec(phi, 1.0))
    assert point.sigma_w2 * slope_moment(phi, point.q_star) == pytest.approx(1)
    assert point.sigma_w2 * second_moment(phi, point.q_star) + point.sigma_b2 == pytest.approx(point.q_star)


ADAM = {"name": "adam", "learning_rate": 0.01}
SGD = {"name": "sgd", "learning_rate": 0.1, "momentum": 0.8, "nesterov": True}
BASE = {"hidden_layer_sizes": [8] * 5, "activation": "tanh"}


@pytest.mark.parametrize(("net", "optimizer", "scheme", "recipe", "expected"), [
    (stack(), ADAM, None, {}, BASE | {"solver": "adam", "learning_rate_init": 0.01}),
    (stack(), ADAM, None, {"learning_rate": 0.5}, BASE | {"solver": "adam", "learning_rate_init": 0.5}),
    (stack(dropout=0.1), SGD, "orthogonal", {"clip_norm": 1.0}, BASE | {
        "dropout": 0.1, "solver": "sgd", "learning_rate_init": 0.1, "momentum": 0.8, "nesterovs_momentum": True,
        "init": "orthogonal", "clip_norm": 1.0}),
    (stack(norm="batch"), {"name": "rmsprop", "learning_rate": 0.01}, None, {}, BASE | {"norm": "batch"}),
    (stack(), ADAM, None, {"clip_value": 1.0}, None), (stack(1), ADAM, None, {}, None),
    (Network(8, [Dense(8, "tanh"), Dense(8, "relu"), Dense(1)]), ADAM, None, {}, None),
    (Network(8, [Dense(8, "tanh"), Dense(8, "tanh", skip_from=1), Dense(1)]), ADAM, None, {}, None),
    (Network(8, [Dense(8, "tanh"), Dense(8, skip_from=1)]), ADAM, None, {}, None),
])  # fmt: skip
def test_a_remedy_in_the_words_of_an_estimator(net, optimizer, scheme, recipe, expected):
    assert estimator_arguments(net, optimizer, scheme, recipe) == expected


def test_the_best_remedy_that_fits_is_said():
    found = diagnose(depth=8, width=8, activation="sigmoid", seeds=1)
    fits = [one for one in found.remedies if one.net.layers[0].skip_from is None and "clip_value" not in one.recipe]
    scheme = fits[0].scheme if fits[0].scheme is not None else "xavier_uniform"
    assert found.estimator_parameters() == estimator_arguments(
        fits[0].net, {"name": "adam", "learning_rate": 0.001}, scheme, fits[0].recipe
    )
    with raises_naming(ProblemError, "remedy", "tried"):
        diagnose(depth=2, width=2, seeds=1, remedies=False).fixed_problem()


@pytest.mark.parametrize(("loss", "activation", "outputs", "holds"), [
    ("cross_entropy", "softmax", 3, lambda y: (y.sum(axis=1) == 1).all() and set(y.ravel()) == {0, 1}),
    ("cross_entropy", "softmax", 1, lambda y: (y == 1).all()),
    ("binary_cross_entropy", "sigmoid", 2, lambda y: set(y.ravel()) == {0, 1}),
    ("poisson", "exp", 2, lambda y: (y == np.round(y)).all() and y.min() == 0 and y.max() > 1),
    ("squared_error", "identity", 2, lambda y: abs(y - 100).max() < 6 and 0.8 < y.std() < 1.2),
])  # fmt: skip
def test_targets_at_random_are_of_the_loss_s_kind(loss, activation, outputs, holds):
    net = Network(2, [Dense(outputs, activation)], loss=loss)
    y = noise_targets(net, np.full((400, outputs), 100.0), 0)
    assert y.shape == (400, outputs)
    assert holds(y)
    assert not np.array_equal(y, noise_targets(net, np.full((400, outputs), 100.0), 1)) or (y == 1).all()


def test_targets_stay_finite_where_the_outputs_do_not():
    y = noise_targets(Network(1, [Dense(1)]), np.array([[np.inf], [np.nan]]), 0)
    assert np.isfinite(y).all()


@pytest.mark.parametrize(
    ("norm", "batch", "rows"), [(None, None, 64), ("batch", None, 128), ("layer", None, 64), ("batch", 5, 5)]
)
def test_how_many_rows_are_drawn(norm, batch, rows):
    X = normal_inputs(Network(3, [Dense(3, norm=norm)]), 0, batch)
    assert X.shape == (rows, 3)
    assert not np.array_equal(X, normal_inputs(Network(3, [Dense(3, norm=norm)]), 1, batch))


def test_of_many_rows_the_first_512_are_measured():
    rows = np.random.default_rng(0).standard_normal((600, 2))
    problem = {"inputs": 2, "layers": [{"units": 2, "activation": "tanh"}, {"units": 1}], "x": rows.tolist(),
               "y": [[0.0]] * 600}  # fmt: skip
    found = diagnose(read_problem(problem), remedies=False)
    np.testing.assert_array_equal(found.subject.inputs(0), rows[:512])
    np.testing.assert_array_equal(replace(found.subject, batch=7).inputs(0), rows[:7])
    with raises_naming(ProblemError, "batch", "601", "600", "rows"):
        diagnose(read_problem(problem), batch=601)
    assert diagnose(read_problem(problem), batch=600, remedies=False).subject.batch == 600


def test_a_network_of_softmax_alone_has_no_flow():
    net = Network(3, [Dense(2, "softmax")], loss="cross_entropy")
    with raises_naming(ProblemError, "layer", "softmax", "flow", "through it"):
        diagnose(Problem(net, net.init(seed=0)))


def test_remedies_of_the_training_are_said_as_they_are_done():
    subject = from_sizes(2, 3)
    assert recipes(subject) == [
        ("clip_norm 1", {"clip_norm": 1.0}), ("clip_value 0.1", {"clip_value": 0.1}),
        ("learning rate × 10 = 0.01", {"learning_rate": 0.01}),
        ("learning rate × 0.1 = 0.0001", {"learning_rate": 1e-4}),
        ("learning rate × 0.01 = 1e-05", {"learning_rate": 1e-5}),
    ]  # fmt: skip


@pytest.mark.parametrize(("L", "layer"), [(1, 1), (2, 1), (3, 2), (6, 3), (7, 4)])
def test_the_theory_is_of_the_layer_in_the_middle(L, layer):
    net = Network(4, [Dense(4, "tanh", skip_from=l, skip_scale=0.1 * l) for l in range(L)])
    l, one = typical(net, gaussian_scales(net, 1.5, 0.5), 9)
    assert (l, one.skip, one.sigma_w2, one.sigma_b2, one.batch) == (layer, 0.1 * (layer - 1), 2.25, 0.25, 9)


@pytest.mark.parametrize(("told", "says"), [
    ({"init": "lsuv"}, ("init", "lsuv", "scaled", "data")),
    ({"init": {"scheme": "lsuv"}}, ("init", "lsuv", "scaled", "data")),
    ({"init": ""}, ("init scheme", "''")), ({"init": {"gain": 2.0}}, ("init scheme",)),
    ({"init": 5}, ("init scheme",)),
    ({"depth": 10_001}, ("depth", "whole number", "1", "10000")),
    ({"depth": 2.0}, ("depth", "whole number")), ({"skip": math.inf}, ("skip",)),
    ({"init": "he_normal", "sigma_b": 0.1}, ("give one of them",)), ({"sigma_b": -1.0}, ("sigma_b",)),
])  # fmt: skip
def test_sizes_that_make_no_network(told, says):
    with raises_naming(ProblemError, *says):
        from_sizes(**{"depth": 2, "width": 2, **told})


def test_sizes_make_equal_layers():
    subject = from_sizes(3, 5, "elu", norm="layer", skip=0.5, dropout=0.2, sigma_b=0.25)
    assert subject.net == Network(
        5, [Dense(5, "elu", norm="layer", dropout=0.2, skip_from=l, skip_scale=0.5) for l in range(3)]
    )
    assert subject.scheme == {"scheme": "gaussian", "sigma_b": 0.25}
    assert subject.name == "3 layers of 5 elu"
    assert from_sizes(10_000, 1).scheme == "xavier_uniform"


@pytest.mark.parametrize("skip_from", [0, 2, 5])
def test_a_shallower_network_keeps_the_skip_of_its_output(skip_from):
    """From a layer that is left as it is, else from as far below; every depth that is offered can be run."""
    layers = [Dense(4, "relu", skip_from=l) for l in range(5)]
    net = Network(4, [*layers, Dense(4, skip_from=skip_from)])
    less = {other.L: other for _, other, _ in shallower(net, FAR)}
    assert set(less) == {3}
    assert less[3].layers[-1].skip_from == (skip_from if skip_from < 3 else 2)
    assert less[3].layers[:2] == net.layers[:2]


def test_a_skip_that_would_leave_the_network_is_no_remedy():
    net = Network(
        3, [*(Dense(n, "relu") for n in (4, 4, 4, 5, 4)), Dense(5, skip_from=4)]
    )  # layer 1 has 4 units, not 5
    assert list(shallower(net, FAR)) == []


def test_diagnose_of_relu_with_skips_at_every_layer():
    assert diagnose(depth=12, width=8, activation="relu", skip=1.0, seeds=1).remedies
