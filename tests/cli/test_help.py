"""`--help` of every command: examples that run, and options in panels."""

import inspect
import json
import shlex
from pathlib import Path

import pytest
from tests.commands import run_command
from tests.helpers import quick_first

from backlit.cli import commands
from backlit.cli.commands import PANELS, app

EXAMPLES = {module.__name__.rpartition(".")[2]: examples for module, examples in commands.EXAMPLES.items()}
COMMANDS = {command.name: command.callback for command in app.registered_commands}
ROOT = Path(__file__).parents[2]


def test_every_command_has_two_examples():
    assert set(EXAMPLES) == set(COMMANDS)
    assert all(len(examples) == 2 for examples in EXAMPLES.values())


@pytest.mark.parametrize("name", EXAMPLES)
def test_help_shows_the_examples_and_the_panels(name, capsys, monkeypatch):
    monkeypatch.setenv("COLUMNS", "120")
    code, out, _ = run_command(capsys, name, "--help")
    assert code == 0
    assert all(f"$ backlit {example}" in out for example in EXAMPLES[name])
    options = inspect.signature(COMMANDS[name]).parameters
    shown = [panel for panel, held in PANELS.get(name, {}).items() if set(held) & set(options)]
    assert all(f"─ {panel} ─" in out for panel in shown)


@pytest.mark.parametrize("name", PANELS)
def test_a_command_with_panels_leaves_no_option_out(name):
    held = [option for options in PANELS[name].values() for option in options]
    assert len(held) == len(set(held))
    assert set(inspect.signature(COMMANDS[name]).parameters) - {"context"} <= set(held)


NEEDS = {"export": "onnx", "search": "optuna"}  # their examples come last: the others have run where these are missing
SHORT = {"15": "1", "40": "2"}  # words of an example: what takes minutes is begun
SMALL = SHORT | {"digits": "iris", "30": "6", "128": "16"}


@pytest.mark.parametrize("size", quick_first(["small", "as shown"]))
def test_the_examples_run(tmp_path, monkeypatch, capsys, size):
    small = size == "small"
    monkeypatch.chdir(tmp_path)
    rows = [f"{18.5 + i % 7},{4 + i % 3},{1500 + 37 * i}" for i in range(60)]
    Path("cars.csv").write_text("\n".join(["mpg,cylinders,weight", *rows]), encoding="utf-8")
    Path("new.csv").write_text("cylinders,weight\n4,2000\n6,2500\n", encoding="utf-8")
    Path("claims.json").write_text(json.dumps({"loss": 0.8320739378}), encoding="utf-8")
    Path("rubric.toml").write_text((ROOT / "examples/rubric.toml").read_text("utf-8"), encoding="utf-8")
    Path("hand_in").mkdir()
    Path("hand_in/one.py").write_text((ROOT / "examples/student_template.py").read_text("utf-8"), encoding="utf-8")
    first = ["example", "train", "explain", "explore", "check", "grade", "cost", "diagnose", "predict", "export",
             "search"]  # fmt: skip
    for name in [*first, *(name for name in EXAMPLES if name not in first)]:
        for example in EXAMPLES[name]:
            words = shlex.split(example.replace("hand_in/*.py", "hand_in/one.py"))
            words = [(SMALL if small else SHORT).get(word, word) for word in words]
            if name in NEEDS:
                pytest.importorskip(NEEDS[name])
            if name == "search":
                words += ["--trials", "2"] if "--dataset" in words else []
            elif "--dataset" in words:
                words += ["--epochs", "2", "--out", "digits.safetensors"]
            elif name == "train":
                words += ["--quality", "fast"] if small else []
            code, _, err = run_command(capsys, *words)
            assert code == 0, (example, err)
