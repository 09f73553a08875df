"""Text on its way to a terminal: what would steer it, hide text or turn its direction is written out as an escape.

Names of columns, files and classes, keys and errors of submissions are a stranger's text.
"""

import io
import os
import re
import shutil
from collections.abc import Callable
from typing import Any

MOST = 2000  # characters of an error; some thousands fill a screen
STEERING = re.compile(
    "[\x00-\x08\x0b-\x1f\x7f-\x9f"  # control characters but tab and line feed
    "\u061c\u200b\u200e\u200f\u2028-\u202e\u2060-\u206f\ufeff\ufff9-\ufffb\U000e0000-\U000e007f"  # direction, no width
    "\ud800-\udfff]"  # halves of a character
)


def printable(text: str) -> str:
    r"""The text with each steering character as Python writes it.

    >>> printable("name\x1b[2J, of\u202e cod.exe")
    'name\\x1b[2J, of\\u202e cod.exe'
    """
    return STEERING.sub(lambda found: ascii(found[0])[1:-1], text)


def one_line(text: str) -> str:
    """Text as one printable line, without its middle where it is very long.

    >>> one_line("a\\n  b"), len(one_line("x" * 5_000_000))
    ('a b', 2037)
    """
    line = " ".join(text.split())
    if len(line) > MOST:
        line = f"{line[: MOST - 500]} … ({len(line) - MOST:,} characters left out) … {line[-500:]}"
    return printable(line)


def console(**options: Any) -> Any:
    """A Rich console that takes text as it is: no markup, no :emoji:, nothing that steers the terminal."""
    from rich.console import Console
    from rich.segment import Segment

    class Plain(Console):
        def render(self, *arguments: Any, **keywords: Any) -> Any:
            """Rich's own control segments pass, for they are no text."""
            for text, style, control in super().render(*arguments, **keywords):
                yield Segment(text if control else printable(text), style, control)

    return Plain(markup=False, emoji=False, **options)


def captured(show: Callable[[Any], None]) -> str:
    """What `show` prints on a console of 80 columns, without colors or spaces at the ends."""
    plain = console(file=io.StringIO(), color_system=None, width=80)
    with plain.capture() as printed:
        show(plain)
    return "\n".join(line.rstrip() for line in printed.get().strip("\n").splitlines())


def as_text(*parts: Any) -> str:
    """The same of things that Rich can print, one under the other."""

    def show(plain: Any) -> None:
        for part in parts:
            plain.print(part)

    return captured(show)


def width(most: int) -> int:
    """Columns of this terminal, at most so many and at least 60."""
    return max(60, min(most, shutil.get_terminal_size().columns))


def piped_width() -> int | None:
    """Columns of the terminal that is behind a pipe, at least 60: COLUMNS, else what standard error or input are.

    None where there is no terminal.
    """
    named = os.environ.get("COLUMNS", "")
    if named.isdecimal() and int(named) > 0:
        return max(60, int(named))
    for stream in (2, 0):
        try:
            return max(60, os.get_terminal_size(stream).columns)
        except (OSError, ValueError):
            continue
    return None
