"""What tests of the derivation share."""

import pytest

from backlit.derivation import checks


@pytest.fixture
def unchecked(monkeypatch):
    """`derive` checks no gradient, for a third of its time; test_checks.py asks that it does."""
    monkeypatch.setattr(checks, "check", lambda *args: {})
