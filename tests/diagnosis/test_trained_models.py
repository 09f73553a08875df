"""A trained model is diagnosed in the units of its training: its verdict does not hang on the unit of the target."""

import numpy as np
import polars as pl
import pytest
from numpy.testing import assert_allclose
from tests.diagnosis.test_findings import flow
from tests.helpers import raises_naming

from backlit import diagnose, explain, explore, train
from backlit.core import Dense, Network
from backlit.core.parameters import Statistics
from backlit.diagnosis.findings import evidence
from backlit.errors import ModelError, ProblemError
from backlit.formats.ensembles import save_ensemble
from backlit.formats.models import Model, save_model
from backlit.formats.sources import trained_deviation


def table(unit=1.0, rows=120):
    draw = np.random.default_rng(0)
    X = draw.standard_normal((rows, 3))
    y = 150 + 70 * (np.tanh(X[:, 0]) + X[:, 1] * X[:, 2] / 2) + draw.standard_normal(rows)
    return pl.DataFrame({"p": X[:, 0], "q": X[:, 1], "r": X[:, 2], "y": unit * y})


@pytest.fixture(scope="module")
def models():
    """The same training in two units of the target."""
    of_one_network = {"hidden": (12, 12), "epochs": 30, "compare": False}
    return {unit: train(table(unit), "y", **of_one_network).model for unit in (1.0, 1e4)}


@pytest.mark.parametrize("with_table", [False, True])
def test_the_verdict_is_the_same_in_any_unit_of_the_target(models, with_table):
    here, there = (
        diagnose(model=model, table=table(unit) if with_table else None, seeds=1) for unit, model in models.items()
    )
    for found in (here, there):
        assert found.verdict == "healthy"
        assert found.advice.startswith("Train it as it is: ")
        assert "target standardized" in found.subject.name
        assert [one.kind for one in found.findings] == ["healthy"]
    assert_allclose(there.measured.median(1), here.measured.median(1), rtol=1e-3)
    if with_table:
        assert_allclose(there.probe.left, here.probe.left, rtol=1e-2)
    else:
        assert here.probe is None  # made-up targets say nothing of what a trained network learns
        assert "constant prediction" not in here.advice


def test_the_units_are_those_of_the_training(models):
    """W[L] and b[L] as they were before `train` put the target's scale into them."""
    model, rows = models[1.0], table()
    found = diagnose(model=model, table=rows, remedies=False).subject
    scale = trained_deviation(model.training)
    assert_allclose(scale, rows["y"].std(), rtol=0.1)
    assert_allclose(found.params.W[-1] * scale, model.params.W[-1], rtol=1e-6)
    assert_allclose(found.params.b[-1] * scale + rows["y"].mean(), model.params.b[-1], rtol=1e-5)
    assert_allclose(found.y * scale + rows["y"].mean(), rows["y"].to_numpy()[:, None], rtol=1e-9)


@pytest.mark.parametrize("scores", [
    None, {"train": {"rmse": "a", "r2": 0.5}}, {"train": {"rmse": 0.0, "r2": 1.0}}, {"train": {"accuracy": 1.0}},
    {"train": {"rmse": 1.0, "r2": 1.5}}, {"train": {"rmse": 1.0, "r2": None}},
])  # fmt: skip
def test_notes_without_these_scores_say_no_deviation(scores):
    assert trained_deviation({"metrics": scores}) is None
    assert trained_deviation({}) is None


@pytest.fixture(scope="module")
def ensemble():
    return train(table(1e4), "y", quality="fast", compare=False).model


def test_members_are_in_the_units_of_their_training_too(ensemble):
    for k, member in enumerate(ensemble.members):
        for rows in (None, table(1e4)):
            found = diagnose(model=ensemble, member=k, table=rows, remedies=False)
            assert found.verdict == "healthy"
            top = found.subject.params.W[-1]
            assert_allclose(top * trained_deviation(ensemble.training), member.model.params.W[-1], rtol=1e-6)


def test_an_ensemble_says_once_which_member_it_is(ensemble, tmp_path, caplog):
    save_ensemble(ensemble, tmp_path / "e.safetensors")
    for verb in (lambda **of: diagnose(remedies=False, **of), explore):
        caplog.clear()
        verb(model=tmp_path / "e.safetensors", table=table(1e4))
        assert caplog.text.count("the heaviest") == 1


def test_a_table_that_does_not_go_with_a_model_names_its_file(tmp_path):
    net = Network(3, [Dense(1)])
    save_model(Model(net.init(), Statistics(net)), tmp_path / "own.safetensors")
    with pytest.raises(ModelError, match=r"^own\.safetensors does not say"):
        diagnose(model=tmp_path / "own.safetensors", table=table())


def test_a_last_layer_that_does_it_all_is_no_growth_per_layer():
    """‖δ‖² × 6000 below the output alone, and × 0.6 in each of the two steps below it."""
    found = {one.kind: one for one in evidence(flow([6000 * 0.36, 6000 * 0.6, 6000.0, 1.0]), "exploding")}
    assert "depth" not in found
    assert (found["output"].number, found["output"].layer) == (6000, 4)
    assert "6e+03" in found["output"].message
    assert found["output"].message.endswith("0.6 a layer")
    two = {one.kind for one in evidence(flow([6000.0, 1.0]), "exploding")}
    assert not two & {"depth", "output"}  # of two layers there is one step, which the first finding says
    even = {one.kind for one in evidence(flow([1e-6, 1e-4, 1e-2, 1.0]), "vanishing")}
    assert "depth" in even


def test_explain_takes_no_step_that_the_training_did_not(models):
    told = explain(model=models[1.0], table=table(), row=0).to_text()
    glance = told[told.index("At a glance") : told.index("Each layer")]
    assert "the cost C is" in glance
    assert "step" not in glance
    assert "no step of this network's training" in " ".join(told.split())
    problem = explain(model=models[1.0], table=table(), row=0).to_dict()
    assert set(problem["update"]) == {"W", "b", "loss"}


def test_the_page_of_a_model_takes_steps_that_suit_it(models):
    for unit, model in models.items():
        problem = explore(model=model, table=table(unit)).problem
        before = problem.passes()[1].loss
        after = explain(problem).to_dict()["update"]["loss"]
        assert after < 1.1 * before


@pytest.mark.parametrize("data", [{"X": np.ones((2, 3))}, {"y": np.ones(2)}, {"loss": "huber"}])
def test_data_without_a_problem_is_refused(data):
    with raises_naming(ProblemError, "X, y and loss", "problem"):
        diagnose(depth=3, width=4, seeds=1, remedies=False, **data)
