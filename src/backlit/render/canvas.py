"""A canvas of characters for drawings in a terminal: lines are made of braille dots, words and boxes stand over them.

A character holds 2 × 4 dots; dots are counted from the upper left.

>>> canvas = Canvas(6, 2)
>>> canvas.line((0, 0), (11, 7))
>>> canvas.put(4, 0, "up")
>>> print("\\n".join(canvas.rows()))
⠑⠢⣀ up
   ⠉⠢⢄
"""

from backlit.render.boxes import width_of

DOTS = ((0x01, 0x02, 0x04, 0x40), (0x08, 0x10, 0x20, 0x80))  # Unicode's bit for each dot, by column and row
BLANK = 0x2800


class Canvas:
    """Braille dots below, characters above."""

    def __init__(self, width: int, height: int):
        self.width, self.height = width, height
        self.dots = [[0] * width for _ in range(height)]
        self.over: list[list[str | None]] = [[None] * width for _ in range(height)]

    def dot(self, x: int, y: int) -> None:
        """One dot; outside of the canvas nothing is drawn."""
        column, row = x // 2, y // 4
        if 0 <= column < self.width and 0 <= row < self.height:
            self.dots[row][column] |= DOTS[x % 2][y % 4]

    def line(self, start: tuple[float, float], end: tuple[float, float], *, dashed: bool = False) -> None:
        """A straight line, in dots; dashed ones have gaps as long as their dashes."""
        (x1, y1), (x2, y2) = start, end
        steps = max(1, round(max(abs(x2 - x1), abs(y2 - y1))))
        for k in range(steps + 1):
            if not dashed or k % 6 < 3:
                self.dot(round(x1 + (x2 - x1) * k / steps), round(y1 + (y2 - y1) * k / steps))

    def put(self, x: int, y: int, text: str) -> None:
        """Words from a character on; a combining mark stays with the letter before it."""
        for c in text:
            if width_of(c) == 0 and x > 0:
                self.over[y][x - 1] = (self.over[y][x - 1] or "") + c
            elif 0 <= x < self.width and 0 <= y < self.height:
                self.over[y][x] = c
                x += 1

    def center(self, x: int, y: int, text: str) -> None:
        """Words around a character."""
        self.put(x - width_of(text) // 2, y, text)

    def box(self, x: int, y: int, lines: list[str], width: int, *, dashed: bool = False) -> None:
        """A box with lines in it, its upper left at a character."""
        across, down = ("╌", "┊") if dashed else ("─", "│")
        self.put(x, y, "╭" + across * (width - 2) + "╮")
        for k, line in enumerate(lines, start=1):
            room = width - 2 - width_of(line)
            self.put(x, y + k, down + " " * (room // 2) + line + " " * (room - room // 2) + down)
        self.put(x, y + len(lines) + 1, "╰" + across * (width - 2) + "╯")

    def rows(self) -> list[str]:
        """The lines of text, without blanks at their ends."""
        made = []
        for dots, over in zip(self.dots, self.over, strict=True):
            cells = [c if c is not None else chr(BLANK + d) if d else " " for d, c in zip(dots, over, strict=True)]
            made.append("".join(cells).rstrip())
        return made
