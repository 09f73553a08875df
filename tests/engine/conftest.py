"""Without the compiled module the tests of the native engine are skipped, and the run says so.

`make sanitize` names another build of it in BACKLIT_NATIVE.
"""

import importlib.util
import os
import sys

import pytest

if "BACKLIT_NATIVE" in os.environ:
    found = importlib.util.spec_from_file_location("backlit._native", os.environ["BACKLIT_NATIVE"])
    sys.modules["backlit._native"] = importlib.util.module_from_spec(found)
    found.loader.exec_module(sys.modules["backlit._native"])


from backlit.engine.native import extension

NATIVE = ("test_native", "test_functions", "test_training", "test_safety", "test_sharing")


def pytest_collection_modifyitems(items):
    if extension() is None:
        skip = pytest.mark.skip(reason="backlit._native is not built: pip install -e .")
        for item in items:
            if item.path.stem in NATIVE:
                item.add_marker(skip)
