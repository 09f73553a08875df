"""Files of strangers given to whole commands: one line, exit code 2, soon."""

import itertools
import json
import os

import numpy as np
import pytest
from tests.commands import run_command
from tests.helpers import quick_first
from tests.model_files import edited

from backlit import train

PROBLEM = {"inputs": 1, "layers": [{"units": 1}], "x": [[1.0]], "y": [[0.0]]}


def refused(capsys, *arguments) -> str:
    """The one line by which a command refuses."""
    code, out, err = run_command(capsys, *arguments)
    assert (code, out, err.count("\n")) == (2, "", 1), (code, out, err)
    assert "didn't foresee" not in err
    return err


@pytest.fixture(scope="module")
def trained(tmp_path_factory):
    path = tmp_path_factory.mktemp("model") / "m.safetensors"
    train(dataset="iris", hidden=(4,), epochs=2, out=path)
    return path


@pytest.fixture
def model(trained, tmp_path):
    return (tmp_path / "m.safetensors").write_bytes(trained.read_bytes()) and tmp_path / "m.safetensors"


COMMANDS = {
    "explain": (["explain", "{}"], ".json"),
    "check": (["check", "{}"], ".yaml"),
    "claims": (["check", "problem.json", "{}"], ".json"),
    "diagnose": (["diagnose", "{}"], ".toml"),
    "cost": (["cost", "{}"], ".json"),
    "rubric": (["grade", "s.py", "--rubric", "{}"], ".toml"),
    "model": (["diagnose", "--model", "{}"], ".safetensors"),
    "predict": (["predict", "{}", "problem.json"], ".safetensors"),
    "export": (["export", "{}", "out.onnx"], ".safetensors"),
    "table": (["train", "{}", "--target", "y"], ".csv"),
    "lines": (["train", "{}", "--target", "y"], ".jsonl"),
    "parquet": (["train", "{}", "--target", "y"], ".parquet"),
    "streamed": (["train", "{}", "--target", "y", "--stream"], ".parquet"),
}


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="Windows has no pipes in folders")
@pytest.mark.parametrize("kind", ["pipe", "device"])
@pytest.mark.parametrize("name", COMMANDS)
def test_no_command_waits_for_a_pipe_or_reads_a_device(capsys, tmp_path, monkeypatch, name, kind):
    arguments, suffix = COMMANDS[name]
    monkeypatch.chdir(tmp_path)
    (tmp_path / "problem.json").write_text(json.dumps(PROBLEM))
    (tmp_path / "s.py").write_text("")
    path = tmp_path / f"odd{suffix}"
    os.mkfifo(path) if kind == "pipe" else path.symlink_to("/dev/zero")
    assert kind in refused(capsys, *[argument.format(path) for argument in arguments])


CONTENTS = {
    "key like a type": (".json", json.dumps({**PROBLEM, "list[str]": 1})),
    "key of a type": (".json", json.dumps({**PROBLEM, "str": 1})),
    "cyclic yaml": (".yaml", "&a {inputs: 1, layers: [*a]}"),
    "huge units": (".json", json.dumps({**PROBLEM, "layers": [{"units": 2**62}]})),
    "huge inputs": (".json", json.dumps({**PROBLEM, "inputs": 2**63})),
    "deep x": (".json", json.dumps(PROBLEM).replace("[[1.0]]", "[" * 201 + "]" * 201)),
    "surrogate": (".json", r'{"inputs": 1, "layers": [{"units": 1, "activation": "\ud800"}]}'),
    "huge number": (".json", json.dumps({**PROBLEM, "l2": -(10**400)})),
    "list without end": (".json", "[" * 100_000),
    "number that overflows": (".json", json.dumps({**PROBLEM, "x": [[10**308 * 9]]})),
    "number of 5,000 digits": (".json", json.dumps(PROBLEM).replace("0.0", "9" * 5000)),
    "number of 5,000 digits in TOML": (".toml", f"inputs = {'9' * 5000}"),
    "number of 5,000 digits in YAML": (".yaml", f"inputs: {'9' * 5000}"),
    "wide layer, small W": (".json", json.dumps({**PROBLEM, "layers": [{"units": 10**8, "W": [[1.0]]}]})),
    "two layers of a key": (".yaml", "inputs: 1\ninputs: 2\nlayers: []"),
}


READERS = ["explain", "check", "diagnose", "cost"]
BY_TURNS = [*zip(CONTENTS, itertools.cycle(READERS), strict=False)]
OTHERS = [pair for pair in itertools.product(CONTENTS, READERS) if pair not in BY_TURNS]


