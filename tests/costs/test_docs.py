"""The commands and the code of docs/cost.md run, and print what the page says; … stands for what it leaves out."""

import contextlib
import io
import re
import shlex
from pathlib import Path

import pytest

from backlit.cli import main

pytestmark = pytest.mark.usefixtures("two_processors")  # for which the page counts
TEXT = (Path(__file__).resolve().parents[2] / "docs" / "cost.md").read_text(encoding="utf-8")
COMMANDS = re.findall(r"```console\n\$ backlit (.*?)\n(.*?)```", TEXT, re.DOTALL)


@pytest.mark.parametrize(("command", "shown"), COMMANDS)
def test_a_command_prints_what_the_page_says(command, shown, capsys):
    main(shlex.split(command))
    printed = "".join(capsys.readouterr())
    for part in shown.split("…"):
        assert part.strip() in printed


def test_the_code_prints_what_the_page_says():
    ((code, printed),) = re.findall(r"```python\n(.*?)```\n\n```text\n(.*?)```", TEXT, re.DOTALL)
    out = io.StringIO()
    with contextlib.redirect_stdout(out):
        exec(code, {})
    assert out.getvalue() == printed


def test_there_are_commands():
    assert len(COMMANDS) == 4
