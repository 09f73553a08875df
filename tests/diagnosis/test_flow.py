"""Predicted against measured flow, and what `diagnose` says."""

import numpy as np
import pytest
from numpy.testing import assert_allclose
from tests.helpers import quick_first, raises_naming

from backlit.core import Dense, Network
from backlit.core.problem import Problem
from backlit.diagnosis import diagnose
from backlit.diagnosis.inputs import Subject
from backlit.diagnosis.measurement import average
from backlit.diagnosis.theory.predicted import predict_flow, scheme_scales
from backlit.errors import ProblemError
from backlit.formats.problems import read_problem

CASES = [
    ("tanh", {"scheme": "gaussian", "sigma_w": 1.5, "sigma_b": 0.2}, None, None),
    ("gelu", "he_uniform", "layer", None),
    ("silu", "lecun_normal", None, 0.5),
    ("relu", "he_normal", None, None),
    ("sigmoid", "orthogonal", None, None),
    ("relu", "he_normal", "batch", None),
]


@pytest.mark.parametrize(("phi", "init", "norm", "skip"), quick_first(CASES, 3))
def test_prediction_is_the_mean_over_seeds(phi, init, norm, skip):
    layers = [Dense(256, phi, norm=norm, skip_from=None if skip is None else l, skip_scale=skip or 1) for l in range(4)]
    net, seeds = Network(256, layers), 12
    subject = Subject(net, "", init)
    flows = [subject.flow(seed) for seed in range(seeds)]
    flow = average(flows)
    theory = predict_flow(net, scheme_scales(net, init))
    for l in range(1, 4):
        for measured, mean, predicted in (
            ([one.grad_ratio(l) for one in flows], flow.grad_ratio(l), theory.grad_ratio[l]),
            ([one.layers[l].q for one in flows], flow.layers[l].q, theory.q[l]),
        ):
            room = 4 * np.log(measured).std() / seeds**0.5 + 10 / 256  # four deviations of the mean, and O(1/n)
            assert abs(np.log(mean / predicted)) < room


def test_ratio_is_the_product_of_its_terms_exactly():
    diagnosis = diagnose(depth=6, width=20, activation="elu", norm="layer", skip=0.7, remedies=False)
    for l in range(1, 6):
        row = diagnosis.row(l)
        assert_allclose(row["weight_term"] * row["derivative_term"], row["grad_ratio_measured"], rtol=1e-13)
        flow = diagnosis.predicted
        assert_allclose(flow.weight_term[l] * flow.derivative_term[l], flow.grad_ratio[l], rtol=1e-13)


def test_glorot_with_unequal_widths_is_exact():
    net = Network(100, [Dense(300, "relu"), Dense(50, "relu"), Dense(10)])
    flow = predict_flow(net, scheme_scales(net, "xavier_normal"))
    assert_allclose(flow.grad_ratio[1:3], [2 / 350 * 300 / 2, 2 / 60 * 50 / 2])


SICK = [
    ({"activation": "sigmoid"}, "vanishing", "trap_sigmoid_stack"),
    ({"activation": "relu", "init": "he_normal", "norm": "batch"}, "exploding", "trap_batch_norm_depth"),
    ({"activation": "gelu", "init": "he_normal"}, "vanishing", "trap_he_gelu"),
    ({"activation": "relu", "sigma_w": 3**-0.5}, "vanishing", "trap_pytorch_default"),
    ({"activation": "selu", "init": "he_normal"}, "exploding", "trap_selu_init"),
    ({"activation": "tanh", "sigma_w": 5 / 3}, "exploding", "trap_tanh_gain"),
    ({"activation": "relu", "sigma_w": 2.0}, "exploding", "no_fixed_point"),
    ({"activation": "relu", "init": "he_normal"}, "healthy", "healthy"),
]


@pytest.mark.parametrize(("options", "verdict", "finding"), SICK, ids=[finding for _, _, finding in SICK])
def test_verdict_and_trap(options, verdict, finding):
    diagnosis = diagnose(depth=60, width=64, seeds=1, remedies=False, **options)
    assert diagnosis.verdict == verdict
    assert finding in [found.kind for found in diagnosis.findings]


def test_remedies_are_ranked_by_what_was_measured_and_the_best_is_written():
    draw = np.random.default_rng(0)
    problem = read_problem({
        "inputs": 16, "layers": [{"units": 16, "activation": "sigmoid"}] * 12 + [{"units": 1}],
        "x": draw.standard_normal((20, 16)).tolist(), "y": draw.standard_normal((20, 1)).tolist(),
    })  # fmt: skip
    sick = diagnose(problem)
    assert sick.verdict == "vanishing"
    distances = [remedy.distance for remedy in sick.remedies]
    assert distances == sorted(distances)
    fixed = read_problem(sick.fixed_problem())
    assert isinstance(fixed, Problem)
    assert_allclose(fixed.X, problem.X)
    assert diagnose(fixed, remedies=False).verdict == "healthy"


@pytest.mark.parametrize(("options", "says"), [
    ({}, ("give one of",)),
    ({"depth": 3}, ("depth", "width", "together")),
    ({"depth": 0, "width": 3}, ("depth",)),
    ({"depth": 3, "width": 0}, ("units", "at least 1")),
    ({"depth": 3, "width": 3, "sigma_w": float("nan")}, ("sigma_w", "finite number")),
    ({"depth": 3, "width": 3, "init": "he_normal", "sigma_w": 1.0}, ("give one of them",)),
    ({"depth": 3, "width": 3, "init": "hee"}, ("init scheme",)),
    ({"depth": 3, "width": 3, "activation": "softmax"}, ("softmax",)),
])  # fmt: skip
def test_bad_input_is_one_line(options, says):
    with raises_naming(ProblemError, *says):
        diagnose(**options)
