"""The pages of docs/ that no other test runs: their Python blocks run, and print what they say that they print.

A page's blocks share their names.  Its `sh` blocks are commands of `backlit`, run in their place between the others; a
`console` block shows what a person may type, and is not run."""

import contextlib
import io
import re
import shlex
import warnings
from pathlib import Path

import pytest

from backlit.cli import main

pytestmark = pytest.mark.usefixtures("checked_once")
DOCS = Path(__file__).parents[1] / "docs"
PAGES = sorted(
    [
        *DOCS.glob("start/*.md"),
        *DOCS.glob("backpropagation/*.md"),
        *DOCS.glob("reference/*.md"),
        DOCS / "about/explorer.md",
    ]
)
BLOCK = re.compile(r"^```(python|sh|text)\n(.*?)^```", re.DOTALL | re.MULTILINE)


def run(text, more=()):
    """Pairs of what was printed and what the page shows, for each block that is followed by its output.

    `more` are options that `backlit train` gets besides.
    """
    names: dict = {}
    compared = []
    blocks = BLOCK.findall(text)
    for n, (kind, content) in enumerate(blocks):
        out = io.StringIO()
        with contextlib.redirect_stdout(out), warnings.catch_warnings():
            warnings.simplefilter("ignore")
            if kind == "python":
                exec(compile(content, "block", "exec"), names)
            elif kind == "sh":
                for line in content.splitlines():
                    program, *arguments = shlex.split(line)
                    assert program == "backlit"
                    assert main([*arguments, *(more if arguments[0] == "train" else ())]) == 0, line
        if kind == "python" and n + 1 < len(blocks) and blocks[n + 1][0] == "text":
            compared.append((out.getvalue(), blocks[n + 1][1]))
    return compared


TRAINS = [
    page for page in PAGES if "backlit train" in "".join(part[1] for part in BLOCK.findall(page.read_text("utf-8")))
]


@pytest.mark.slow
@pytest.mark.parametrize("page", TRAINS, ids=lambda page: f"{page.parent.name}/{page.name}")
def test_a_page_that_trains_does_so_as_it_stands_there(page, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert all(printed == shown for printed, shown in run(page.read_text("utf-8")))


@pytest.mark.parametrize("page", PAGES, ids=lambda page: f"{page.parent.name}/{page.name}")
def test_a_page_prints_what_it_says(page, tmp_path, monkeypatch):
    """Where it trains, an ensemble of less work."""
    monkeypatch.chdir(tmp_path)
    text = page.read_text(encoding="utf-8")
    for printed, shown in run(text, ["--quality", "fast"]):
        assert printed == shown
    assert len(BLOCK.findall(text)) == len(re.findall(r"^```(?:python|sh|text)$", text, re.MULTILINE))


def test_a_page_that_says_something_else_is_found():
    ((printed, shown),) = run("```python\nprint(1 + 1)\n```\n\n```text\n3\n```\n")
    assert printed != shown
