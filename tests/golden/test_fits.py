"""Each fit has the bits that were recorded for this machine; on a machine that was never recorded, close numbers."""

import pytest
from tests.golden.fits import FITS, missing
from tests.golden.library import extension
from tests.golden.machine import one_thread
from tests.golden.store import AGAIN, FOLDER, ArrayStore

STORE = ArrayStore(FOLDER, "fits")


def quick(item, native):
    """Whether `make test` makes a fit: the textbook in float64, and the instructions that the engine takes itself."""
    if not native:
        return "float32" not in item
    return native == "any" or (extension() is not None and native == extension().instruction_sets()[0])


@pytest.mark.parametrize(
    "item",
    [pytest.param(item, marks=[] if quick(item, fit.native) else [pytest.mark.slow]) for item, fit in FITS.items()],
)
def test_the_fit_is_the_one_that_was_recorded(item):
    fit = FITS[item]
    if reason := missing(fit.native):
        pytest.skip(reason)
    with one_thread():
        found = STORE.compare(item, fit.run(), fit.machine())
    assert not found, f"{found}\n{AGAIN}"


def test_every_recorded_fit_is_still_made():
    assert STORE.known == set(FITS)
