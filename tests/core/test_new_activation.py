"""What CONTRIBUTING.md adds, each in one file, does all that the built-in ones do."""

import json
import os
import pickle
import re
import subprocess
import sys
from dataclasses import replace
from fractions import Fraction
from importlib.util import find_spec

import numpy as np
import pytest
from tests.contributing import COMMANDS, FILES, ROOT, add, commands_with_the_guides, copy_of_the_house

from backlit import Dense, MLPRegressor, Network, Problem, check, cost, diagnose, explain, load_model, save_model
from backlit.cli import main
from backlit.cli.commands import app
from backlit.core import ACTIVATIONS, LOSSES, Activation, Statistics, forward, get_activation, get_loss
from backlit.core.initializers import INITIALIZERS
from backlit.engine import Data
from backlit.errors import BacklitError, ProblemError
from backlit.formats.models import Model
from backlit.formats.onnx import build
from backlit.optim import OPTIMIZERS, SCHEDULES, get_optimizer, get_schedule
from backlit.render.explanation import FORMATS
from backlit.training import Settings, fit

NAMES = ("squareplus", "log_cosh", "lion", "polynomial", "signed_he")
REGISTRIES = (ACTIVATIONS, LOSSES, OPTIMIZERS, SCHEDULES, INITIALIZERS)
TABLES = [table for one in REGISTRIES for table in (one, one.built_in, one.families, one.takes)]
TESTED = [  # in a copy of the house that has the guide's files: whatever runs over a table, floors, lists and help
    *("tests/core", "tests/optim", "tests/autodiff/test_functions.py", "tests/gradcheck/test_kinks.py"),
    *("tests/engine/test_names.py", "tests/engine/test_functions.py", "tests/engine/test_native.py"),
    *("tests/derivation/test_functions.py", "tests/derivation/test_rules.py", "tests/formats/test_onnx.py"),
    *("tests/formats/test_problem_files_page.py", "tests/formats/test_your_model_page.py"),
    *("tests/cli/test_help.py", "tests/test_architecture.py", "tests/test_layering.py"),
]


@pytest.fixture(autouse=True)
def tables_are_left_as_they_were():
    """And are without the guide's names at first, so that these tests run where its files lie in their folders."""
    before = [dict(table) for table in TABLES]
    for table in TABLES:
        for name in NAMES:
            table.pop(name, None)
    yield
    for table, content in zip(TABLES, before, strict=True):
        table.clear()
        table.update(content)


@pytest.fixture
def added():
    return add("squareplus", "log_cosh", "lion", "signed_he")


@pytest.fixture
def problem(added, rng):
    net = Network(3, [Dense(4, "squareplus"), Dense(2, {"name": "squareplus", "b": 1})], loss="log_cosh")
    X, y = rng.standard_normal((5, 3)).round(2), rng.standard_normal((5, 2)).round(2)
    return Problem(net, net.init(seed=0), X, y, optimizer=get_optimizer("lion"))


def test_every_example_is_a_file():
    assert [path.rsplit("/", 1)[1] for path in FILES] == [f"{name}.py" for name in (*NAMES, "activations")]


def test_the_schedule_is_bound_and_followed(rng):
    add("polynomial")
    assert get_schedule({"name": "polynomial", "T_max": 4, "power": 2}).factor([0, 2, 9]).tolist() == [1, 0.25, 0]
    net, X = Network(3, [Dense(1)]), rng.standard_normal((8, 3))
    settings = Settings(epochs=4, patience=None, schedule="polynomial", optimizer={"name": "sgd", "learning_rate": 0.1})
    rates = fit(net, net.init(), Data(X, X[:, :1]), settings).history.column("learning_rate")
    np.testing.assert_allclose(rates, 0.1 * (1 - np.arange(4) / 4) ** 0.9)
    with pytest.raises(ProblemError, match="schedule polynomial: power must be a finite number"):
        get_schedule({"name": "polynomial", "power": -1})


def test_the_initializer_draws_and_is_predicted(added):
    W = Network(50, [Dense(40, "relu"), Dense(1)]).init("signed_he", seed=1).W[1]
    np.testing.assert_allclose(np.abs(W), 0.2)
    assert 0.4 < (W > 0).mean() < 0.6
    found = diagnose(depth=6, width=32, activation="relu", init="signed_he", seeds=1, remedies=False)
    assert found.to_dict()["predicted"]["chi_1"] == pytest.approx(1.0, rel=0.1)  # He's variance keeps δ's length


