"""The first sentence: what to do, what it brings, the command; each number is the diagnosis's own."""

import json
import math
import shlex
from dataclasses import replace

import pytest

from backlit import api, diagnose
from backlit.cli import main
from backlit.diagnosis.remedies import Probe, Trial


@pytest.fixture(scope="module")
def sick():
    return diagnose(depth=12, width=16, activation="sigmoid", seeds=1, probe=False)


def ranked(sick, own, best, regime=None):
    """With these trainings of the network as it is and of its first remedy."""
    key = "trial" if isinstance(own, Trial) else "probe"
    first = replace(sick.remedies[0], **{key: best})
    return replace(sick, remedies=[first, *sick.remedies[1:]], regime=regime or sick.regime, **{key: own})


def test_by_steps_by_epochs_and_by_ratio(sick):
    name = sick.best.remedy
    probed = ranked(sick, Probe(64, 1.25), Probe(32, 0.5))
    assert probed.advice == (
        f"Do this: {name}; after 32 steps it leaves 0.5 of a constant prediction's loss, not 1.25: "
        "diagnosis.fixed_problem()."
    )
    trained = ranked(sick, Trial([1.0, 1.0, 1.0], math.inf), Trial([1.0, 0.5, 0.25], 0.125))
    assert trained.advice == (
        f"Do this: {name}; after 3 epochs it leaves 0.125 of a constant prediction's loss, "
        "where the network as it is diverges: diagnosis.fixed_problem()."
    )
    by_ratio = sick.advice
    assert by_ratio.startswith(f"Do this: {name}; ‖δ‖² at layer 1 becomes {sick.best.typical_ratio:.3g} times ")
    assert f"not {sick.measured.median(1):.3g}: " in by_ratio


def test_where_nothing_helps_nothing_is_promised(sick):
    none = ranked(sick, Probe(64, 1.0), Probe(64, 0.95))
    assert none.advice.startswith("Change more than one thing: none of the ")
    assert "Do this" not in none.advice
    little = ranked(sick, Probe(120, 2.01), Probe(120, 1.46)).advice
    assert little.startswith("Change more than one thing: none of the ")
    assert f"furthest comes {sick.best.remedy}: after 120 steps it leaves 1.46 of" in little
    assert "train=40" in little
    assert little.endswith("diagnosis.fixed_problem().")
    trained = replace(ranked(sick, Trial([2.0] * 5, 2.1), Trial([2.0] * 5, 1.26)), command="backlit diagnose p.json")
    assert "--train 20" in trained.advice
    assert trained.advice.endswith("backlit diagnose p.json --fix fixed.json.")
    assert ranked(sick, Probe(64, 42.0), Probe(64, 0.99), "healthy").advice.startswith("Change more than one thing: ")
    dead = replace(sick, remedies=[replace(sick.best, typical_ratio=0.0)])
    assert "lets the gradient through" in dead.advice
    alone = replace(sick, remedies=[])
    assert alone.advice == "Try remedies, for this network is vanishing: leave --no-remedies out."


def test_a_network_that_learns_and_that_nothing_helps_is_trained_as_it_is(sick):
    learns = ranked(sick, Probe(120, 0.3929), Probe(120, 0.3918))
    assert learns.advice.startswith("Train it as it is: ")
    assert "0.393 of a constant prediction's loss is left" in learns.advice
    assert f"none of the {len(sick.remedies)} remedies that were tried takes a tenth off that" in learns.advice


def test_a_healthy_network_is_trained_as_it_is_unless_something_learns_much_faster(sick):
    even = ranked(sick, Probe(64, 0.5), Probe(64, 0.3), "healthy")
    assert even.advice.startswith("Train it as it is: ")
    assert " or with " not in even.advice
    assert "0.5 of a constant prediction's loss is left" in even.advice
    faster = ranked(sick, Probe(64, 0.5), Probe(64, 0.2), "healthy")
    assert f"; or with {sick.best.remedy}: after 64 steps it leaves 0.2" in faster.advice
    lost = ranked(sick, Probe(64, 42.0), Probe(64, 0.7), "healthy")
    assert lost.advice.startswith(f"Do this: {sick.best.remedy}; after 64 steps it leaves 0.7 of a constant")
    assert ranked(sick, Probe(64, 42.0), Probe(64, 41.0), "healthy").advice.startswith("Train it as it is: ")
    assert diagnose(depth=1, width=3, remedies=False).advice == (
        "Train it as it is: its only layer has its gradient from the loss itself."
    )


@pytest.fixture
def diagnosed_once(monkeypatch):
    """The same sizes are diagnosed once, however the result is shown."""
    compute, known = api.diagnose, {}

    def once(problem, *, show, **options):
        asked = str((problem, sorted(options.items())))
        if asked not in known:
            known[asked] = compute(problem, show=show, **options)
        return known[asked]

    monkeypatch.setattr(api, "diagnose", once)


@pytest.mark.usefixtures("diagnosed_once", "few_draws", "unplotted")
def test_the_advice_comes_first_everywhere_and_its_command_does_what_it_says(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("COLUMNS", "400")
    call = ["diagnose", "--depth", "12", "--width", "16", "--activation", "sigmoid", "--seeds", "2"]
    assert main(call) == 0
    first, second, *_ = capsys.readouterr().out.splitlines()
    assert first.startswith("Do this: ")
    assert second == "12 layers of 16 sigmoid: vanishing"
    assert main([*call, "--format", "json"]) == 0
    told = json.loads(capsys.readouterr().out)
    assert next(iter(told)) == "advice"
    assert (told["advice"], told["regime"], told["verdict"]) == (first, "vanishing", "vanishing")
    assert main([*call, "--format", "html", "-o", "page.html"]) == 0
    page = (tmp_path / "page.html").read_text()
    assert page.index('class="advice"') < page.index('class="verdict')
    command = shlex.split(first.rpartition(": ")[2].rstrip("."))
    assert command == ["backlit", *call, "--fix", "fixed.json"]
    assert main(command[1:]) == 0
    capsys.readouterr()
    assert main(["diagnose", "fixed.json", "--no-remedies", "--format", "json"]) == 0
    assert json.loads(capsys.readouterr().out)["regime"] == "healthy"


def test_a_command_is_repeated_with_all_that_matters_and_nothing_else(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    call = ["diagnose", "--depth", "12", "--width", "8", "--activation", "relu", "--sigma-w", "0.25", "--no-probe"]
    assert main([*call, "--no-remedies", "--format", "json", "--fix-estimator", "a.json"]) == 2  # nothing was tried
    capsys.readouterr()
    assert main([*call, "--no-remedies", "--format", "json", "-o", "out.json"]) == 0
    told = json.loads((tmp_path / "out.json").read_text())["advice"]
    assert told.endswith(f"leave --no-remedies out: backlit {' '.join(call)}.")
