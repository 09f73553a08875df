"""docs/tables.md says what is so: its table is the code's, its block runs."""

import re
from pathlib import Path

import pytest

from backlit.tabular.presets import QUALITIES

TEXT = (Path(__file__).parents[2] / "docs" / "tables.md").read_text(encoding="utf-8")


def test_the_qualities_are_those_of_the_code():
    rows = re.findall(r"^\| `(\w+)`.*?\| (\d+) \| (\d+) \| (\d+) \|$", TEXT, re.MULTILINE)
    assert len(rows) == len(QUALITIES)
    for name, presets, folds, finalists in rows:
        quality = QUALITIES[name]
        assert (quality.presets, quality.folds, quality.finalists) == (int(presets), int(folds), int(finalists))


@pytest.mark.usefixtures("small_presets")
def test_its_python_runs():
    (code,) = re.findall(r"```python\n(.*?)```", TEXT, re.DOTALL)
    names: dict = {}
    exec(code, names)
    assert (names["low"] < names["high"]).all()