@pytest.mark.slow
def test_by_the_guides_files_alone_all_tests_pass(tmp_path):
    """They lie where the guide puts them, and nothing else is changed."""
    copy = tmp_path / "copy"
    environment = {**os.environ, **copy_of_the_house(copy)}
    arguments = ["-q", "-rA", "-p", "no:cacheprovider", "-m", "not slow and not interop"]
    command = [sys.executable, "-S", "-m", "pytest", *arguments, *TESTED]
    ran = subprocess.run(command, cwd=copy, env=environment, capture_output=True, text=True)
    assert ran.returncode == 0, ran.stdout[-5000:] + ran.stderr[-2000:]
    passed = [line for line in ran.stdout.splitlines() if line.startswith("PASSED")]
    for name in (*NAMES, "activations"):
        assert any(re.search(rf"[\[.-]{name}[\].-]", line) for line in passed), f"no test ran for {name}"


@pytest.mark.skipif(find_spec("ruff") is None, reason="ruff is not installed: make .venv/linted")
@pytest.mark.parametrize("path", [*FILES, COMMANDS])
@pytest.mark.parametrize("how", [["check"], ["format", "--check"]], ids=" ".join)
def test_lint_has_nothing_to_say(path, how):
    code = commands_with_the_guides() if path == COMMANDS else FILES[path]
    command = [sys.executable, "-m", "ruff", *how, "--stdin-filename", path, "-"]
    ran = subprocess.run(command, cwd=ROOT, input=code, capture_output=True, text=True)
    assert ran.returncode == 0, ran.stdout + ran.stderr


def test_names_parameters_and_pickles(added):
    phi = get_activation({"name": "squareplus", "b": 2})
    assert phi is added["squareplus"](2.0)
    assert get_activation("squareplus") is added["squareplus"]()
    assert pickle.loads(pickle.dumps(phi)) is phi
    assert get_activation(json.loads(json.dumps(phi.spec))) is phi
    assert pickle.loads(pickle.dumps(added["LOG_COSH"])) is get_loss("log_cosh")
    with pytest.raises(ProblemError, match="activation squareplus: b must be > 0"):
        get_activation({"name": "squareplus", "b": -1})
    with pytest.raises(ProblemError, match="activation squareplus has no parameter 'c'"):
        get_activation({"name": "squareplus", "c": 1})


def test_it_may_be_registered_again(added):
    again = add("squareplus")["squareplus"]
    assert get_activation("squareplus") is again() is not added["squareplus"]()


@pytest.mark.filterwarnings("ignore:Stochastic Optimizer")  # 200 epochs are enough for what is asked here
def test_it_trains(added, rng):
    X = rng.standard_normal((80, 3))
    y = X[:, 0] ** 2 + X[:, 1]
    model = MLPRegressor(
        hidden_layer_sizes=(16,), activation="squareplus", max_iter=200, tol=0, n_iter_no_change=200, random_state=0,
        learning_rate_init=0.01,
    )  # fmt: skip
    model.fit(X, y)
    assert model.score(X, y) > 0.9


def test_it_explains(problem):
    explained = explain(problem, steps=2)
    text = explained.to_text()
    assert "activation of your own" not in text
    assert "√" in text
    assert all(check.ok for step in explained.derivation.steps() for check in step.checks)
    for format in FORMATS:
        if format != "pdf":
            assert explained.render(format)
    assert r"\sqrt" in explained.to_latex()
    lines = [line.id for line in explained.derivation.step("update_W[1]@2").entries]
    assert {"update_W[1][0,0]@2.c", "update_W[1][0,0]@2.m", "update_W[1][0,0]@2.step"} <= set(lines)


def test_it_is_exact_where_its_root_is(added):
    net = Network(1, [Dense(1, "squareplus")])
    problem = Problem(net, net.init("zeros"), X=[[1.0]], y=[[0.0]])
    problem.params.W[1][:] = 1.5  # √(2.25 + 4) = 2.5
    made = explain(problem, fractions=True).derivation
    assert made.step("a[1]").value[0, 0] == Fraction(2)
    assert made.step("grad_W[1]").value[0, 0] == Fraction(8, 5)  # (2 − 0) · (1 + 1.5/2.5)/2
    problem.params.W[1][:] = 1.0
    assert not isinstance(explain(problem, fractions=True).derivation.step("a[1]").value[0, 0], Fraction)


def test_it_checks(problem):
    grad = problem.passes()[1]
    right = check(problem, {"grad_W": grad.W, "grad_b": grad.b, "loss": float(grad.loss)})
    assert right.verdict == "pass"
    assert {"tape", "complex_step", "central_differences"} <= set(right.oracles.errors)
    net = problem.net
    wrong_delta = grad.a[1]  # φ' left out
    wrong = check(problem, {"grad_W": [None, wrong_delta.T @ problem.passes()[0].a[0] / 5, grad.W[2]]})
    assert wrong.diagnoses[0].name == "activation_slope_missing"
    assert net.layer(1).activation.derivative_of_output is not None


