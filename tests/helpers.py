"""What a message must be, what work may be, and which parameters are tried when.

A message is one line of bounded length, which names what is wrong, what was received and the remedy.  A test names the
facts of a message and leaves its prose free, so that a sentence can be made better without a test.

    with raises_naming(ProblemError, "W[1]", "3 columns", "give"):
        ...

Work is counted in lines of Python that run, which no other program and no number of processors changes.
"""

import re
import sys
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from typing import Any

import pytest

HANGS = 300  # seconds after which a process is said to hang, on the slowest and busiest machine
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


class TooMuchWork(AssertionError):
    """More lines ran than may."""


def lines_run(function: Callable[[], Any], most: float = float("inf")) -> int:
    """How many lines of Python a call runs, those of each turn of a loop and of a comprehension among them.

    Raises TooMuchWork within the call as soon as they are more than `most`, so that a loop without an end has one.
    """
    lines, before = 0, sys.gettrace()

    def trace(frame: Any, event: str, argument: Any) -> Any:
        nonlocal lines
        lines += event == "line"
        if lines > most:
            raise TooMuchWork(f"more than {most:g} lines")
        return trace

    sys.settrace(trace)
    try:
        function()
    finally:
        sys.settrace(before)
    return lines


def bend(work: Callable[[int], float], n: int) -> float:
    """W(3n) − 2 W(2n) + W(n): 0 for work that grows evenly with n, and 2 n² for one more step of each with each."""
    return work(3 * n) - 2 * work(2 * n) + work(n)


def quick_every(parametrized: pytest.MarkDecorator, n: int) -> pytest.MarkDecorator:
    """The same parametrization, of which `make test` tries every nth row, and `make test-slow` the others."""
    names, values = parametrized.args
    rows = [value if hasattr(value, "marks") else pytest.param(*value) for value in values]
    slow = [[pytest.mark.slow] if k % n else [] for k in range(len(rows))]
    marked = [
        pytest.param(*row.values, marks=[*row.marks, *more], id=row.id) for row, more in zip(rows, slow, strict=True)
    ]
    return pytest.mark.parametrize(names, marked, **parametrized.kwargs)


def quick_first(values: Iterable[Any], n: int = 1) -> list[Any]:
    """Parameters of which `make test` tries the first n, and `make test-slow` the others."""
    rows = [value if isinstance(value, tuple) else (value,) for value in values]
    return [pytest.param(*row, marks=[pytest.mark.slow] if k >= n else []) for k, row in enumerate(rows)]
