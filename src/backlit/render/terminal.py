"""Styled text on a terminal: Rich gives the colors, and leaves them out where it should (a pipe, NO_COLOR)."""

from collections.abc import Iterable
from typing import TYPE_CHECKING

from backlit.render.ways import CLOSE, OPEN

if TYPE_CHECKING:
    from rich.console import Console
    from rich.text import Text

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
            stack.pop()
        else:
            stack.append(names[c])
    return made.append(piece)


def show(lines: Iterable[str], console: "Console | None" = None) -> None:
    """Print marked lines; the terminal's own width is taken as it is, so that no line is broken in two."""
    from rich.console import Console

    out = console or Console(highlight=False)
    for line in lines:
        out.print(rich_text(line), crop=False, soft_wrap=True)


def width(most: int) -> int:
    """Columns of this terminal, at most so many and at least 60."""
    from shutil import get_terminal_size

    return max(60, min(most, get_terminal_size().columns))
