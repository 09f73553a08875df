"""`backlit diagnose` as a person or a program meets it."""

import json
import re
from collections import defaultdict

import numpy as np
import pytest
from tests.helpers import assert_names

from backlit import api
from backlit.cli import main
from backlit.core import Dense, Network, backward, forward
from backlit.core.parameters import Statistics
from backlit.estimators import MLPRegressor
from backlit.formats.models import Model, load_model, save_model
from backlit.formats.problems import read_problem
from backlit.formats.sources import in_trained_units, table_problem
from backlit.render import diagnosis

SIZES = ["diagnose", "--depth", "12", "--width", "16", "--activation", "sigmoid", "--seeds", "2"]
LAYER = {"layer", "q_predicted", "q_measured", "grad_ratio_predicted", "grad_ratio_measured", "weight_term"}


def test_json_has_the_contract_s_names(capsys, tmp_path):
    assert main([*SIZES, "--format", "json", "--fix", str(tmp_path / "fixed.json")]) == 0
    result = json.loads(capsys.readouterr().out)
    assert set(result["predicted"]) >= {"q_star", "chi_1", "c_star", "xi_q", "xi_c", "xi_grad"}
    assert len(result["layers"]) == 12
    assert set(result["layers"][0]) >= LAYER | {"derivative_term", "dead_fraction", "saturated_fraction"}
    assert result["verdict"] == "vanishing"
    assert set(result["remedies"][0]) >= {"remedy", "predicted_ratio", "measured_ratio"}
    assert read_problem(tmp_path / "fixed.json").net.L == 12


def test_text_says_the_verdict(capsys):
    assert main([*SIZES, "--no-remedies"]) == 0
    assert "vanishing" in capsys.readouterr().out


@pytest.mark.parametrize("name", ["net[red].json", "a[/b].json"])
def test_a_file_s_name_is_no_markup(capsys, monkeypatch, problem, name):
    monkeypatch.chdir(problem.parent)
    monkeypatch.setenv("COLUMNS", "160")
    path = problem.parent / name
    path.parent.mkdir(exist_ok=True)
    problem.rename(path)
    assert main(["diagnose", name, "--seeds", "1", "--no-remedies"]) == 0
    assert capsys.readouterr().out.splitlines()[1] == f"{name}: vanishing"


def test_the_table_of_the_layers_fits_80_columns(capsys, monkeypatch):
    monkeypatch.setenv("COLUMNS", "80")
    assert (
        main(["diagnose", "--depth", "16", "--width", "8", "--sigma-w", "99", "--activation", "relu", "--seeds", "1"])
        == 0
    )
    shown = capsys.readouterr().out
    assert max(map(len, shown.splitlines())) <= 80
    assert "e+" in shown  # the longest numbers
    assert "…" not in shown.partition("\nJacobian")[0]  # none is cut


PROBLEM = {
    "inputs": 3, "layers": [{"units": 8, "activation": "sigmoid"}] * 8 + [{"units": 1}],
    "x": np.random.default_rng(0).standard_normal((24, 3)).tolist(), "y": [[k % 5 / 5] for k in range(24)],
    "optimizer": {"name": "sgd", "learning_rate": 0.05},
}  # fmt: skip


@pytest.fixture
def problem(tmp_path):
    path = tmp_path / "problem.json"
    path.write_text(json.dumps(PROBLEM))
    return path


def test_page_stands_alone(capsys, problem, tmp_path):
    page = tmp_path / "page.html"
    assert main(["diagnose", str(problem), "--train", "2", "--format", "html", "-o", str(page)]) == 0
    text = page.read_text()
    assert text.count("<svg") >= 4
    assert not re.search(r"(?:src|href)=\"(?!data:|#)", text)  # nothing is fetched; #… are parts of a drawing
    assert "Vanishing" in text
    assert "Loss left" in text
    assert capsys.readouterr().out == ""


