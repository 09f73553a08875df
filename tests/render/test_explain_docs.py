"""What docs/explain.md shows is what the commands print."""

import re
import shlex
from pathlib import Path

import pytest

from backlit.cli import main

PAGE = Path(__file__).resolve().parents[2] / "docs" / "explain.md"
SHOWN = re.findall(r"```console\n\$ backlit (.*?)\n(.*?)```", PAGE.read_text(encoding="utf-8"), re.DOTALL)


@pytest.mark.parametrize(("command", "excerpt"), SHOWN)
def test_an_excerpt_is_what_the_command_prints(capsys, command, excerpt):
    assert main(shlex.split(command)) == 0
    printed = capsys.readouterr().out
    parts = [part.strip("\n") for part in excerpt.split("…\n") if part.strip()]
    assert parts
    at = 0
    for part in parts:
        found = printed.find(part, at)
        assert found >= 0, f"not printed:\n{part}"
        at = found + len(part)


RUN = re.findall(r"```python\n(.*?)```\n\n```text\n(.*?)```", PAGE.read_text(encoding="utf-8"), re.DOTALL)


@pytest.mark.parametrize(("code", "printed"), RUN)
def test_code_prints_what_stands_below_it(capsys, code, printed):
    exec(code, {})  # a page of this repository
    assert capsys.readouterr().out == printed


def test_the_page_has_such_code():
    assert len(RUN) > 0


def test_every_option_is_named(capsys):
    page = PAGE.read_text(encoding="utf-8")
    main(["explain", "--help"])
    options = set(re.findall(r"--[a-z]+", capsys.readouterr().out)) - {"--help", "--output"}
    assert {"--entry", "--model", "--format"} <= options <= set(re.findall(r"--[a-z]+", page))
