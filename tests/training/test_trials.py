"""Short trainings of remedies: reproducible, fair, and what they rank first trains best anew."""

import json
import logging
import math
from dataclasses import replace

import numpy as np
import pytest
from numpy.testing import assert_allclose
from tests.helpers import quick_first
from tests.scripts import load_script

from backlit.core import Dense, Network
from backlit.core.problem import Problem
from backlit.diagnosis import diagnose
from backlit.diagnosis.inputs import Subject
from backlit.diagnosis.short_training import (
    PLANS,
    constant_loss,
    data_of,
    made_up_targets,
    plan_of,
    probe_remedies,
    train_one,
    try_training,
)

ranking = load_script("diagnose_ranking")


@pytest.mark.parametrize("seed", quick_first([4, 1]))
def test_the_first_remedy_trains_best_anew(seed):
    found = ranking.judge(ranking.sick_network(seed), epochs=8, long=9)
    assert found["best"][0] > 0.2
    for way in ("trained", "probe"):
        assert ranking.right(found, way, 0)


def test_the_script_goes_on_where_it_was_cut_off(tmp_path, monkeypatch, capsys, caplog):
    """A line that is whole is not judged again; one that is cut off is."""
    caplog.set_level(logging.WARNING, logger="backlit")  # and puts back at the end what the script makes of it
    whole = {way: [0.5, 0.9] for way in (*ranking.WAYS, "best")} | {"ratio": [0.4, 0.9]}
    path = tmp_path / "kept.jsonl"
    path.write_text(json.dumps({"seed": 0} | whole) + '\n{"seed": 1, "tra')
    assert ranking.kept(path) == {0: whole}
    judged = []
    monkeypatch.setattr(ranking, "sick_network", lambda seed: seed)
    monkeypatch.setattr(ranking, "judge", lambda seed: judged.append(seed) or whole)
    monkeypatch.setattr("sys.argv", ["", "3", "--keep", str(path)])
    ranking.main()
    assert judged == [1, 2]
    assert set(ranking.kept(path)) == {0, 1, 2}
    assert "ranked by ratio: right in 0 of 3 after 15 epochs, 3 after 40" in capsys.readouterr().out
    ranking.main()
    assert judged == [1, 2]


@pytest.mark.interop
def test_pytorch_judges_as_backlit_s_own_trainings_do():
    """One network and one remedy, trained from the same start by both: the losses of full batches are the same."""
    pytest.importorskip("torch")
    problem = ranking.sick_network(1)
    found = diagnose(problem)
    data = data_of(found.subject)
    remedy = next(one for one in found.remedies if one.remedy == "batch norm" or one.remedy == "layer norm")
    by_torch = ranking.torch_losses(found.subject, remedy, data, 6, 101)
    ours = train_one(found.subject, remedy, data, 6, (101,)).losses
    assert_allclose(by_torch, ours, rtol=0.2)  # other batches
    for recipe in ({"clip_norm": 0.01}, {"clip_value": 1e-6}, {"learning_rate": 1e-9}):
        still = ranking.torch_losses(found.subject, replace(remedy, recipe=recipe), data, 3, 101)
        assert not np.allclose(still, by_torch[:3], rtol=1e-6)


def test_a_probe_is_reproducible_and_what_it_has_seen_longest_comes_first():
    sick = diagnose(depth=12, width=16, activation="sigmoid", seeds=1)
    first, second = probe_remedies(sick), probe_remedies(sick)
    probes = [remedy.probe for remedy in first.remedies]
    assert probes == [remedy.probe for remedy in second.remedies]
    plan = plan_of(sick.subject.net)
    assert plan == PLANS[0]
    seen = [probe for probe in probes if probe is not None]
    assert probes == seen + [None] * (len(probes) - plan.rounds[0][1])  # those without come last, by ratio
    assert [probe.steps for probe in seen] == [units * plan.unit for units in (15, 15, 15, 4, 4, 4, *[2] * 6)]
    for units, _ in plan.rounds:
        left = [probe.left for probe in seen if probe.steps == units * plan.unit]
        assert left == sorted(left)
    assert first.ranked_by == "probe loss"
    assert sick.ranked_by == "gradient ratio"
    assert {remedy.remedy for remedy in first.remedies} == {remedy.remedy for remedy in sick.remedies}


@pytest.mark.parametrize("rows", quick_first([1, 3, 40], 2))
def test_a_probe_of_few_rows_takes_as_many_steps(rows):
    X = np.random.default_rng(0).standard_normal((rows, 3))
    net = Network(3, [Dense(8, "sigmoid")] * 8 + [Dense(1)])
    weight = np.arange(rows) % 2 if rows > 1 else None
    problem = Problem(net, net.init(seed=0), X, X[:, :1], sample_weight=weight)
    assert probe_remedies(diagnose(problem)).probe.steps in range(120, 136)


def test_a_network_too_large_for_a_probe_is_ranked_by_ratio(monkeypatch):
    sick = diagnose(depth=8, width=8, activation="sigmoid", seeds=1)
    plans = []
    for work in (1e10, 3e7, 1.5e7, 5e6, 1e5):
        monkeypatch.setattr("backlit.diagnosis.short_training.WORK", work)
        plans.append(plan_of(sick.subject.net))
    assert plans == [*PLANS, None]
    assert probe_remedies(sick) is sick


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
