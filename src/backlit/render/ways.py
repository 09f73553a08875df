"""Forward, backward, update: what a step's way is called, its sign and its marks; the same in every format.

Text is styled by marks of no width around it, which become colors in a terminal and nothing in a file.
"""

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
