"""No command writes over a file that it reads."""

import json

import pytest
from tests.commands import run_command
from tests.helpers import assert_names

PROBLEM = {"inputs": 1, "layers": [{"units": 1}], "x": [[1]], "y": [[2]]}
COMMANDS = [
    "train t.csv --target b --out t.csv",
    "train t.csv --target b --report t.csv",
    "train t.csv --target b --out m --report m",
    "predict m.safetensors t.csv -o t.csv",
    "export m.safetensors m.safetensors",
    "explain p.json --format json -o p.json",
    "check p.json c.json --html c.json",
    "cost p.json --html p.json",
    "diagnose p.json --fix p.json",
    "grade s.py --rubric r.toml --out s.py",
    "grade s.py --rubric r.toml --html r.toml",
]


@pytest.mark.parametrize("command", COMMANDS)
def test_an_input_is_not_written_over(command, tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    files = {"t.csv": "a,b\n" + "1,2\n3,4\n" * 9, "m.safetensors": "", "p.json": json.dumps(PROBLEM), "c.json": "{}"}
    files |= {"s.py": "", "r.toml": '[points]\nloss = 1\n[[networks]]\nshapes = [2, 1]\nactivations = ["sigmoid"]\n'}
    for name, text in files.items():
        (tmp_path / name).write_text(text, encoding="utf-8")
    code, out, err = run_command(capsys, *command.split())
    assert (code, out) == (2, "")
    assert_names(err, "two outputs" if "two outputs" in err else "another name")
    assert {path.name: path.read_text(encoding="utf-8") for path in tmp_path.iterdir()} == files


@pytest.mark.parametrize(
    ("command", "says"),
    [
        ("train t.csv --target b --out m.pkl", ("m.pkl", "model", "written", ".safetensors", "give", "ends")),
        ("train t.csv --target b --out m", ("m", "model", "written", ".safetensors")),
        ("train t.csv --target b --report r.pdf", ("r.pdf", "report", "written", ".html", ".htm")),
        ("export m.safetensors m.pt", ("m.pt", "ONNX", "file", "written", ".onnx")),
    ],
)
def test_an_output_says_by_its_name_what_it_is(command, says, tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "t.csv").write_text("a,b\n" + "1,2\n3,4\n" * 9, encoding="utf-8")
    code, _, err = run_command(capsys, *command.split())
    assert code == 2
    assert_names(err, *says)
    assert [path.name for path in tmp_path.iterdir()] == ["t.csv"]