@pytest.mark.parametrize(("name", "command"), quick_first([*BY_TURNS, *OTHERS], len(BY_TURNS)))
def test_a_hostile_problem_is_one_line(capsys, tmp_path, name, command):
    suffix, text = CONTENTS[name]
    path = tmp_path / f"problem{suffix}"
    path.write_text(text)
    said = refused(capsys, command, path)
    assert str(path) in said
    assert "set_int_max_str_digits" not in said


def test_a_number_of_5000_digits_in_json_lines_is_one_line(capsys, tmp_path):
    (tmp_path / "t.jsonl").write_text('{"y": 1}\n{"y": ' + "9" * 5000 + "}\n")
    assert "line 2 holds a number of more than 4,300 digits" in refused(
        capsys, "train", tmp_path / "t.jsonl", "--target", "y"
    )


@pytest.mark.parametrize(
    "claims",
    [
        {"loss": 10**400},
        {"\x1b[2J": 1},
        {"z": "x" * 5_000_000},
    ],
    ids=lambda claims: str(claims)[:20],
)
def test_hostile_claims_are_one_short_line(capsys, tmp_path, claims):
    (tmp_path / "problem.json").write_text(json.dumps(PROBLEM))
    (tmp_path / "claims.json").write_text(json.dumps(claims))
    said = refused(capsys, "check", tmp_path / "problem.json", tmp_path / "claims.json")
    assert len(said) < 4000
    assert "\x1b" not in said


def altered(arrays, value):
    for array in arrays.values():
        array[:] = np.where(np.arange(array.size).reshape(array.shape) % 2, value, -value)


PARTS = {
    "fewer classes": (lambda d, a: d["target"]["classes"].pop(), "target needs 2"),
    "more classes": (lambda d, a: d["target"]["classes"].append("new"), "target needs 4"),
    "numbers": (lambda d, a: d["target"].update(task="regression", classes=[]), "target needs 1"),
    "no probabilities": (lambda d, a: d["network"]["layers"][-1].update(activation="tanh"), "no probabilities"),
    "surrogate": (lambda d, a: d["target"].update(name="\ud800"), "half a character"),
}


@pytest.mark.parametrize("name", PARTS)
def test_parts_of_a_model_must_fit_each_other(capsys, tmp_path, model, name):
    change, words = PARTS[name]
    edited(model, change)
    (tmp_path / "t.csv").write_text("sepal_length_cm,sepal_width_cm,petal_length_cm,petal_width_cm\n1,2,3,4\n")
    assert words in refused(capsys, "predict", model, tmp_path / "t.csv")


def test_a_key_given_twice_in_a_model_is_refused(capsys, tmp_path, model):
    content = model.read_bytes()
    once, twice = rb"\"version\": 1, \"backlit\"", rb"\"version\": 1,\"version\":1"
    assert content.count(once) == 1
    changed = content.replace(once, twice + b" " * (len(once) - len(twice) - 11) + rb", \"backlit\"")
    length = int.from_bytes(content[:8], "little") + len(changed) - len(content)
    model.write_bytes(length.to_bytes(8, "little") + changed[8:])
    assert "'version' is given twice" in refused(capsys, "diagnose", "--model", model)


@pytest.mark.parametrize("stream", [False, True])
def test_a_row_without_a_prediction_is_named(capsys, tmp_path, model, stream):
    import polars as pl

    edited(model, lambda described, arrays: altered(arrays, 3e38))
    names = ["sepal_length_cm", "sepal_width_cm", "petal_length_cm", "petal_width_cm"]
    pl.DataFrame({name: [5.0, 6.0] for name in names}).write_parquet(tmp_path / "t.parquet")
    said = refused(capsys, "predict", model, tmp_path / "t.parquet", *(["--stream"] if stream else []))
    assert "row 1 has no prediction" in said


@pytest.mark.parametrize("command", ["explain", "check"])
def test_a_loss_that_is_no_number_is_never_exit_code_0(capsys, tmp_path, command):
    """Batch norm of one row divides 0 by 0 where eps is 0; it once was null in JSON."""
    layers = [{"units": 1, "norm": "batch", "eps": 0.0}]
    (tmp_path / "p.json").write_text(json.dumps({**PROBLEM, "layers": layers}))
    (tmp_path / "c.json").write_text(json.dumps({"loss": 1.0}))
    files = [tmp_path / name for name in ("p.json", "c.json")[: 1 + (command == "check")]]
    code, _, err = run_command(capsys, command, *files, "--format", "json")
    assert (code, err.count("\n")) == (2, 1)
    assert "eps" in err or "finite" in err
