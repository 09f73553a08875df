"""What all commands do alike: help, version, and one line for whatever ends them."""

import inspect
import os
import subprocess
import sys
from importlib import import_module
from pathlib import Path
from unittest.mock import ANY

import pytest
from tests.commands import left_pipe
from tests.helpers import quick_first

import backlit
from backlit.cli import main
from backlit.errors import ProblemError

COST = ["cost", "--sizes", "3,2"]


def test_the_version_and_nothing_else(capsys):
    assert main(["--version"]) == 0
    assert capsys.readouterr().out == f"backlit {backlit.__version__}\n"


@pytest.mark.parametrize(("arguments", "said"), [
    (["nope"], "backlit: No such command 'nope'. (see backlit --help)\n"),
    (["cost", "--batch", "x"], "(see backlit cost --help)\n"),
])  # fmt: skip
def test_a_bad_call_names_the_help_to_read(capsys, arguments, said):
    assert main(arguments) == 2
    assert capsys.readouterr().err.endswith(said)


@pytest.mark.parametrize(("error", "code", "said"), [
    (KeyboardInterrupt(), 130, "backlit: interrupted\n"),
    (MemoryError("Unable to\nallocate 8 TiB"), 2,
     "backlit: out of memory (Unable to allocate 8 TiB): use fewer rows, units or classes\n"),
    (MemoryError(), 2, "backlit: out of memory (no size given): use fewer rows, units or classes\n"),
])  # fmt: skip
def test_what_ends_a_command_is_one_line(capsys, monkeypatch, error, code, said):
    def ends(*_, **__):
        raise error

    monkeypatch.setattr("backlit.costs.cost", ends)
    assert main(COST) == code
    assert capsys.readouterr() == ("", said)


@pytest.mark.parametrize(
    ("arguments", "unbuffered"), quick_first([(COST, "1"), (["--help"], ""), (COST, ""), (["--help"], "1")], 2)
)
def test_a_reader_that_has_left_is_no_verdict(arguments, unbuffered):
    """Neither `check`'s 0 nor its 1, whether Python finds it when it prints or at the end."""
    command, environment = [sys.executable, "-m", "backlit", *arguments], os.environ | {"PYTHONUNBUFFERED": unbuffered}
    with left_pipe() as pipe:
        done = subprocess.run(command, stdout=pipe, stderr=subprocess.PIPE, env=environment, check=False)
    assert (done.returncode, done.stderr) == (141, b"")


def test_a_shell_is_told_how_a_word_goes_on():
    asked = os.environ | {"_BACKLIT_COMPLETE": "complete_bash", "COMP_WORDS": "backlit di", "COMP_CWORD": "1"}
    done = subprocess.run([sys.executable, "-m", "backlit"], capture_output=True, text=True, env=asked, check=True)
    assert done.stdout.split() == ["diagnose"]


TRAIN = {
    "target": "t", "task": "regression", "drop": ["a", "b"], "hidden": [8, 4], "encoding": "fine",
    "activation": "tanh", "norm": "layer",
    "dropout": 0.25, "schedule": "cosine", "l2": 0.5, "clip_norm": 2.0, "epochs": 7, "batch_size": 9, "patience": 3,
    "test_size": 0.4, "seed": 11, "engine": "reference", "out": Path("m.safetensors"), "report": Path("r.html"),
    "checkpoint": Path("run"), "checkpoint_every": 5, "stream": True, "buffer_mb": 1.5, "quality": "best",
    "time_limit": 2.5, "metric": "mae", "group": "who", "time": "day", "weight": "w", "test": Path("test.csv"),
}  # fmt: skip
DIAGNOSE = {
    "depth": 3, "width": 4, "activation": "relu", "init": "he_normal", "sigma_w": 1.5, "sigma_b": 0.5, "norm": "layer",
    "skip": 0.5, "dropout": 0.1, "batch": 6, "seeds": 2, "remedies": False, "probe": False, "train": 8,
    "model": "m.safetensors", "table": "t.csv", "member": 2,
}  # fmt: skip
COSTS = {
    "activation": "tanh",
    "batch": 3,
    "dtype": "float64",
    "optimizer": "sgd",
    "timing": True,
    "memory_limit": "1MB",
}
EXPLAIN = {"example": "worked", "model": Path("m"), "member": 1, "table": Path("t"), "row": 2, "steps": 3, "digits": 4,
           "fractions": True, "entry": "z[1]"}  # fmt: skip


def as_options(values):
    for name, value in values.items():
        option = "--" + name.replace("_", "-")
        if isinstance(value, bool):
            yield option if value else f"--no-{name}"
        elif name == "hidden":
            yield from (option, ",".join(map(str, value)))
        else:
            for one in value if isinstance(value, list) else [value]:
                yield from (option, str(one))


@pytest.mark.parametrize(("command", "function", "given", "more", "also"), [
    ("train", "backlit.tabular.train", TRAIN, ["table.csv", "--optimizer", "sgd", "--learning-rate", "0.5"],
     {"table": Path("table.csv"), "dataset": None, "progress": True,
      "optimizer": {"name": "sgd", "learning_rate": 0.5}}),
    ("train", "backlit.tabular.train", {"dataset": "iris"}, [],
     {"optimizer": None, "hidden": None, "quality": None, "drop": (), "seed": 0, "stream": False}),
    ("train", "backlit.tabular.train", {"dataset": "iris", "hidden": [0]}, [], {"hidden": []}),
    ("diagnose", "backlit.api.diagnose", DIAGNOSE, ["p.json"], {"problem": Path("p.json"), "show": ANY}),
    ("diagnose", "backlit.api.diagnose", {}, [],
     {"remedies": True, "probe": True, "train": None, "seeds": 5, "model": None, "table": None, "activation": "tanh"}),
    ("cost", "backlit.costs.cost", COSTS, ["--sizes", "3,2", "--measure"], {"sizes": [3, 2], "peak": True}),
    ("cost", "backlit.costs.cost", {}, ["p.json"],
     {"problem": Path("p.json"), "sizes": None, "peak": False, "timing": False, "batch": None, "dtype": "float32",
      "optimizer": None}),
    ("explain", "backlit.render.explanation.explain", EXPLAIN, ["p.json"], {"problem": Path("p.json")}),
    ("explain", "backlit.render.explanation.explain", {}, [],
     {"steps": 1, "digits": 5, "fractions": False, "row": None, "entry": None}),
])  # fmt: skip
def test_every_option_reaches_the_function(capsys, monkeypatch, command, function, given, more, also):
    module, _, name = function.rpartition(".")
    signature, seen = inspect.signature(getattr(import_module(module), name)), {}

    def spy(*arguments, **options):
        bound = signature.bind(*arguments, **options).arguments
        seen.update(bound.pop("options", {}), **bound)
        raise ProblemError("seen")

    monkeypatch.setattr(function, spy)
    assert main([command, *more, *as_options(given)]) == 2
    assert capsys.readouterr().err == "backlit: seen\n"
    assert seen == seen | given | also
