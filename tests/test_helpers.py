"""The helpers of the tests find what they are there to find."""

import pytest
from tests.helpers import LONGEST, TooMuchWork, assert_names, bend, lines_run, raises_naming

LINE = "W[1] must have 3 columns, not 12: give the layer 3 units"


@pytest.mark.parametrize("names", [("W[1]",), ("W[1]", "3 columns", "give"), ("12:", "3 units")])
def test_what_is_named_is_found(names):
    assert_names(LINE, *names)
    assert_names(f"{LINE}\n", *names)  # a line that was printed
    with raises_naming(ValueError, *names) as caught:
        raise ValueError(LINE)
    assert str(caught.value) == LINE


@pytest.mark.parametrize(
    ("message", "names"),
    [
        (LINE, ("W[2]",)),
        (LINE, ("W[1]", "b[1]")),
        (LINE, ("2",)),  # 12 is another number
        (LINE, ("unit",)),
        (LINE, ()),
        (LINE, ("",)),
        (LINE, (" ",)),
        (f"{LINE}\nand more", ("W[1]",)),
        (f"Traceback (most recent call last): {LINE}", ("W[1]",)),
        (LINE + "." * LONGEST, ("W[1]",)),
    ],
)
def test_a_message_that_will_not_do_is_caught(message, names):
    with pytest.raises(AssertionError, match=r"."):
        assert_names(message, *names)
    with pytest.raises(AssertionError, match=r"."), raises_naming(ValueError, *names):
        raise ValueError(message)


def test_no_error_and_another_error_are_caught():
    with pytest.raises(pytest.fail.Exception, match="ValueError"), raises_naming(ValueError, "W[1]"):
        pass
    with pytest.raises(KeyError, match="other"), raises_naming(ValueError, "W[1]"):
        raise KeyError("other")


def pairs(n):
    return [a for a in range(n) for b in range(n)]


@pytest.mark.parametrize(("function", "least"), [
    (lambda n: [a + 1 for a in range(n)], 0),
    (pairs, 2 * 40**2),
    (lambda n: [sum(b for b in range(n)) for _ in range(n)], 2 * 40**2),
    (lambda n: [1 for a in range(n) for b in range(n) if a == b], 2 * 40**2),
])  # fmt: skip
def test_work_that_grows_with_the_square_bends(function, least):
    found = bend(lambda n: lines_run(lambda: function(n)), 40)
    assert found == 0 if least == 0 else least <= found < 2 * least


def test_a_loop_without_an_end_is_ended():
    def forever():
        while True:
            pass

    with pytest.raises(TooMuchWork, match="1000 lines"):
        lines_run(forever, most=1000)
    assert lines_run(lambda: None) == 1
