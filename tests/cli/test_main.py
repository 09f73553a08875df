"""What all commands do alike: help, version, and one line for whatever ends them."""

import os
import subprocess
import sys

import pytest

import backlit
from backlit.cli import main

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


@pytest.mark.parametrize("unbuffered", ["1", ""])
@pytest.mark.parametrize("arguments", [COST, ["--help"]])
def test_a_reader_that_has_left_is_no_verdict(arguments, unbuffered):
    """Neither `check`'s 0 nor its 1, whether Python finds it when it prints or at the end."""
    command, environment = [sys.executable, "-m", "backlit", *arguments], os.environ | {"PYTHONUNBUFFERED": unbuffered}
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, env=environment) as run:
        run.stdout.close()
        assert run.stderr.read() == b""
    assert run.returncode == 141


def test_a_shell_is_told_how_a_word_goes_on():
    asked = os.environ | {"_BACKLIT_COMPLETE": "complete_bash", "COMP_WORDS": "backlit di", "COMP_CWORD": "1"}
    done = subprocess.run([sys.executable, "-m", "backlit"], capture_output=True, text=True, env=asked, check=True)
    assert done.stdout.split() == ["diagnose"]
