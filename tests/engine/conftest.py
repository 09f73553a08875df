"""Without the compiled module the tests of the native engine are skipped, and the run says so."""

import pytest

from backlit.engine.native import extension

NATIVE = ("test_native", "test_functions", "test_training", "test_safety", "test_sharing")


def pytest_collection_modifyitems(items):
    if extension() is None:
        skip = pytest.mark.skip(reason="backlit._native is not built: pip install -e .")
        for item in items:
            if item.path.stem in NATIVE:
                item.add_marker(skip)
