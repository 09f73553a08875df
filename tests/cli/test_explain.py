"""`backlit explain` as a person or a program meets it."""

import json

import pytest
from tests.commands import run_command
from tests.helpers import assert_names, raises_naming

from backlit import explain, load_model
from backlit.errors import ProblemError

OVERFLOWS = {
    "inputs": 1,
    "layers": [{"units": 1, "activation": "exp", "W": [[800]], "b": [0]}, {"units": 1, "W": [[1]], "b": [0]}],
    "x": [[1]],
    "y": [[1]],
}


def test_json_on_standard_output(capsys):
    code, out, err = run_command(capsys, "explain", "--example", "worked", "--format", "json")
    assert (code, err) == (0, "")
    assert json.loads(out)["grad_b"]["2"] == [pytest.approx(-1.29001855616)]


@pytest.mark.parametrize("format", ["text", "markdown", "latex", "typst", "html", "json"])
def test_formats_to_a_file(capsys, tmp_path, format):
    path = tmp_path / "it"
    code, out, _ = run_command(capsys, "explain", "--example", "worked", "--format", format, "-o", path)
    assert (code, out) == (0, "")
    assert "grad" in path.read_text(encoding="utf-8")


def test_one_entry(capsys):
    code, out, _ = run_command(capsys, "explain", "--example", "worked", "--entry", "grad_W[1][1,0]")
    assert code == 0
    assert "0.12086·1 = 0.12086" in out
    assert "complex step agrees" in out


@pytest.mark.parametrize(("arguments", "said"), [
    (["--example", "nope"], ("worked",)),
    ([], ("give", "problem")),
    (["nothing.json"], ("no such file",)),
    (["--example", "worked", "--entry", "grad_W[9][0,0]"], ("layers", "1", "2")),
    (["--example", "worked", "--entry", "grad_W[1][5,0]"], ("0", "1")),
    (["--example", "worked", "--entry", "gradW"], ("name[layer][row,column]",)),
    (["--example", "worked", "--entry", "grad_w[1][0,0]"], ("grad_W?",)),
    (["--example", "worked", "--model", "m.safetensors"], ("give", "problem")),
    (["--model", "m.safetensors"], ("give", "table")),
    (["--model", "m.safetensors", "--table", "t.csv"], ("give", "row")),
    (["--model", "no.safetensors", "--table", "t.csv", "--row", "0"], ("no such file",)),
    (["--example", "worked", "--row", "0"], ("go with a model",)),
    (["--example", "worked", "--digits", "1"], ("digits",)),
    (["--example", "worked", "--steps", "0"], ("steps",)),
    (["--example", "worked", "--steps", "99999999999"], ("most", "1,000,000")),
    (["--model", ".", "--table", "t.csv", "--row", "0"], ("folder", "give", "model", "file")),
    (["--example", ""], ("example", "''")),
    (["--example", "worked", "--row", "0"], ("table", "row", "model")),
    (["--model", "m", "--row", "0"], ("give", "table")), (["--model", "m", "--table", "t"], ("give", "row")),
])  # fmt: skip
def test_a_bad_call_is_one_line(capsys, arguments, said):
    code, out, err = run_command(capsys, "explain", *arguments)
    assert (code, out) == (2, "")
    assert_names(err, *said)


@pytest.fixture
def trained(tmp_path):
    from backlit import train

    table, model = tmp_path / "t.csv", tmp_path / "it.safetensors"
    rows = "".join(f"{k % 7},{'ab'[k % 2]},{(k % 7) * 2 + k % 2}.5\n" for k in range(40))
    table.write_text("size,kind,price\n" + rows, encoding="utf-8")
    train(table, target="price", hidden=(3,), out=model, epochs=2, seed=0)
    return model, table


def test_a_trained_model_on_a_row(capsys, trained):
    model, table = trained
    code, out, err = run_command(capsys, "explain", "--model", model, "--table", table, "--row", 4, "--format", "json")
    assert (code, err) == (0, "")
    found = json.loads(out)
    assert found["loss"] > 0
    row = ["--model", model, "--table", table, "--row", 4]
    entry = run_command(capsys, "explain", *row, "--entry", "grad_W[1][2,0]", "--format", "json")
    (step,) = json.loads(entry[1])["steps"]
    assert step["value"] == found["grad_W"]["1"][2][0]
    assert all(check["ok"] for check in step["checks"])


def test_a_model_is_explained_by_itself_or_by_its_file(trained):
    path, table = trained
    model = load_model(path)
    by_file = explain(model=path, table=table, row=1)
    assert explain(model, table=table, row=1).to_dict() == by_file.to_dict()
    with raises_naming(ProblemError, "give", "problem", "example"):
        explain(model, model=path, table=table, row=1)


@pytest.mark.parametrize(("row", "column", "said"), [
    (40, "size", ("row", "40", "rows", "0", "last", "39")),
    (0, "sizes", ("column", "'size'", "table")),
])  # fmt: skip
def test_a_row_or_column_that_is_not_there(capsys, trained, row, column, said):
    model, table = trained
    table.write_text(table.read_text(encoding="utf-8").replace("size", column), encoding="utf-8")
    code, out, err = run_command(capsys, "explain", "--model", model, "--table", table, "--row", row)
    assert (code, out) == (2, "")
    assert_names(err, *said)


def test_fractions(capsys, tmp_path):
    path = tmp_path / "it.json"
    layers = [{"units": 1, "activation": "relu", "W": [[0.25]], "b": [0.5]}]
    path.write_text(json.dumps({"inputs": 1, "layers": layers, "x": [[3]], "y": [[0.25]]}), encoding="utf-8")
    code, out, _ = run_command(capsys, "explain", path, "--fractions", "--entry", "z[1][0,0]")
    assert code == 0
    assert "1/4·3 + 1/2 = 5/4" in out


@pytest.mark.parametrize("norm", ["batch", "layer"])
def test_a_norm_of_equal_numbers_without_eps_is_no_number_and_no_warning(capsys, tmp_path, norm):
    layers = [{"units": 1, "activation": "tanh", "norm": norm, "eps": 0}, {"units": 1}]
    path = tmp_path / "it.json"
    path.write_text(json.dumps({"inputs": 1, "layers": layers, "x": [[1.0]], "y": [[1.0]]}))
    code, out, err = run_command(capsys, "explain", path, "--format", "json")
    assert (code, json.loads(out)["loss"], err.count("\n")) == (2, None, 1)
    assert_names(err, str(path), "x_hat[1] is not finite")
    code, out, err = run_command(capsys, "check", path, "--suggest-inputs")
    assert (code, out, err.count("\n")) == (2, "", 1)
    assert_names(err, str(path), "u[1] is not finite")


def test_overflow_ends_at_the_first_step_that_is_not_finite(capsys, tmp_path):
    path = tmp_path / "over.json"
    path.write_text(json.dumps(OVERFLOWS))
    code, out, err = run_command(capsys, "explain", path, "--format", "json")
    found = json.loads(out)
    assert code == 2
    assert err == f"backlit: {path}: a[1] is not finite, and what hangs on it is not worked out: use smaller numbers\n"
    assert found["stopped"] == "a[1]"
    assert found["a"]["1"] == [[None]]
    assert [step["id"] for step in found["steps"]][-1].startswith("a[1]")
