"""What tests that train share."""

from dataclasses import replace

import pytest

from backlit.tabular import ensemble
from backlit.tabular.presets import BINS_BY_TARGET, PRESETS


@pytest.fixture(scope="module", autouse=True)
def quickly(checked_once):
    """See `checked_once`."""


def smaller(preset):
    """A preset whose layers are an eighth as wide, and at least 16, and which is sooner out of patience."""
    return replace(preset, hidden=tuple(min(n, max(n // 8, 16)) for n in preset.hidden), patience=4)


@pytest.fixture(scope="module")
def small_presets():
    """The recipe's presets made small, for tests of what is made of their networks, whatever these have learned."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(ensemble, "PRESETS", tuple(map(smaller, PRESETS)))
        patch.setattr(ensemble, "BINS_BY_TARGET", smaller(BINS_BY_TARGET))
        yield


@pytest.fixture
def full_presets(monkeypatch):
    """Among those, a test that asks how well they learn."""
    monkeypatch.setattr(ensemble, "PRESETS", PRESETS)
