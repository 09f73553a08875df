"""Settings of the whole test suite: Hypothesis profiles, and `tests` as a place to import shared strategies from."""

import os

# before NumPy is read, here and in what tests start: BLAS's second thread waits by spinning, for a third of all time
os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")

import sys
from pathlib import Path

import numpy as np
import pytest
from hypothesis import settings

ROOT = str(Path(__file__).resolve().parent.parent)
if ROOT not in sys.path:  # so that `from tests.strategies import problems` works for `pytest` and `python -m pytest`
    sys.path.insert(0, ROOT)

# deadline=None: a shared machine may be slow at any moment, and no test here is about time
settings.register_profile("dev", deadline=None, max_examples=60)
settings.register_profile("ci", deadline=None, max_examples=60, derandomize=True, print_blob=True)
settings.register_profile("long", deadline=None, max_examples=2000)
settings.load_profile(os.environ.get("HYPOTHESIS_PROFILE", "ci" if os.environ.get("CI") else "dev"))


@pytest.fixture
def rng():
    """A generator with a fixed seed, for tests that want numbers and no drawing."""
    return np.random.default_rng(20240)
