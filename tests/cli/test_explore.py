"""`backlit explore` writes a page, or says in one line why it cannot; a trained model opens as it predicts."""

import json
import re
from dataclasses import replace
from pathlib import Path

import numpy as np
import polars as pl
import pytest
from tests.commands import run_command
from tests.helpers import raises_naming

import backlit
from backlit import Problem
from backlit.core import ACTIVATIONS, Activation, Dense, Network, forward, register_activation
from backlit.derivation.examples import read_example
from backlit.errors import ProblemError
from backlit.formats.ensembles import Ensemble, load_ensemble
from backlit.formats.models import load_model
from backlit.formats.sources import in_float64, table_problem
from backlit.optim import OPTIMIZERS, Sgd


def opened(path):
    """What a page was given."""
    found = re.search(
        r'<script type="application/json" id="backlit-problem">(.*?)</script>', path.read_text("utf-8"), re.S
    )
    assert found is not None
    return json.loads(found[1])


def test_an_example_becomes_a_page(capsys, tmp_path):
    page = tmp_path / "page.html"
    code, out, err = run_command(capsys, "explore", "--example", "residual", "-o", page)
    assert (code, err) == (0, "")
    assert out == f"{page}: open it in a browser; it needs no network and no server.\n"
    given = opened(page)
    assert given["name"] == "residual"
    assert backlit.read_problem(given["problem"]).net.n == (2, 2, 2, 1)
    assert {preset["name"] for preset in given["presets"]} >= {"worked", "mazur", "XOR", "spiral", "sine", "dying ReLU"}


def test_a_problem_file_opens_with_its_drawn_numbers(capsys, tmp_path):
    source, page = tmp_path / "mine.yaml", tmp_path / "page.html"
    source.write_text("inputs: 1\nlayers: [{units: 3, activation: tanh}, {units: 1}]\nx: [[1]]\ny: [[</script>]]\n")
    code, _, err = run_command(capsys, "explore", source, "-o", page)
    assert code == 2
    assert err.count("\n") == 1
    source.write_text("inputs: 1\nlayers: [{units: 3, activation: tanh}, {units: 1}]\nx: [[1]]\ny: [[2]]\n")
    assert run_command(capsys, "explore", source, "-o", page)[0] == 0
    assert opened(page)["name"] == "mine"
    drawn = backlit.read_problem(source).params.W[1]
    np.testing.assert_array_equal(opened(page)["problem"]["layers"][0]["W"], drawn)


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["--example", "wroked"], "did you mean worked?"),
        (["missing.json"], "no such file"),
        (["--model", "m.safetensors"], "table"),
        (["--example", "worked", "-o", "page.pdf"], "a page is written as .html"),
    ],
)
def test_what_cannot_be_opened_is_one_line(capsys, tmp_path, monkeypatch, arguments, said):
    monkeypatch.chdir(tmp_path)
    code, out, err = run_command(capsys, "explore", *arguments)
    assert (code, out) == (2, "")
    assert said in err
    assert err.count("\n") == 1
    assert list(tmp_path.iterdir()) == []


def test_a_problem_without_examples_or_with_records_of_ones_own_is_refused():
    with pytest.raises(ProblemError, match="no examples"):
        backlit.explore({"inputs": 1, "layers": [{"units": 1}]})
    register_activation(Activation("steep", lambda u: 3 * u, lambda u: 3 + 0 * u))
    try:
        own = {"inputs": 1, "layers": [{"units": 1, "activation": "steep"}], "x": [[1.0]], "y": [[1.0]]}
        with raises_naming(ProblemError, "activation", "steep", "relu", "explain"):
            backlit.explore(own)
    finally:
        del ACTIVATIONS["steep"]
    net = Network(1, [Dense(1, replace(ACTIVATIONS["tanh"], function=np.sinh))])
    with raises_naming(ProblemError, "activation", "tanh", "explain"):  # by name alone the page would take its own
        backlit.explore(Problem(net, net.init(), [[1.0]], [[1.0]]))


def test_a_file_in_a_folder_is_not_in_the_page_and_not_called_ones_own(monkeypatch):
    class Lion(Sgd):
        name = "lion"

    monkeypatch.setitem(OPTIMIZERS.built_in, "lion", Lion)
    net = Network(1, [Dense(1)])
    with raises_naming(ProblemError, "optimizer", "lion", *OPTIMIZERS.shipped, "explain") as told:
        backlit.explore(Problem(net, net.init(), [[1.0]], [[1.0]], optimizer=Lion()))
    assert "your own" not in str(told.value)


