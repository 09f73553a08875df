"""`backlit explain` as a person or a program meets it."""

import json

import pytest
from tests.helpers import raises_naming

from backlit import explain, load_model
from backlit.cli import main
from backlit.errors import ProblemError

OVERFLOWS = {
    "inputs": 1,
    "layers": [{"units": 1, "activation": "exp", "W": [[800]], "b": [0]}, {"units": 1, "W": [[1]], "b": [0]}],
    "x": [[1]],
    "y": [[1]],
}


def run(capsys, *arguments):
    code = main(["explain", *map(str, arguments)])
    captured = capsys.readouterr()
    return code, captured.out, captured.err


def test_json_on_standard_output(capsys):
    code, out, err = run(capsys, "--example", "worked", "--format", "json")
    assert (code, err) == (0, "")
    assert json.loads(out)["grad_b"]["2"] == [pytest.approx(-1.29001855616)]


@pytest.mark.parametrize("format", ["text", "markdown", "latex", "typst", "html", "json"])
def test_formats_to_a_file(capsys, tmp_path, format):
    path = tmp_path / "it"
    code, out, _ = run(capsys, "--example", "softmax", "--format", format, "-o", path)
    assert (code, out) == (0, "")
    assert "grad" in path.read_text(encoding="utf-8")


def test_one_entry(capsys):
    code, out, _ = run(capsys, "--example", "worked", "--entry", "grad_W[1][1,0]")
    assert code == 0
    assert "0.12086·1 = 0.12086" in out
    assert "complex step agrees" in out


@pytest.mark.parametrize(("arguments", "said"), [
    (["--example", "nope"], "worked"),
    ([], "give a problem"),
    (["nothing.json"], "no such file"),
    (["--example", "worked", "--entry", "grad_W[9][0,0]"], "layers 1 to 2"),
    (["--example", "worked", "--entry", "grad_W[1][5,0]"], "0 to 1"),
    (["--example", "worked", "--entry", "gradW"], "name[layer][row,column]"),
    (["--example", "worked", "--entry", "grad_w[1][0,0]"], "did you mean grad_W?"),
    (["--example", "worked", "--model", "m.safetensors"], "give a problem"),
    (["--model", "m.safetensors"], "give a table"),
    (["--model", "m.safetensors", "--table", "t.csv"], "give a row"),
    (["--model", "no.safetensors", "--table", "t.csv", "--row", "0"], "no such file"),
    (["--example", "worked", "--row", "0"], "go with a model"),
    (["--example", "worked", "--digits", "1"], "digits"),
    (["--example", "worked", "--steps", "0"], "steps"),
    (["--example", "worked", "--steps", "99999999999"], "at most 1,000,000"),
    (["--model", ".", "--table", "t.csv", "--row", "0"], ".: is a folder: give a model file"),
    (["--example", ""], "no example is called ''"),
    (["--example", "worked", "--row", "0"], "a table and a row go with a model"),
    (["--model", "m", "--row", "0"], "give a table as well"), (["--model", "m", "--table", "t"], "give a row as well"),
])  # fmt: skip
def test_a_bad_call_is_one_line(capsys, arguments, said):
    code, out, err = run(capsys, *arguments)
    assert (code, out) == (2, "")
    assert err.count("\n") == 1
    assert said in err


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
    code, out, err = run(capsys, "--model", model, "--table", table, "--row", 4, "--format", "json")
    assert (code, err) == (0, "")
    found = json.loads(out)
    assert found["loss"] > 0
    entry = run(capsys, "--model", model, "--table", table, "--row", 4, "--entry", "grad_W[1][2,0]", "--format", "json")
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
    (40, "size", "there is no row 40: rows are counted from 0, the last of 40 is 39"),
    (0, "sizes", "column 'size' is not in the table"),
])  # fmt: skip
def test_a_row_or_column_that_is_not_there(capsys, trained, row, column, said):
    model, table = trained
    table.write_text(table.read_text(encoding="utf-8").replace("size", column), encoding="utf-8")
    code, out, err = run(capsys, "--model", model, "--table", table, "--row", row)
    assert (code, out) == (2, "")
    assert err.count("\n") == 1
    assert said in err


def test_fractions(capsys, tmp_path):
    path = tmp_path / "it.json"
    layers = [{"units": 1, "activation": "relu", "W": [[0.25]], "b": [0.5]}]
    path.write_text(json.dumps({"inputs": 1, "layers": layers, "x": [[3]], "y": [[0.25]]}), encoding="utf-8")
    code, out, _ = run(capsys, path, "--fractions", "--entry", "z[1][0,0]")
    assert code == 0
    assert "1/4·3 + 1/2 = 5/4" in out


def test_overflow_ends_at_the_first_step_that_is_not_finite(capsys, tmp_path):
    path = tmp_path / "over.json"
    path.write_text(json.dumps(OVERFLOWS))
    code, out, _ = run(capsys, path, "--format", "json")
    found = json.loads(out)
    assert code == 0
    assert found["stopped"] == "a[1]"
    assert found["a"]["1"] == [[None]]
    assert [step["id"] for step in found["steps"]][-1].startswith("a[1]")
