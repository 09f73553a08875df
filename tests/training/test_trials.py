"""Short trainings of remedies: reproducible, fair, and what they rank first trains best anew."""

import importlib.util
import math
import sys
from pathlib import Path

import numpy as np
import pytest
from numpy.testing import assert_allclose

from backlit.core import Dense, Network
from backlit.diagnosis import diagnose
from backlit.diagnosis.subject import Subject
from backlit.training.trials import constant_loss, data_of, made_up_targets, train_one, try_training

SCRIPT = Path(__file__).resolve().parents[2] / "scripts" / "diagnose_ranking.py"
SPEC = importlib.util.spec_from_file_location("diagnose_ranking", SCRIPT)
ranking = importlib.util.module_from_spec(SPEC)
sys.modules[SPEC.name] = ranking  # where dataclasses look for their module
SPEC.loader.exec_module(ranking)


@pytest.mark.parametrize("seed", [1, 4])
def test_the_first_remedy_trains_best_anew(seed):
    found = ranking.judge(ranking.sick_network(seed), epochs=8)
    assert found["best"] > 0.2
    assert found["trained"] >= ranking.NEAR * found["best"]


def test_training_is_reproducible_and_ranks():
    sick = diagnose(depth=8, width=12, activation="sigmoid", seeds=1)
    first, second = try_training(sick, 2, seeds=1), try_training(sick, 2, seeds=1)
    assert [r.trial for r in first.remedies] == [r.trial for r in second.remedies]
    lefts = [remedy.trial.left for remedy in first.remedies]
    assert lefts == sorted(lefts)
    assert first.trial is not None
    assert sick.trial is None


def test_what_diverges_comes_last():
    net = Network(4, [Dense(16, "relu")] * 12 + [Dense(1)])
    subject = Subject(net, "", {"scheme": "gaussian", "sigma_w": 200.0})
    trial = train_one(subject, None, data_of(subject), 2, [0])
    assert trial.left == math.inf or trial.left > 1e6


@pytest.mark.parametrize(("output", "loss"), [
    ("identity", "half_squared_error"), ("sigmoid", "half_squared_error"), ("sigmoid", "binary_cross_entropy"),
    ("softmax", "cross_entropy"), ("exp", "poisson"), ("tanh", "absolute_error"),
])  # fmt: skip
def test_made_up_targets_are_of_the_loss_s_kind(output, loss):
    net = Network(5, [Dense(6, "tanh"), Dense(3, output)], loss=loss)
    X = np.random.default_rng(0).standard_normal((64, 5))
    y = made_up_targets(net, X)
    low, high = net.layers[-1].activation.range
    assert ((y >= low) & (y <= high)).all()
    assert y.std() > 0
    data = data_of(Subject(net, "", "xavier_uniform"))
    assert 0 < constant_loss(net, data) < math.inf


def test_constant_loss_of_a_squared_error_is_half_the_variance():
    net = Network(2, [Dense(1)])
    subject = Subject(net, "", "zeros", None, np.zeros((4, 2)), np.array([[0.0], [0.0], [2.0], [2.0]]))
    assert_allclose(constant_loss(net, data_of(subject)), 0.5)
