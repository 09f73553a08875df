"""Options that contradict each other, or that nothing would come of, are refused before anything runs."""

import json

import pytest
from tests.commands import run_command
from tests.helpers import assert_names

from backlit.cli import main

PROBLEM = {"inputs": 1, "layers": [{"units": 1}], "x": [[1]], "y": [[2]]}
TRAIN = "train --dataset iris --epochs 1"
REFUSED = [
    (f"{TRAIN} --checkpoint-every 3", ("give", "folder", "checkpoint")),
    ("diagnose p.json --activation relu", ("activation", "depth", "width")),
    ("diagnose p.json --sigma-w 2", ("sigma_w", "depth", "width")),
    ("diagnose p.json --init he_normal", ("init", "depth", "width")),
    ("diagnose p.json --dropout 0.5", ("dropout", "depth", "width")),
    ("diagnose --depth 2 --width 4 --format html -o page.txt", ("written", ".html", ".htm")),
    ("diagnose --depth 2 --width 4 --format json -o page.html", ("written", ".json")),
    ("diagnose --depth 2 --width 4 --fix fixed.txt", ("written", ".json")),
    ("diagnose --depth 2 --width 4 --fix-estimator fixed.txt", ("written", ".json")),
    ("cost p.json --activation tanh", ("a problem names its own",)),
    ("cost --sizes 3", ("sizes", "numbers", "1")),
    ("cost --sizes 3,2 --html page.txt", ("written", ".html", ".htm")),
    ("check p.json c.json --html page.txt", ("written", ".html", ".htm")),
    ("grade s.py --rubric r.toml --html page.txt", ("written", ".html", ".htm")),
    ("grade s.py --rubric r.toml --out grades.txt", ("written", ".csv")),
    ("explain p.json -o page.html", ("give", "format", "html", "ends", ".txt")),
    ("explain p.json --format html -o page.pdf", ("give", "format", "pdf", "ends", ".html")),
]


@pytest.fixture(autouse=True)
def files(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    rubric = '[points]\nloss = 1\n[[networks]]\nshapes = [2, 1]\nactivations = ["sigmoid"]\n'
    files = {"p.json": json.dumps(PROBLEM), "c.json": '{"loss": 1}', "s.py": "", "r.toml": rubric}
    for name, text in files.items():
        (tmp_path / name).write_text(text, encoding="utf-8")
    return files


@pytest.mark.parametrize(("command", "why"), REFUSED, ids=[command for command, _ in REFUSED])
def test_it_is_refused_in_one_line(command, why, files, tmp_path, capsys):
    code, out, err = run_command(capsys, *command.split())
    assert (code, out) == (2, "")
    assert_names(err, *why)
    assert {path.name for path in tmp_path.iterdir()} == set(files)


def test_a_name_that_says_nothing_may_hold_any_format(capsys, tmp_path):
    assert main(["explain", "p.json", "--entry", "loss", "-o", "page.log"]) == 0
    assert "loss of p.json" in (tmp_path / "page.log").read_text(encoding="utf-8")


def test_the_cost_of_a_network_beyond_all_memory_is_counted(capsys):
    assert main(["cost", "--sizes", "1000000,1000000", "--format", "json"]) == 0
    assert json.loads(capsys.readouterr().out)["memory"]["parameters"] == 4 * (10**12 + 10**6)


def test_one_quantity_is_not_quantities(capsys):
    assert main(["check", "p.json", "c.json"]) == 1
    assert "(1 quantity compared, " in capsys.readouterr().out