def test_it_is_diagnosed_and_costed(added):
    diagnosis = diagnose(depth=8, width=24, activation="squareplus", seeds=1, remedies=False)
    assert diagnosis.verdict
    assert cost(sizes=[4, 8, 2], activation="squareplus").to_dict()["forward"]["total_flops"] > 0


def test_it_is_saved_and_loaded(problem, tmp_path):
    path = tmp_path / "m.safetensors"
    save_model(Model(problem.params, Statistics(problem.net)), path)
    again = load_model(path)
    assert again.net == problem.net
    np.testing.assert_array_equal(again.params.theta, problem.params.theta)
    for table in TABLES:
        table.pop("squareplus", None)
    with pytest.raises(BacklitError, match="unknown activation 'squareplus'"):
        load_model(path)


def test_it_is_exported(problem):
    pytest.importorskip("onnx")
    onnxruntime = pytest.importorskip("onnxruntime")
    content = build(Model(problem.params, Statistics(problem.net))).SerializeToString()
    X = np.asarray(problem.X)
    session = onnxruntime.InferenceSession(content, providers=["CPUExecutionProvider"])
    (theirs, *_) = session.run(["outputs"], {"X": X.astype(problem.params.theta.dtype)})
    ours = forward(problem.net, problem.params, X).a[-1]
    np.testing.assert_allclose(theirs, ours, rtol=1e-5, atol=1e-6)


def test_a_problem_file_may_name_it(added, tmp_path):
    path = tmp_path / "p.json"
    layer = {"units": 1, "activation": {"name": "squareplus", "b": 1}, "W": [[0.5]]}
    path.write_text(json.dumps({"inputs": 1, "layers": [layer], "x": [[1]], "y": [[1]], "loss": "log_cosh"}))
    assert main(["check", str(path)]) in (0, 2)
    assert main(["explain", str(path)]) == 0


def test_what_a_record_leaves_out_falls_back(rng):
    """Function and derivative alone: numbers without formulas, and one sentence where ONNX is asked for."""
    bare = ACTIVATIONS.register(Activation("arctan", np.arctan, lambda u: 1 / (1 + u * u)))
    net = Network(2, [Dense(3, "arctan"), Dense(1)])
    problem = Problem(net, net.init(seed=0), rng.standard_normal((4, 2)), rng.standard_normal((4, 1)))
    assert net.layer(1).activation is bare
    assert "arctan, in layer 1, is an activation of your own" in explain(problem, fractions=True).to_text()
    assert check(problem, {"grad_W": problem.passes()[1].W}).verdict == "pass"
    assert diagnose(problem, seeds=1, remedies=False).verdict
    with pytest.raises(BacklitError, match="arctan is not one of Backlit's, and ONNX has no operator for it") as caught:
        build(Model(problem.params, Statistics(net)))
    assert "\n" not in str(caught.value)


def test_an_optimizer_without_formulas_is_explained_by_its_numbers(problem):
    class Quiet(type(problem.optimizer)):
        name = "quiet"

        def formulas(self, o, f):
            return iter(())

    made = explain(replace(problem, optimizer=Quiet()), steps=2).derivation
    shown = made.step("update_W[1]@2")
    assert shown.equation == ""
    assert shown.value.shape == (4, 3)
    assert len(shown.entries) == 6


def test_the_regressor_takes_the_loss(added, rng):
    X = rng.standard_normal((60, 2))
    options = {"hidden_layer_sizes": (8,), "max_iter": 5, "tol": 0, "random_state": 0, "n_iter_no_change": 50}
    with pytest.warns(match="Stochastic Optimizer"):
        model = MLPRegressor(loss="log_cosh", optimizer="lion", **options).fit(X, X[:, 0])
    assert model.predict(X).shape == (60,)


def test_a_formula_that_onnx_cannot_say_is_refused_in_one_sentence():
    pytest.importorskip("onnx")
    ACTIVATIONS.register(Activation("odd", np.sin, np.cos, formula=lambda u, f: f.holds(u, ">", 0)))
    net = Network(2, [Dense(1, "odd")])
    with pytest.raises(BacklitError, match="activation odd is made of holds, and ONNX has no operator for that"):
        build(Model(net.init(), Statistics(net)))


def test_the_command_runs(capsys, monkeypatch):
    monkeypatch.setattr(app, "registered_commands", [*app.registered_commands])
    app.command("activations")(add("activations")["command"])
    assert main(["activations"]) == 0
    assert "leaky_relu(alpha=0.01)  Maas" in capsys.readouterr().out
    assert main(["activations", "--format", "json"]) == 0
    assert {"name": "leaky_relu", "alpha": 0.01} in json.loads(capsys.readouterr().out)["activations"]
