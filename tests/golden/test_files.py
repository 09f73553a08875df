"""Each file that a version wrote opens, predicts what it predicted, and goes on to where it went."""

import pytest
from tests.golden.files import items, lacking, unwritten
from tests.golden.machine import everything, one_thread
from tests.golden.store import AGAIN, FOLDER, ArrayStore

from backlit.errors import ProblemError

STORE = ArrayStore(FOLDER, "files")
KEPT = "A file that users have must open and go on as it did: this is a mistake (tests/golden/README.md)."
ITEMS = items()
pytestmark = pytest.mark.filterwarnings("ignore:backlit.io:DeprecationWarning")  # a pickle names it


@pytest.mark.parametrize("item", ITEMS)
def test_the_file_opens_and_is_what_it_was(item):
    path, open_it, needs = ITEMS[item]
    if reason := lacking(needs):
        pytest.skip(reason)
    known = item in STORE.sums.get(everything(), {})
    with one_thread():
        try:
            value = open_it(path)
        except ProblemError as error:
            if known or "belongs to another run: its data" not in str(error):
                raise
            pytest.skip(
                f"this machine encodes the table to other bits, and a checkpoint knows its data by them: {error}"
            )
    found = STORE.compare(item, value, everything())
    far = found and STORE.differences(item, value, exact=False)
    assert not found, f"{found}\n{KEPT if far else AGAIN}"


def test_every_recorded_file_is_still_there():
    assert STORE.known == set(ITEMS)


def test_there_is_a_file_of_each_kind():
    assert unwritten() == []
