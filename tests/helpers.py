"""What a message must be: one line of bounded length, which names what is wrong, what was received and the remedy.

A test names the facts of a message and leaves its prose free, so that a sentence can be made better without a test.

    with raises_naming(ProblemError, "W[1]", "3 columns", "give"):
        ...
"""

import re
from collections.abc import Iterator
from contextlib import contextmanager

import pytest

LONGEST = 400  # characters; the paths of a test's own folders take up to a third of it


@contextmanager
def raises_naming(
    error: type[BaseException], *names: str, longest: int = LONGEST
) -> Iterator[pytest.ExceptionInfo[BaseException]]:
    """Expect `error`, whose message is as `assert_names` demands."""
    with pytest.raises(error, match=r"\S") as caught:
        yield caught
    assert_names(str(caught.value), *names, longest=longest)


def assert_names(message: str, *names: str, longest: int = LONGEST) -> None:
    """Assert that `message` is one line, no longer than `longest`, and holds each of `names` as whole words.

    A name that begins or ends in a letter, a digit or _ is not part of a longer word there: "2" is not named by "12".
    """
    assert names, "say what the message must name"
    line = message.removesuffix("\n")
    assert len(line.splitlines()) == 1, f"not one line: {message!r}"
    assert len(line) <= longest, f"{len(line)} characters, more than {longest}: {line}"
    assert "Traceback" not in line, f"a traceback: {line}"
    missing = [name for name in names if not named(name, line)]
    assert not missing, f"{missing} not named in: {line}"


def named(name: str, line: str) -> bool:
    """Whether `name` stands in `line`, as whole words."""
    assert name.strip(), "an empty name is in every message"
    start, end = r"(?<!\w)" if is_word(name[0]) else "", r"(?!\w)" if is_word(name[-1]) else ""
    return re.search(start + re.escape(name) + end, line) is not None


def is_word(character: str) -> bool:
    """Whether a character is a letter, a digit or _."""
    return re.fullmatch(r"\w", character) is not None