def test_training_ranks_by_loss(capsys, problem):
    assert main(["diagnose", str(problem), "--train", "3", "--format", "json"]) == 0
    result = json.loads(capsys.readouterr().out)
    left = [remedy["training"]["loss_left"] for remedy in result["remedies"]]
    finite = [value for value in left if value is not None]
    assert left == sorted(finite) + [None] * (len(left) - len(finite))
    assert len(result["training"]["losses"]) == 3
    assert result["ranked_by"] == "training loss"
    assert {"spectrum", "findings"} <= set(result)
    assert all(layer["update_to_weight"] > 0 for layer in result["layers"])


@pytest.mark.parametrize(("options", "by", "columns"), [
    ([], "probe loss", 4), (["--no-probe"], "gradient ratio", 3), (["--train", "1"], "training loss", 4),
])  # fmt: skip
def test_what_ranks_is_said_and_shown(capsys, problem, tmp_path, monkeypatch, options, by, columns):
    """In the JSON, in the page's table, whose rows are as wide as its head, and in the text's heading."""
    monkeypatch.setenv("COLUMNS", "160")
    diagnose, made = api.diagnose, []

    def once(*given, **told):
        if not made:
            made.append(diagnose(*given, **told))
        return made[0]

    monkeypatch.setattr(api, "diagnose", once)  # what three formats show of one diagnosis
    monkeypatch.setattr(diagnosis, "figures", lambda diagnosis: defaultdict(str))
    call = ["diagnose", str(problem), "--seeds", "1", *options]
    assert main([*call, "--format", "json"]) == 0
    result = json.loads(capsys.readouterr().out)
    assert result["ranked_by"] == by
    assert (result["probe"] is not None) == (by == "probe loss")
    page = tmp_path / "page.html"
    assert main([*call, "--format", "html", "-o", str(page)]) == 0
    table = page.read_text().partition("Predicted ratio</th>")[2].partition("</table>")[0]
    assert table.partition("</thead>")[0].count("<th ") == columns - 2
    rows = table.partition("<tbody>")[2].split("</tr>")[:-1]
    assert {row.count("<td ") for row in rows} == {columns - 1}
    assert main(call) == 0
    shown = capsys.readouterr().out
    assert ("steps" in shown.partition("Remedies by")[2].partition("remedy ")[2].splitlines()[0]) == (
        by == "probe loss"
    )


def test_text_shows_the_trainings(capsys, problem, monkeypatch):
    monkeypatch.setenv("COLUMNS", "160")
    assert main(["diagnose", str(problem), "--train", "2"]) == 0
    shown = capsys.readouterr().out
    assert "as it is" in shown
    assert "━" in shown
    assert "singular values" in shown


def test_fix_estimator_writes_arguments_that_fit(problem, tmp_path, capsys):
    path = tmp_path / "arguments.json"
    assert main(["diagnose", str(problem), "--fix-estimator", str(path)]) == 0
    arguments = json.loads(path.read_text())
    estimator = MLPRegressor(**arguments, tol=1e9, n_iter_no_change=1, random_state=0)
    estimator.fit(np.array(PROBLEM["x"]), np.array(PROBLEM["y"]).ravel())
    widths = [layer.units for layer in estimator.network_.layers[:-1]]
    assert widths == arguments["hidden_layer_sizes"]
    assert arguments["solver"] == "sgd"


