"""docs/your-model.md: its blocks run and print what they say, and its table names what the converters know."""

import contextlib
import io
import re
from pathlib import Path

import pytest

from backlit.formats.chains import ACTIVATIONS
from backlit.formats.torch_modules import ALONE, AVERAGED

TEXT = (Path(__file__).resolve().parents[2] / "docs" / "your-model.md").read_text(encoding="utf-8")
BLOCKS = re.findall(r"```python\n(.*?)```\n\n```text\n(.*?)```", TEXT, re.DOTALL)


@pytest.mark.interop
def test_the_page_prints_what_it_says():
    pytest.importorskip("torch")
    assert len(BLOCKS) == TEXT.count("```python") == 3
    names: dict = {}
    for code, printed in BLOCKS:
        out = io.StringIO()
        with contextlib.redirect_stdout(out):
            exec(code, names)
        assert out.getvalue() == printed


def test_the_table_names_what_is_known():
    rows = {row.split("|")[1].strip(): row.split("|")[2] for row in TEXT.splitlines() if row.startswith("| ")}
    assert set(re.findall(r"`(\w+)`", rows["activation"])) == set(ACTIVATIONS)
    assert set(re.findall(r"`(\w+)`", rows["loss"])) == {*ALONE, *AVERAGED, "LogSoftmax"}
