"""The drawings of a derivation in characters, for a terminal, a text file and Markdown."""

from dataclasses import replace
from itertools import pairwise

from backlit.derivation.document import Diagram, Edge, Node, Plot
from backlit.render.unicode_math import short, width_of

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


NARROW = 3  # characters between two columns of units at least
MOST = 12  # lines between two columns; of more, the largest are drawn
LABELED = 14  # characters between them from which on lines carry their weights
BOX, SIDE = 25, 3  # a box of the graph, and the room beside it
PLOT = (46, 11)


def drawn_text(block: Diagram | Plot, width: int) -> list[str]:
    """The drawing in lines of at most `width` characters."""
    if isinstance(block, Plot):
        return plot(block)
    return network(block, width) if block.shape == "circle" else graph(block, width)


# --- the network ----------------------------------------------------------------------------


def network(diagram: Diagram, width: int) -> list[str]:
    """Boxes in columns, joined by lines of dots; negative weights are dashed.  What is too wide is drawn in parts."""
    units = [n for n in diagram.nodes if n.kind not in ("name", "tag")]
    columns = int(max(n.column for n in units)) + 1
    wide = max(width_of(text) for n in units for text in (f"│{n.label}│", n.below))
    fit = max(2, (width + NARROW) // (wide + NARROW))
    edges = strongest(diagram)
    made: list[str] = []
    for first in range(0, max(1, columns - 1), fit - 1):
        last = min(first + fit, columns)
        part = [replace(n, column=n.column - first) for n in units if first <= n.column < last]
        ids = {n.id for n in part}
        made += [f"(from column {first} on)"] if first else []
        made += band(part, [e for e in edges if {e.start, e.end} <= ids], (last - first, wide, width))
    if sum(e.kind != "skip" for e in diagram.edges) > len(edges):
        made.append(f"(of many weights the largest {MOST} are drawn)")
    return made + besides(diagram)


def band(nodes: list[Node], edges: list[Edge], size: tuple[int, int, int]) -> list[str]:
    """Some columns of units.  size : columns, characters of the widest, and of a line."""
    columns, wide, width = size
    gap = max(NARROW, min(22, (width - columns * wide) // max(1, columns - 1)))
    rows = max(n.row for n in nodes)
    canvas = Canvas(columns * wide + (columns - 1) * gap, round(rows * 5) + 4)
    place = {n.id: (int(n.column) * (wide + gap), round(n.row * 5)) for n in nodes}
    labels = [weight_line(canvas, edge, place, wide) for edge in edges]
    for node in nodes:
        unit(canvas, node, place[node.id], wide)
    for x, y, label in labels if gap >= LABELED else []:
        if label:
            canvas.center(x, y, f" {label} ")
    return canvas.rows()


def besides(diagram: Diagram) -> list[str]:
    """What layers have besides units and weights, in words."""
    made = [f"layer {n.id.split('.')[0]}: {n.label}" for n in diagram.nodes if n.kind == "tag"]
    made += [
        f"layer {e.end.split('.')[0]}: {e.label} from layer {e.start.split('.')[0]}"
        for e in diagram.edges
        if e.kind == "skip"
    ]
    gone = ["units with ╳ beside them are dropped"] if any(n.kind == "dropped" for n in diagram.nodes) else []
    return made + gone


def strongest(diagram: Diagram) -> list[Edge]:
    """The lines that a column of dots can show: between two columns, those of the largest weights."""
    column = {n.id: n.column for n in diagram.nodes}
    kept: list[Edge] = []
    for here in sorted(set(column.values())):
        edges = [edge for edge in diagram.edges if column[edge.end] == here and edge.kind != "skip"]
        kept += sorted(edges, key=lambda edge: -abs(edge.weight))[:MOST]
    return kept


def weight_line(canvas: Canvas, edge: Edge, place: dict[str, tuple[int, int]], wide: int) -> tuple[int, int, str]:
    """A line from side to side; where its weight stands, near the start, and the weight."""
    (x1, y1), (x2, y2) = place[edge.start], place[edge.end]
    a, b = (x1 + wide, y1 + 1), (x2 - 1, y2 + 1)
    canvas.line((2 * a[0], 4 * a[1] + 2), (2 * b[0], 4 * b[1] + 2), dashed=edge.weight < 0)
    return round(a[0] + 0.36 * (b[0] - a[0])), round(a[1] + 0.36 * (b[1] - a[1])), edge.label


def unit(canvas: Canvas, node: Node, at: tuple[int, int], wide: int) -> None:
    """A unit with its activation in it and its δ below; dots stand alone."""
    x, y = at
    if node.kind == "dots":
        canvas.center(x + wide // 2, y + 1, node.label)
        canvas.center(x + wide // 2, y + 2, node.below)
        return
    canvas.box(x, y, [node.label], wide, dashed=node.kind in ("input", "dropped"))
    if node.kind == "dropped":
        canvas.put(x + wide - 1, y, "╳")
    canvas.center(x + wide // 2, y + 3, node.below)


# --- the graph ----------------------------------------------------------------------------


def graph(diagram: Diagram, width: int) -> list[str]:
    """Boxes from the inputs at the foot up to the loss; parameters come in from the sides."""
    tops, height = levels(diagram)
    side = SIDE if width >= 3 * BOX + 2 * SIDE + 2 else 1
    canvas = Canvas(3 * BOX + 2 * side + 4, height)
    place = {n.id: (n.row * (BOX + side), tops[n.column]) for n in diagram.nodes}
    for edge in diagram.edges:
        arrow(canvas, edge, place)
    for node in diagram.nodes:
        box(canvas, node, place[node.id], lines_on(diagram, node.column))
    return canvas.rows()


def lines_of(node: Node) -> int:
    """The lines of a node's text."""
    return 1 + len(node.below.splitlines())


def lines_on(diagram: Diagram, column: float) -> int:
    """The lines of the tallest box of a level."""
    return max(lines_of(n) for n in diagram.nodes if n.column == column)


def levels(diagram: Diagram) -> tuple[dict[float, int], int]:
    """The first line of each level, the loss's first, and the lines of all."""
    tops, y = {}, 0
    for column in sorted({n.column for n in diagram.nodes}, reverse=True):
        tops[column] = y
        y += lines_on(diagram, column) + 3
    return tops, y - 1


def box(canvas: Canvas, node: Node, at: tuple[float, int], lines: int) -> None:
    """An operation or a leaf (dashed), filled up to its level's height."""
    x, y = round(at[0]), at[1]
    text = [node.label, *node.below.splitlines()]
    if node.kind == "dots":
        for k, line in enumerate(text):
            canvas.center(x + BOX // 2, y + 1 + k, line)
        return
    canvas.box(x, y, text + [""] * (lines - len(text)), BOX, dashed=node.kind == "input")


def arrow(canvas: Canvas, edge: Edge, place: dict[str, tuple[float, int]]) -> None:
    """Up to the next box, from the side into it, or around what a skip passes over."""
    (x1, y1), (x2, y2) = place[edge.start], place[edge.end]
    middle = round(x2) + BOX // 2
    if edge.kind == "skip":
        skip(canvas, round(x1) + BOX, y1 + 1, y2 + 1)
    elif y1 == y2:
        left = x1 < x2
        start, end = (round(x1) + BOX, round(x2)) if left else (round(x2) + BOX, round(x1))
        between = "─" * (end - start - 1)
        canvas.put(start, y1 + 1, between + "▶" if left else "◀" + between)
    else:
        canvas.put(middle, y1 - 1, "▲")


def skip(canvas: Canvas, x: int, low: int, high: int) -> None:
    """A way at the right of the middle, from a lower box to a higher one."""
    canvas.put(x, low, "╌╯")
    for y in range(high + 1, low):
        canvas.put(x + 1, y, "╎")
    canvas.put(x, high, "◀╮")


# --- a plot ----------------------------------------------------------------------------


def plot(block: Plot) -> list[str]:
    """Both curves in dots, the second dashed, and ● where the network is."""
    width, height = PLOT
    low, high = block.reach
    x0, x1 = block.x[0], block.x[-1]
    canvas = Canvas(width + 8, height + 1)

    def at(x: float, y: float) -> tuple[float, float]:
        return 16 + (x - x0) / (x1 - x0) * (2 * width - 20), (high - y) / (high - low) * (4 * height - 5)

    canvas.line(at(x0, 0), at(x1, 0), dashed=True)
    for k, (_, curve) in enumerate(block.curves):
        points = [at(x, y) for x, y in zip(block.x, curve, strict=True)]
        for n, (a, b) in enumerate(pairwise(points)):
            if k == 0 or n % 2:
                canvas.line(a, b)
    for point in block.points:
        x, y = at(*point)
        canvas.put(round(x) // 2, round(y) // 4, "●")
    for value in (high, low):
        canvas.put(0, round(at(0, value)[1]) // 4, f"{short(value):>7}")
    canvas.put(6, height, short(x0))
    canvas.put(width + 3, height, short(x1))
    solid, dashed = (name for name, _ in block.curves)
    return [f"        ━━ {solid}   ╍╍ {dashed}   ● {dashed} where this network is", *canvas.rows()]
