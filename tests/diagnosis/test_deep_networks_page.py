"""docs/deep-networks.md: its scripts and commands run, in short forms of themselves."""

import re
import runpy
import shlex
from pathlib import Path

import pytest

from backlit.cli import main

PAGE = Path(__file__).parents[2] / "docs" / "deep-networks.md"
SHORTER = [("--train 15", "--train 1"), ("[:512]", "[:64]"), ("max_iter=30", "max_iter=1"), ("* 29", "* 11")]


def blocks(kind):
    return re.findall(rf"```{kind}\n(.*?)```", PAGE.read_text(), re.DOTALL)


def shorter(text):
    for long, short in SHORTER:
        text = text.replace(long, short)
    return text


@pytest.mark.usefixtures("few_draws", "unplotted")
def test_the_page_s_commands_run(tmp_path, monkeypatch, capsys):
    pytest.importorskip("sklearn")
    assert all(any(long in block for block in blocks("python") + blocks("sh")) for long, _ in SHORTER)
    monkeypatch.chdir(tmp_path)
    make, fit, flow = (shorter(block) for block in blocks("python"))
    for name, script in (("make.py", make), ("fit.py", fit), ("flow.py", flow)):
        Path(name).write_text(script)
    for line in "".join(blocks("sh")).splitlines():
        program, *arguments = shlex.split(shorter(line))
        if program == "python":
            runpy.run_path(*arguments)
        else:
            assert program == "backlit"
            assert main(arguments) == 0
    runpy.run_path("flow.py")
    assert Path("report.html").read_text().count("<svg") >= 4
    said = capsys.readouterr().out
    assert re.search(r"before: 0\.\d+\nafter: 0\.\d+", said)
    assert "vanishing" in said
