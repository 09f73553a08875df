"""The tutorial of docs/check.md runs, and prints what it says that it prints."""

import contextlib
import io
import re
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]


def test_the_tutorial_prints_what_it_says(monkeypatch):
    monkeypatch.syspath_prepend(str(ROOT / "examples"))
    text = (ROOT / "docs" / "check.md").read_text(encoding="utf-8")
    blocks = re.findall(r"```python\n(.*?)```\n\n```text\n(.*?)```", text, re.DOTALL)
    assert len(blocks) == 3
    names: dict = {}
    for code, printed in blocks:
        out = io.StringIO()
        with contextlib.redirect_stdout(out):
            exec(code, names)
        assert out.getvalue() == printed


def test_the_own_functions_of_the_page_make_a_network():
    text = (ROOT / "docs" / "check.md").read_text(encoding="utf-8")
    (code,) = re.findall(r"```python\n(import numpy as np\n.*?)```", text, re.DOTALL)
    names: dict = {}
    exec(code, names)
    assert names["net"].L == 2
