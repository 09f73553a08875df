"""Settings of the whole test suite: Hypothesis profiles, and `tests` as a place to import shared strategies from."""

import os

# before NumPy is read, here and in what tests start: BLAS's second thread waits by spinning, for a third of all time
os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")
os.environ.setdefault("OMP_WAIT_POLICY", "passive")  # and so do those that grow scikit-learn's trees
# before Dask is read: on a busy machine the processes of a cluster start slowly, and stand still now and then
os.environ.update({f"DASK_BACKLIT__{name}": "300" for name in ("CONNECT", "SILENT", "LIMIT")})

import gc
import hashlib
import pickle
import signal
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, settings

ROOT = str(Path(__file__).resolve().parent.parent)
if ROOT not in sys.path:  # so that `from tests.strategies import problems` works for `pytest` and `python -m pytest`
    sys.path.insert(0, ROOT)

if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:  # so a shell starts what it runs in the background
    signal.signal(signal.SIGINT, signal.default_int_handler)

# a shared machine may be slow at any moment, and no test here is about time
PATIENT = settings(deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.register_profile("dev", PATIENT, max_examples=15)  # `draws` of tests/strategies.py goes by these numbers
settings.register_profile("ci", PATIENT, max_examples=60, derandomize=True, print_blob=True)
settings.register_profile("long", PATIENT, max_examples=2000)
settings.load_profile(os.environ.get("HYPOTHESIS_PROFILE", "ci" if os.environ.get("CI") else "dev"))


def pytest_collection_finish():
    """What is imported now stays, and no collector looks at it again."""
    gc.collect()
    gc.freeze()


@pytest.fixture(scope="module")
def collected():
    """The same of what the tests before have left: a cluster's client collects before and after each use."""
    pytest_collection_finish()


@pytest.fixture(autouse=hasattr(signal, "SIGALRM"))
def hangs():
    """Nothing may hang: after twenty minutes the test is interrupted."""

    def late(*_):
        raise TimeoutError("this hangs")

    before = signal.signal(signal.SIGALRM, late)
    signal.alarm(1200)
    yield
    signal.alarm(0)
    signal.signal(signal.SIGALRM, before)


@pytest.fixture
def rng():
    """A generator with a fixed seed, for tests that want numbers and no drawing."""
    return np.random.default_rng(20240)


BOOSTED: dict[str, Any] = {}  # what gradient boosting said, by a digest of what it was given
CHECKED: list[tuple[Any, Any]] = []  # (layers of however many inputs, and an engine; what a check of them said)


@pytest.fixture(scope="module")
def checked_once():
    """`train` checks an engine's gradient once for layers alike, and boosts trees once for the same rows.

    Both take most of a short run.  For tests that train and ask something else; what is checked before a run,
    tests/training asks, and tests/tabular/test_baselines.py what is boosted.
    """
    from backlit.tabular import assessment, members, recipe, streamed

    check, boost = recipe.check_engine, assessment.gradient_boosting

    def boosted(*given):
        asked = hashlib.sha256(pickle.dumps(given)).hexdigest()
        if asked not in BOOSTED:
            BOOSTED[asked] = boost(*given)
        return BOOSTED[asked]

    def once(net, params, data, settings):
        asked = (net.layers, net.loss, net.l2, settings.engine, params.theta.dtype)
        found = [made for of, made in CHECKED if of == asked]
        if not found:
            found.append(check(net, params, data, settings))
            CHECKED.append((asked, found[0]))
        return found[0]

    with pytest.MonkeyPatch.context() as patch:
        for module in (members, recipe, streamed):
            patch.setattr(module, "check_engine", once)
        patch.setattr(assessment, "gradient_boosting", boosted)
        yield
