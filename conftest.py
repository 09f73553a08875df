"""Doctests whose example needs a package that is optional, such as PyTorch, are skipped where it is not installed."""

import os
import re
from importlib.util import find_spec

import pytest

os.environ.setdefault("KERAS_BACKEND", "torch")  # the one that the tests install; read when Keras is imported

NEEDS = {  # doctests that do not import the package themselves
    "backlit.formats.onnx_graphs.from_onnx": "onnx",
    "backlit.tabular.estimators.TabularClassifier": "pandas",
    "backlit.tabular.estimators.TabularRegressor": "pandas",
    "backlit.tabular.search.SearchResult": "optuna",
    "backlit.tabular.search.search": "optuna",
}


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Mark them as skipped, with the package that is missing."""
    for item in items:
        if isinstance(item, pytest.DoctestItem):
            source = "".join(example.source for example in item.dtest.examples)
            wanted = re.findall(r"^(?:import|from) (torch|keras|onnx|typst|pandas)\b", source, re.MULTILINE)
            wanted += [NEEDS[item.name]] if item.name in NEEDS else []
            if "keras" in wanted:  # it is one major version of NumPy behind
                item.add_marker(pytest.mark.filterwarnings("ignore::DeprecationWarning"))
            missing = [name for name in wanted if find_spec(name) is None]
            if missing:
                item.add_marker(pytest.mark.skip(reason=f"{missing[0]} is not installed"))
