"""The machine that plans of memory are counted for."""

import pytest

from backlit import processors


@pytest.fixture
def two_processors(monkeypatch):
    """As each thread has a workspace, the least memory that is possible hangs on their number."""
    monkeypatch.setattr(processors, "processors_of_process", lambda: 2)
    monkeypatch.delenv("OMP_NUM_THREADS", raising=False)
