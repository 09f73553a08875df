"""Causes with a name: equal weights, an output without slope, data of another size; each beside what is not it."""

import math

import numpy as np
import pytest

from backlit import diagnose
from backlit.diagnosis.inputs import from_problem
from backlit.diagnosis.pitfalls import standardized, unscaled
from backlit.formats.problems import read_problem

RNG = np.random.default_rng(5)
X = RNG.standard_normal((32, 4))


def problem(layers, y, x=X, **more):
    return {"inputs": x.shape[1], "layers": layers, "x": x.tolist(), "y": np.asarray(y).tolist(), **more}


def equal(weight=0.3, **layer):
    """Three layers whose weights are all the same number, so that the units of a layer are one unit."""
    sizes = ((8, 4), (8, 8), (1, 8))
    phis = ("tanh", "tanh", "identity")
    layers = [{"units": n, "activation": phi, "W": np.full((n, k), weight).tolist(), "b": [0.0] * n, **layer}
              for (n, k), phi in zip(sizes, phis, strict=True)]  # fmt: skip
    return problem(layers, X[:, :1])


def dead_output(phi="relu", bias=-5.0):
    """A ReLU at the output whose bias keeps it below 0 on all examples."""
    W = [(RNG.standard_normal(shape) * size).tolist() for shape, size in (((8, 4), 0.7), ((1, 8), 0.1))]
    layers = [{"units": 8, "activation": "relu", "W": W[0], "b": [0.0] * 8},
              {"units": 1, "activation": phi, "W": W[1], "b": [bias]}]  # fmt: skip
    return problem(layers, np.abs(X[:, :1]))


def big_target(scale=3000.0):
    """A line through targets of some thousands, with steps that are right for targets of size 1."""
    x = np.linspace(-1.7, 1.7, 40)[:, None]
    layers = [{"units": 8, "activation": "relu"}, {"units": 1}]
    return problem(layers, scale * (1 + x), x, optimizer={"name": "sgd", "learning_rate": 0.1})


def kinds(diagnosis):
    return [finding.kind for finding in diagnosis.findings]


def test_equal_weights_are_named_and_what_keeps_them_equal_comes_last():
    found = diagnose(equal())
    assert (found.regime, found.verdict, kinds(found)[0]) == ("symmetric", "vanishing", "symmetric")
    keeps = [remedy.symmetric for remedy in found.remedies]
    assert keeps == sorted(keeps)
    assert {True, False} <= set(keeps)
    assert not found.best.symmetric
    fixed = diagnose(found.fixed_problem(), remedies=False)
    assert fixed.regime != "symmetric"
    W = read_problem(found.fixed_problem()).params.W[1]
    assert len(np.unique(W.round(12), axis=0)) == 8


def test_units_that_are_told_apart_by_anything_are_not_symmetric():
    one = equal()
    one["layers"][2]["W"][0][0] = 0.31  # which gives one unit of layer 2 another gradient
    assert diagnose(one, remedies=False).findings[0].message.startswith("the units of layer 1 have equal weights")
    one["layers"][1]["W"] = RNG.standard_normal((8, 8)).tolist()  # …and now those of layer 1
    assert diagnose(one, remedies=False).regime == "healthy"
    masked = equal(dropout=0.5)
    masked["layers"][2]["dropout"] = 0.0
    assert diagnose(masked, remedies=False).regime != "symmetric"


def test_an_output_without_slope_is_named_with_its_bias_and_another_output_is_tried():
    found = diagnose(dead_output())
    assert (found.regime, found.verdict) == ("dead", "vanishing")
    assert kinds(found)[:3] == ["dead_output", "dead", "bias"]
    names = [remedy.remedy for remedy in found.remedies]
    assert {"output identity", "output softplus", "output sigmoid"} <= set(names)
    assert "nan" not in " ".join(finding.message for finding in found.findings)
    assert math.isfinite(found.best.distance)
    assert found.best.probe.left < found.probe.left
    assert "output identity" not in [remedy.remedy for remedy in diagnose(dead_output("identity")).remedies]
    alive = diagnose(dead_output(bias=0.5), remedies=False)
    assert not {"dead_output", "bias"} & set(kinds(alive))


def test_targets_of_another_size_diverge_and_standardizing_them_comes_first():
    found = diagnose(big_target())
    assert (found.regime, found.verdict) == ("diverging", "exploding")
    assert {"diverging", "unscaled_y"} <= set(kinds(found))
    assert found.best.remedy == "standardize y"
    assert found.probe.left == math.inf
    assert found.best.probe.left < 0.2
    fixed = read_problem(found.fixed_problem())
    assert fixed.y.mean() == pytest.approx(0, abs=1e-12)
    assert fixed.y.std() == pytest.approx(1)
    again = diagnose(fixed)
    assert (again.regime, again.verdict) == ("healthy", "healthy")
    assert again.probe.left < 0.2


def test_the_same_by_training():
    found = diagnose(big_target(), train=4)
    assert (found.regime, found.best.remedy) == ("diverging", "standardize y")
    assert found.best.trial.left < 0.5


def test_what_is_unscaled_and_what_is_not():
    def names(given, outputs=1.0):
        return unscaled(from_problem(read_problem(given)), np.full((4, 1), outputs))

    layers = [{"units": 4, "activation": "tanh"}, {"units": 1}]
    assert names(problem(layers, X[:, :1])) == []
    assert names(problem(layers, 1e3 + X[:, :1])) == ["y"]
    assert names(problem(layers, 1e3 + X[:, :1]), outputs=900.0) == []  # a trained network
    assert names(problem(layers, X[:, :1], 50 + X)) == ["x"]
    normed = [{"units": 4, "activation": "tanh", "norm": "batch"}, {"units": 1}]
    assert names(problem(normed, X[:, :1], 50 + X)) == []
    bounded = [{"units": 4, "activation": "tanh"}, {"units": 1, "activation": "exp"}]
    assert names(problem(bounded, np.full((32, 1), 500.0), loss="poisson")) == []  # counts are not to be shifted


def test_standardizing_leaves_what_is_not_named():
    subject = from_problem(read_problem(big_target()))
    of_y = standardized(subject, ["y"])
    assert of_y.X is subject.X
    assert of_y.problem.y is of_y.y
    assert standardized(subject, ["x"]).X.std() == pytest.approx(1)


def test_a_target_that_only_diverges_by_its_step_is_told_to_step_shorter():
    """Scaled data and a learning rate of 1000: shorter steps come first, and nothing is called unscaled."""
    one = big_target(1.0) | {"optimizer": {"name": "sgd", "learning_rate": 1000.0}}
    found = diagnose(one)
    assert found.regime == "diverging"
    assert "unscaled_y" not in kinds(found)
    assert found.best.recipe
