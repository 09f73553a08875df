"""What tests of diagnoses share."""

import pytest

from backlit.diagnosis import simulation
from backlit.render import diagnosis as plots


@pytest.fixture
def few_draws(monkeypatch):
    """Bands come from few draws, which take most of a diagnosis's time; test_simulation.py asks what bands hold."""
    monkeypatch.setattr(simulation, "MOST", simulation.FEWEST)


@pytest.fixture
def unplotted(monkeypatch):
    """Pages whose plots are empty, for they take most of the time."""
    monkeypatch.setattr(plots, "svg", lambda draw, title, **size: "<svg></svg>")
