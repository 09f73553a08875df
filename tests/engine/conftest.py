"""Without the compiled module the tests of the native engine are skipped, and the run says so.

`make sanitize` names another build of it in BACKLIT_NATIVE.
"""

import pytest
from tests.engine import other_build  # noqa: F401  before the module is loaded

from backlit.engine.native import extension

NATIVE = (
    "test_native",
    "test_functions",
    "test_training",
    "test_safety",
    "test_sharing",
    "test_bits",
    "test_border",
    "test_names",
)


def pytest_collection_modifyitems(items):
    if extension() is None:
        skip = pytest.mark.skip(reason="backlit._native is not built: pip install -e .")
        for item in items:
            if item.path.stem in NATIVE:
                item.add_marker(skip)