def test_a_seed_that_javascript_cannot_hold_is_refused():
    with pytest.raises(ProblemError, match="above 2\\^53"):
        backlit.explore({"inputs": 1, "layers": [{"units": 1}], "x": [[1.0]], "y": [[1.0]], "seed": 2**60})


def test_a_trained_model_opens_as_it_predicts(tmp_path):
    rng = np.random.default_rng(0)
    x = rng.standard_normal((80, 2))
    frame = pl.DataFrame({"a": x[:, 0], "b": x[:, 1], "target": x[:, 0] * 2 - x[:, 1]})
    table, file = tmp_path / "table.csv", tmp_path / "m.safetensors"
    frame.write_csv(table)
    backlit.train(table, target="target", hidden=(4,), norm="batch", dropout=0.2, epochs=3, out=file)
    page = backlit.explore(model=file, table=table)
    model, problem = load_model(file), page.problem
    assert [layer.norm for layer in problem.net.layers] == [None, None]
    assert not any(layer.dropout for layer in problem.net.layers)
    rows = table_problem(file, table)
    predicted = forward(model.net, model.params.astype(np.float64), rows.X, statistics=in_float64(model)).a[-1]
    np.testing.assert_allclose(forward(problem.net, problem.params, problem.X).a[-1], predicted, rtol=1e-12)


def test_a_notebook_shows_a_frame_and_with_anywidget_a_widget():
    made = backlit.explore(example="worked")
    bundle = made._repr_mimebundle_()
    assert bundle["text/html"].startswith("<iframe srcdoc=")
    assert "Exploration('worked'" in bundle["text/plain"]
    pytest.importorskip("anywidget", reason="anywidget is not installed")
    assert "application/vnd.jupyter.widget-view+json" in bundle
    widget = made.widget()
    assert widget.opened["name"] == "worked"


def test_the_docs_page_runs(tmp_path, monkeypatch):
    page = (Path(__file__).parent.parent.parent / "docs/about/explorer.md").read_text(encoding="utf-8")
    monkeypatch.chdir(tmp_path)
    for block in re.findall(r"```python\n(.*?)```", page, re.DOTALL):
        exec(block, {})
    assert opened(tmp_path / "residual.html")["name"] == "residual"


def test_an_ensemble_opens_its_heaviest_network_and_says_so(tmp_path, capsys):
    rng = np.random.default_rng(0)
    x = rng.standard_normal((60, 2))
    table, file = tmp_path / "table.csv", tmp_path / "m.safetensors"
    pl.DataFrame({"a": x[:, 0], "b": x[:, 1], "target": x[:, 0] * 2 - x[:, 1]}).write_csv(table)
    backlit.train(table, target="target", quality="fast", compare=False, out=file)
    whole = load_ensemble(file)
    made = backlit.explore(model=file, table=table)
    if isinstance(whole, Ensemble):
        assert made.name == f"m, the heaviest of {len(whole.members)} networks"
        assert backlit.explore(model=file, table=table, member=0).name == f"m, network 0 of {len(whole.members)}"
    code, _, err = run_command(capsys, "explore", "--member", 1, "-o", tmp_path / "page.html")
    assert (code, err.count("\n")) == (2, 1)


@pytest.mark.parametrize("given", [
    {"X": [[9, 9]], "y": [[0]]},
    {"X": [[9, 9]]},
    {"loss": "absolute_error"},
    {"example": "worked", "X": [[9, 9]], "y": [[0]], "loss": "absolute_error"},
])  # fmt: skip
@pytest.mark.parametrize("verb", [backlit.explore, backlit.explain])
def test_examples_and_a_loss_go_with_a_problem(verb, given):
    with pytest.raises(ProblemError, match="X, y and loss"):
        verb(**given)


def test_a_problem_opens_with_the_examples_and_the_loss_that_are_given():
    made = backlit.explore(read_example("worked"), X=[[9, 9]], y=[[0]], loss="absolute_error").problem
    assert (made.net.loss.name, made.X.tolist(), made.y.tolist()) == ("absolute_error", [[9, 9]], [[0]])
