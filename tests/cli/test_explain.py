"""`backlit explain` as a person or a program meets it."""

import json

import pytest

from backlit.cli import main

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
    (["--example", "worked", "--digits", "1"], "digits"),
    (["--example", "worked", "--steps", "0"], "steps"),
])  # fmt: skip
def test_a_bad_call_is_one_line(capsys, arguments, said):
    code, out, err = run(capsys, *arguments)
    assert (code, out) == (2, "")
    assert err.count("\n") == 1
    assert said in err


def test_overflow_ends_at_the_first_step_that_is_not_finite(capsys, tmp_path):
    path = tmp_path / "over.json"
    path.write_text(json.dumps(OVERFLOWS))
    code, out, _ = run(capsys, path, "--format", "json")
    found = json.loads(out)
    assert code == 0
    assert found["stopped"] == "a[1]"
    assert found["a"]["1"] == [[None]]
    assert [step["id"] for step in found["steps"]][-1].startswith("a[1]")
