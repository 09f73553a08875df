"""Forward, backward, update: what a step's way is called and its marks; and styled text on a terminal."""

from collections.abc import Iterable
from typing import TYPE_CHECKING

from backlit import terminal

if TYPE_CHECKING:
    from rich.console import Console
    from rich.text import Text

SIGNS = {"forward": "▲", "backward": "▼", "update": "●"}
STYLES = ("forward", "backward", "update", "strong", "faint", "wrong")
OPEN = {style: chr(0xE000 + k) for k, style in enumerate(STYLES)}
CLOSE = chr(0xE00F)
MARKS = dict.fromkeys([*map(ord, OPEN.values()), ord(CLOSE)])
BACKWARD = ("grad_", "delta", "slope")


def way_of(source: str | None) -> str:
    """The way of the step that made a number; "" where it was given.

    >>> way_of("z[1]"), way_of("grad_W[2][0,1]"), way_of("given-W[1]"), way_of(None)
    ('forward', 'backward', '', '')
    """
    if not source or source.startswith("given"):
        return ""
    if source.startswith(("update", "clip")):
        return "update"
    return "backward" if source.startswith(BACKWARD) else "forward"


def styled(text: str, style: str) -> str:
    """Text between the marks of a style; as it is where there is none."""
    return f"{OPEN[style]}{text}{CLOSE}" if style and text else text


def plain(text: str) -> str:
    """Text without marks."""
    return text.translate(MARKS)


# blue and orange, which color-blind readers tell apart on light and on dark; ▲ ▼ ● say the same without color
LOOKS = {
    "forward": "dodger_blue2",
    "backward": "dark_orange3",
    "update": "medium_orchid",
    "strong": "bold",
    "faint": "dim",
    "wrong": "bold reverse",
}


def rich_text(line: str) -> "Text":
    """A marked line as Rich's text."""
    from rich.text import Text

    names = {mark: LOOKS[style] for style, mark in OPEN.items()}
    made, stack = Text(no_wrap=True, overflow="ignore"), [""]
    piece = ""
    for c in line:
        if c not in names and c != CLOSE:
            piece += c
            continue
        made.append(piece, " ".join(filter(None, stack)))
        piece = ""
        if c == CLOSE:
            del stack[max(len(stack) - 1, 1) :]  # a stranger's text may hold this sign alone
        else:
            stack.append(names[c])
    return made.append(piece)


def show(lines: Iterable[str], console: "Console | None" = None) -> None:
    """Print marked lines; the terminal's own width is taken as it is, so that no line is broken in two."""
    out = console or terminal.console(highlight=False)
    for line in lines:
        out.print(rich_text(line), crop=False, soft_wrap=True)


def width(most: int) -> int:
    """Columns of this terminal, at most so many and at least 60."""
    from shutil import get_terminal_size

    return max(60, min(most, get_terminal_size().columns))


def piped_width() -> int | None:
    """Columns of the terminal that is behind a pipe, at least 60: COLUMNS, else what standard error or input are.

    None where there is no terminal.
    """
    import os

    named = os.environ.get("COLUMNS", "")
    if named.isdecimal() and int(named) > 0:
        return max(60, int(named))
    for stream in (2, 0):
        try:
            return max(60, os.get_terminal_size(stream).columns)
        except (OSError, ValueError):
            continue
    return None
