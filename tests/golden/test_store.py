"""The comparison itself: each kind of difference is found, on the machine that was recorded and on any other."""

import numpy as np
import pytest
from tests.golden.store import ArrayStore, TextStore

THETA = np.linspace(-1, 1, 200)
HERE, ELSEWHERE = "this machine", "another machine"


@pytest.fixture
def arrays(tmp_path):
    store = ArrayStore(tmp_path, "fits")
    store.record("fit", {"theta": THETA, "slot_0": THETA, "labels": letters("no|yes")}, HERE)
    store.record("single", {"theta": THETA.astype(np.float32)}, HERE)
    store.write()
    return ArrayStore(tmp_path, "fits")


@pytest.fixture
def texts(tmp_path):
    store = TextStore(tmp_path, "outputs", lambda item: 1e-9 if item.endswith(".json") else 2e-4)
    for item in ("page.txt", "page.html", "page.json"):
        store.record(item, "the loss is 0.12346\nagrees to 1.2e-12\n", HERE)
    store.write()
    return TextStore(tmp_path, "outputs", store.tolerance)


def letters(text):
    return np.frombuffer(text.encode(), np.uint8)


def fit(theta=THETA, slot=THETA, labels="no|yes"):
    return {"theta": theta, "slot_0": slot, "labels": letters(labels)}


def moved(by, at=0):
    theta = THETA.copy()
    theta[at] += by
    return theta


@pytest.mark.parametrize("machine", [HERE, ELSEWHERE])
def test_the_same_is_no_difference(arrays, texts, machine):
    assert arrays.compare("fit", fit(), machine) == ""
    assert texts.compare("page.html", texts.of("page.html"), machine) == ""


@pytest.mark.parametrize(
    ("value", "says"),
    [
        (fit(moved(1e-15)), "in theta (not in slot_0, labels)"),
        (fit(moved(1e-15, at=1)), "what differs is not among the numbers that are kept"),
        (fit(slot=moved(1e-15)), "in slot_0 (not in theta, labels)"),
        (fit(THETA.reshape(2, 100)), "in theta"),
        (fit(labels="no|no"), "1 of 2 labels, first at [1]: 'yes' is now 'no'"),
        ({"theta": THETA}, "labels is missing"),
        (fit() | {"more": THETA}, "more is new"),
    ],
)
def test_where_it_was_recorded_each_bit_counts(arrays, value, says):
    assert says in arrays.compare("fit", value, HERE)


@pytest.mark.parametrize(
    ("item", "value", "says"),
    [
        ("fit", fit(moved(2e-9)), "theta: 1 of 64 numbers, most at [0]: -1.0 is now -0.999999998"),
        ("fit", fit(moved(np.nan)), "theta: 1 of 64 numbers, most at [0]: -1.0 is now nan"),
        ("fit", fit(THETA.astype(np.float32)), "theta: float64 (64,) is now float32 (64,)"),
        ("fit", fit(THETA[:50]), "theta: float64 (64,) is now float64 (50,)"),
        ("fit", fit(labels="no"), "labels: 2 labels are now 1"),
        ("single", {"theta": moved(2e-4).astype(np.float32)}, "theta: 1 of 64 numbers"),
    ],
)
def test_elsewhere_numbers_are_to_be_close(arrays, item, value, says):
    assert says in arrays.compare(item, value, ELSEWHERE)


def test_elsewhere_what_is_close_is_no_difference(arrays):
    assert arrays.compare("fit", fit(moved(5e-10)), ELSEWHERE) == ""
    assert arrays.compare("single", {"theta": moved(5e-5).astype(np.float32)}, ELSEWHERE) == ""


@pytest.mark.parametrize("item", ["page.txt", "page.html", "page.json"])
@pytest.mark.parametrize("machine", [HERE, ELSEWHERE])
def test_another_word_or_number_is_found_on_any_machine(texts, item, machine):
    for old, new in (("loss", "cost"), ("0.12346", "0.12446"), ("agrees", "agrees not"), ("1.2e-12", "1.2e-2")):
        found = texts.compare(item, texts.of(item).replace(old, new), machine)
        assert item in found
        assert new in found


def test_elsewhere_noise_is_no_difference(texts):
    text = texts.of("page.json").replace("1.2e-12", "3.4e-13").replace("0.12346", "0.123460000000001")
    assert texts.compare("page.json", text, ELSEWHERE) == ""
    assert "-agrees to 1.2e-12" in texts.compare("page.json", text, HERE)


def test_what_was_never_recorded_is_said(arrays):
    assert "was never recorded" in arrays.compare("nothing", fit(), HERE)


def test_a_new_machine_adds_its_bits_and_a_change_forgets_those_of_others(arrays):
    assert arrays.record("fit", fit(moved(1e-12)), ELSEWHERE) == "same numbers, bits of a new machine"
    assert arrays.compare("fit", fit(), HERE) == ""
    assert arrays.compare("fit", fit(), ELSEWHERE) != ""
    assert arrays.record("fit", fit(moved(0.5)), HERE).startswith("CHANGED: fit has other bits")
    assert "fit" not in arrays.sums[ELSEWHERE]
    assert arrays.compare("fit", fit(moved(0.5)), ELSEWHERE) == ""
    assert arrays.record("fit", fit(moved(0.5)), HERE) == "same"


def test_what_is_made_no_more_is_forgotten(texts):
    texts.drop("page.html")
    texts.write()
    again = TextStore(texts.folder, "outputs", texts.tolerance)
    assert again.known == {"page.txt", "page.json"}
    assert "page.html" not in again.sums[HERE]
