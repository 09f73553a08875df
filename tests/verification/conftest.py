"""What tests of the checker share."""

import pytest

from backlit.verification import problem_check
from backlit.verification.agreement import Agreement


@pytest.fixture
def trusted(monkeypatch):
    """`check` takes for granted that the oracles agree, for most of its time; test_agreement.py asks them."""
    monkeypatch.setattr(problem_check, "agreed_on", lambda problem: Agreement({"tape": 0.0}, {}, True, "", {}))
