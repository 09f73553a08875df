"""`backlit example`: the list, and each built-in problem as a file that gives the same explanation."""

import json

import pytest
from tests.commands import run_command
from tests.helpers import quick_first

from backlit.derivation.examples import EXAMPLES


def test_the_list_has_each_with_its_sentence(capsys):
    code, out, err = run_command(capsys, "example")
    assert (code, err) == (0, "")
    assert [line.split(maxsplit=1) for line in out.splitlines()] == [list(pair) for pair in EXAMPLES.items()]
    code, out, err = run_command(capsys, "example", "--format", "json")
    assert (code, json.loads(out), err) == (0, {"examples": EXAMPLES}, "")


@pytest.mark.parametrize("name", quick_first(EXAMPLES, 2))
def test_a_problem_file_has_every_weight_and_gives_the_same_explanation(name, capsys, tmp_path):
    code, text, err = run_command(capsys, "example", name)
    assert (code, err) == (0, "")
    for layer in json.loads(text)["layers"]:
        assert {"W", "b"} | ({"gamma", "beta"} if "norm" in layer else set()) <= layer.keys()
    file = tmp_path / "problem.json"
    assert run_command(capsys, "example", name, "-o", file) == (0, "", "")
    assert file.read_text(encoding="utf-8") == text
    ours = run_command(capsys, "explain", file, "--format", "json")
    assert ours[0] == 0
    assert json.loads(ours[1]) == json.loads(run_command(capsys, "explain", "--example", name, "--format", "json")[1])


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (["workd"], "backlit: no example is called 'workd': did you mean worked?"),
        (["-o", "x.json"], "backlit: --output is for one problem: name it"),
        (["worked", "-o", "x.txt"], "backlit: x.txt: a problem file is written as .json"),
        (["worked", "-o", "no/x.json"], "backlit: no/x.json: the folder"),
    ],
)
def test_a_bad_call_is_one_line(arguments, says, capsys, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    code, out, err = run_command(capsys, "example", *arguments)
    assert (code, out, err.count("\n")) == (2, "", 1)
    assert err.startswith(says)
    assert not list(tmp_path.iterdir())
