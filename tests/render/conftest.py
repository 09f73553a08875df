"""What tests that train share."""

import pytest


@pytest.fixture(scope="module", autouse=True)
def quickly(checked_once):
    """See `checked_once`."""
