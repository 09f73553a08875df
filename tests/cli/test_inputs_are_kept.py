"""No command writes over a file that it reads."""

import json

import pytest

from backlit.cli import main

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
    assert main(command.split()) == 2
    shown = capsys.readouterr()
    assert shown.out == ""
    assert len(shown.err.splitlines()) == 1
    assert "write to another name" in shown.err or "named for two outputs" in shown.err
    assert {path.name: path.read_text(encoding="utf-8") for path in tmp_path.iterdir()} == files