def test_a_trained_model_is_diagnosed(capsys, tmp_path):
    table, model = tmp_path / "t.csv", tmp_path / "m.safetensors"
    rows = np.random.default_rng(1).standard_normal((60, 2))
    table.write_text("a,b,y\n" + "".join(f"{a},{b},{a * b}\n" for a, b in rows))
    train = ["train", str(table), "--target", "y", "--hidden", "8,8,8", "--epochs", "3", "--out", str(model)]
    assert main(train) == 0
    capsys.readouterr()
    assert main(["diagnose", "--model", str(model), "--format", "json"]) == 0
    result = json.loads(capsys.readouterr().out)
    assert [layer["layer"] for layer in result["layers"]] == [1, 2, 3, 4]
    assert result["verdict"] == "healthy"
    with_table = ["diagnose", "--model", str(model), "--table", str(table), "--format", "json"]
    assert main([*with_table, "--no-remedies"]) == 0
    on_rows = json.loads(capsys.readouterr().out)
    assert on_rows["name"] == "m.safetensors on t.csv, target standardized"
    trained = load_model(model)
    problem = in_trained_units(table_problem(model, table), trained, trained.training)
    grad = backward(problem.net, problem.params, forward(problem.net, problem.params, problem.X), problem.y)
    delta = [np.sqrt((d**2).sum(axis=1).mean()) for d in grad.delta[1:]]
    np.testing.assert_allclose([layer["delta_norm"] for layer in on_rows["layers"]], delta, rtol=1e-9)
    for text, said in [("a,b\n1,2\n", "'y'"), ("a,b,y\n1,2,\n", "no row"), ("a,y\n1,2\n", "'b'")]:
        bad = tmp_path / "bad.csv"
        bad.write_text(text)
        assert main(["diagnose", "--model", str(model), "--table", str(bad)]) == 2
        assert said in one_line(capsys)
    assert main(["diagnose", "--table", str(table)]) == 2
    assert "a table goes with a model" in one_line(capsys)


def test_a_model_whose_layers_are_unknown_is_one_line(capsys, tmp_path):
    net = Network(2, [Dense(2, "tanh")])
    path = tmp_path / "m.safetensors"
    save_model(Model(net.init(), Statistics(net)), path)
    path.write_bytes(path.read_bytes().replace(b"tanh", b"tahn"))
    assert main(["diagnose", "--model", str(path)]) == 2
    assert "tahn" in one_line(capsys)


def test_an_activation_without_fixed_point_says_its_rate(capsys):
    sizes = ["--depth", "9", "--width", "8", "--activation", "relu", "--sigma-w", "2"]
    assert main(["diagnose", *sizes, "--no-remedies"]) == 0
    assert "no fixed point of the length here: q grows by 2 a layer" in " ".join(capsys.readouterr().out.split())


def one_line(capsys):
    out, err = capsys.readouterr()
    assert out == ""
    assert_names(err, "backlit: ")
    return err


SIZED = ["--depth", "3", "--width", "4"]


@pytest.mark.parametrize("arguments", [
    ["--depth", "0", "--width", "4"], ["--depth", "99999999", "--width", "4"],
    ["--depth", "4", "--width", "0"], ["--depth", "3"], [], ["none.json"],
    ["--model", "none.safetensors"], [*SIZED, "--sigma-w", "inf"], [*SIZED, "--sigma-b", "nan"],
    [*SIZED, "--norm", "group"], [*SIZED, "-o", "x.html"], [*SIZED, "--train", "0"],
    [*SIZED, "--no-remedies", "--fix-estimator", "x.json"],
])  # fmt: skip
def test_a_fault_is_one_line_and_exit_2(capsys, arguments):
    assert main(["diagnose", *arguments]) == 2
    one_line(capsys)


def test_brackets_in_the_name_of_a_file_are_no_markup(capsys, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "sick[red].json").write_text(
        '{"inputs": 1, "layers": [{"units": 1}], "x": [[1]], "y": [[2]]}', encoding="utf-8"
    )
    assert main(["diagnose", "sick[red].json", "--no-remedies"]) == 0
    assert capsys.readouterr().out.splitlines()[1] == "sick[red].json: healthy"


@pytest.mark.parametrize(("depth", "said"), [(24, "By layer: q"), (25, "By layer (24 of 25): q")])
def test_a_table_that_leaves_layers_out_says_so(depth, said, capsys):
    assert main(["diagnose", "--depth", str(depth), "--width", "4", "--seeds", "1", "--no-remedies"]) == 0
    assert said in capsys.readouterr().out
