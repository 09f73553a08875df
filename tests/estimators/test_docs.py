"""The blocks of docs/from-scikit-learn.md run, and print what they say that they print."""

import contextlib
import inspect
import io
import re
import warnings
from pathlib import Path

import pytest
from sklearn.exceptions import ConvergenceWarning

from backlit.estimators import MLPClassifier, MLPRegressor

PAGE = Path(__file__).resolve().parents[2] / "docs" / "from-scikit-learn.md"
TEXT = PAGE.read_text(encoding="utf-8")
BLOCKS = re.findall(r"```python\n(.*?)```\n\n```text\n(.*?)```", TEXT, re.DOTALL)


@pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")
def test_the_page_prints_what_it_says():
    assert len(BLOCKS) == TEXT.count("```python") == 5
    names: dict = {}
    for code, printed in BLOCKS:
        out = io.StringIO()
        with contextlib.redirect_stdout(out), warnings.catch_warnings():
            warnings.simplefilter("ignore", ConvergenceWarning)
            exec(code, names)
        assert out.getvalue() == printed


def test_the_page_names_parameters_that_there_are():
    told = set(re.findall(r"`(\w+)=", TEXT.split("## What a fitted")[0]))
    there = {name for cls in (MLPClassifier, MLPRegressor) for name in inspect.signature(cls).parameters}
    assert told - there - {"allow_non_finite"} == set()
