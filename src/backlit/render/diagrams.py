"""A derivation's drawings: where the marks of the network, the computational graph and an activation stand.

`backlit.drawing` says what marks are and writes SVG; TikZ and Typst are written here.
"""

from collections.abc import Callable

from backlit.derivation.document import Diagram, Edge, Node, Plot
from backlit.drawing import HUES, Group, Mark, Picture, Point, Shape, Stroke, Word
from backlit.render.unicode_math import short

COLUMN, CLOSE, ROW, RADIUS, MARGIN = 160, 108, 96, 32, 48  # the network; closer where the lines carry no weights
ARC = 40  # room for a skip
BOX, ACROSS, LINE, BETWEEN = 180, 226, 15, 34  # the graph: a box, boxes side by side, a line of text, room for arrows
SMALL = 0.62  # room that a letter takes, of its size
PLOT = (300, 180, 30)  # width, height and margin of a plot


def drawn(block: Diagram | Plot) -> Picture:
    """The picture of a drawing."""
    if isinstance(block, Plot):
        return plot(block)
    return network(block) if block.shape == "circle" else graph(block)


# --- the network: columns of circles from left to right ---------------------------------------------------------------


def network(diagram: Diagram) -> Picture:
    """Circles joined by lines whose width is the weight's size; negative ones are dashed."""
    across = COLUMN if any(edge.label for edge in diagram.edges if edge.kind != "skip") else CLOSE
    units = [n for n in diagram.nodes if n.kind not in ("name", "tag")]
    top = MARGIN + max((ARC for edge in diagram.edges if edge.kind == "skip"), default=0)
    place = {n.id: (MARGIN + n.column * across, top + n.row * ROW) for n in units}
    foot = max(y for _, y in place.values()) + RADIUS + 26
    marks = [arc for edge in diagram.edges if edge.kind == "skip" for arc in skip_marks(edge, place)]
    marks += layers_of_weights(diagram, place)
    marks += [unit_marks(node, place[node.id]) for node in units]
    below, lines = names(diagram, across, foot)
    width = max(x for x, _ in place.values()) + MARGIN
    return Picture(diagram.caption, diagram.description, width, foot + 16 * lines, (*marks, *below))


def layers_of_weights(diagram: Diagram, place: dict[str, Point]) -> list[Mark]:
    """The weights of each layer together, which lead to their gradient."""
    links = dict.fromkeys(edge.link for edge in diagram.edges if edge.kind != "skip")
    return [
        Group(tuple(mark for edge in diagram.edges if edge.link == link and edge.kind != "skip"
                    for mark in weight_marks(edge, place)), link)
        for link in links
    ]  # fmt: skip


def weight_marks(edge: Edge, place: dict[str, Point]) -> list[Stroke | Word]:
    """A line from border to border with its weight near the start, where the lines that meet at one unit lie apart."""
    (x1, y1), (x2, y2) = place[edge.start], place[edge.end]
    x1, x2 = x1 + RADIUS, x2 - RADIUS - 2
    line = Stroke(((x1, y1), (x2, y2)), "forward", 0.8 + 2.6 * abs(edge.weight), edge.weight < 0, tip=True)
    if not edge.label:
        return [line]
    at = (x1 + 0.28 * (x2 - x1), y1 + 0.28 * (y2 - y1) - 3)
    return [line, Word(at, edge.label, size=10.5, halo=True)]


def skip_marks(edge: Edge, place: dict[str, Point]) -> list[Mark]:
    """An arc over the columns between, with its scale."""
    (x1, y1), (x2, y2) = place[edge.start], place[edge.end]
    a, b = (x1, y1 - RADIUS), (x2, y2 - RADIUS - 2)
    top = min(a[1], b[1]) - 1.3 * ARC
    bend = Stroke((a, (x1 + 24, top), (x2 - 24, top), b), "update", 1.6, tip=True, curved=True)
    middle = ((x1 + x2) / 2, (6 * top + a[1] + b[1]) / 8)  # of a cubic curve
    return [Group((bend, Word((middle[0], middle[1] - 4), edge.label, "update", 10.5, halo=True)), edge.link)]


def names(diagram: Diagram, across: float, foot: float) -> tuple[list[Mark], int]:
    """The columns' names and tags, one under the other; and how many lines they take."""
    marks: list[Mark] = []
    lines: dict[float, int] = {}
    for node in diagram.nodes:
        if node.kind not in ("name", "tag"):
            continue
        lines[node.column] = line = lines.get(node.column, 0) + 1
        at = (MARGIN + node.column * across, foot + 16 * line - 8)
        word = Word(at, node.label, "soft" if node.kind == "name" else "ink", 10.5)
        box = Shape((at[0], at[1] - 3.5), (SMALL * 10.5 * len(node.label) + 6, 15), hue="line")
        marks.append(Group((word,) if node.kind == "name" else (box, word), node.link))
    return marks, max(lines.values(), default=0)


def unit_marks(node: Node, at: Point) -> Mark:
    """A unit with its activation in it and its δ below; dots stand alone."""
    x, y = at
    below = tuple(
        Word((x, y + RADIUS + 14 + 13 * k), line, "soft" if node.kind in ("dots", "input") else "backward")
        for k, line in enumerate(node.below.splitlines())
    )
    if node.kind == "dots":
        return Group((Word((x, y + 6), node.label, size=18), *below), "")
    size = min(11.0, (2 * RADIUS - 6) / (SMALL * len(node.label)))
    dropped = node.kind == "dropped"
    dashed, hue, d = dropped or node.kind == "input", "soft" if dropped else "ink", RADIUS * 0.7
    shape = Shape(at, (2 * RADIUS, 2 * RADIUS), round=True, hue=hue, dashed=dashed)
    cross = (Stroke(((x - d, y - d), (x + d, y + d)), "soft"),) if dropped else ()
    return Group((shape, *cross, Word((x, y + 4), node.label, size=size, halo=dropped), *below), node.link)


# --- the graph: boxes from the inputs at the foot up to the loss ------------------------------------------------------


def graph(diagram: Diagram) -> Picture:
    """Boxes with their numbers, joined by arrows that go up as the values do."""
    tops, height = levels(diagram)
    middle = ACROSS + BOX / 2 + 4
    place = {n.id: (middle + (n.row - 1) * ACROSS, tops[n.column] + tall(diagram, n.column) / 2) for n in diagram.nodes}
    size = {n.id: tall(diagram, n.column) for n in diagram.nodes}
    marks: list[Mark] = [arrow for edge in diagram.edges for arrow in arrows(edge, place, size)]
    marks += [box_marks(n, place[n.id], size[n.id]) for n in diagram.nodes]
    return Picture(diagram.caption, diagram.description, 2 * middle, height, tuple(marks))


def levels(diagram: Diagram) -> tuple[dict[float, float], float]:
    """The top of each level, the loss's first, and the height of all."""
    tops, y = {}, 4.0
    for column in sorted({n.column for n in diagram.nodes}, reverse=True):
        tops[column] = y
        y += tall(diagram, column) + BETWEEN
    return tops, y - BETWEEN + 4


def tall(diagram: Diagram, column: float) -> float:
    """The height of the boxes of a level."""
    lines = max(1 + len(n.below.splitlines()) for n in diagram.nodes if n.column == column)
    return LINE * lines + 12


def arrows(edge: Edge, place: dict[str, Point], size: dict[str, float]) -> list[Mark]:
    """Up to the next box, from the side into it, or around what a skip passes over."""
    (x1, y1), (x2, y2) = place[edge.start], place[edge.end]
    if edge.kind == "skip":
        a, b = (x1 + BOX / 2, y1), (x2 + BOX / 2 + 2, y2)
        bend = Stroke((a, (a[0] + 44, y1 - 10), (b[0] + 44, y2 + 10), b), "update", 1.6, True, True, True)
        return [bend, Word((a[0] + 22, (y1 + y2) / 2 + 4), edge.label, "update", 10.5, halo=True)]
    if y1 == y2:
        way = 1 if x2 > x1 else -1
        return [Stroke(((x1 + way * BOX / 2, y1), (x2 - way * (BOX / 2 + 2), y2)), "forward", 1.6, tip=True)]
    return [Stroke(((x1, y1 - size[edge.start] / 2), (x2, y2 + size[edge.end] / 2 + 2)), "forward", 1.6, tip=True)]


def box_marks(node: Node, at: Point, height: float) -> Mark:
    """An operation, or a leaf (dashed), with what went up and what came down."""
    x, y = at
    lines = node.below.splitlines()
    first = y - LINE * (len(lines) + 1) / 2 + 11
    words = [Word((x, first), node.label, size=12)]
    words += [Word((x, first + LINE * k), line, side(line)) for k, line in enumerate(lines, start=1)]
    if node.kind == "dots":
        return Group(tuple(words), "")
    return Group((Shape(at, (BOX, height), dashed=node.kind == "input"), *words), node.link)


def side(line: str) -> str:
    """The color of a value on its way up, or of a slope on its way down."""
    return {"▲": "forward", "▼": "backward"}.get(line[:1], "soft")


# --- a plot -----------------------------------------------------------------------------------------------------------


def plot(block: Plot) -> Picture:
    """Two curves over x, the second dashed, with the points that the network visits."""
    width, height, pad = PLOT
    low, high = block.reach
    x0, x1 = block.x[0], block.x[-1]

    def at(x: float, y: float) -> Point:
        return (
            pad + (x - x0) / (x1 - x0) * (width - 2 * pad),
            height - pad - (y - low) / (high - low) * (height - 2 * pad),
        )

    marks: list[Mark] = [Stroke((at(x0, 0), at(x1, 0)), "line", 1), Stroke((at(0, low), at(0, high)), "line", 1)]
    for k, (name, curve) in enumerate(block.curves):
        marks += curve_marks(k, name, tuple(at(x, y) for x, y in zip(block.x, curve, strict=True)))
    marks += [Shape(at(x, y), (6.4, 6.4), True, "paper", "backward") for x, y in block.points]
    marks += ticks(block, at, low, high)
    return Picture(block.caption, block.description, width, height, tuple(marks))


def curve_marks(k: int, name: str, points: tuple[Point, ...]) -> list[Mark]:
    """A curve with its line in the key above."""
    hue, x = ("forward", "backward")[k % 2], PLOT[2] + 70 * k
    key = Stroke(((x, 11), (x + 24, 11)), hue, 2, bool(k))
    return [Stroke(points, hue, 2, bool(k)), key, Word((x + 30, 15), name, hue, anchor="start")]


def ticks(block: Plot, at: Callable[[float, float], Point], low: float, high: float) -> list[Mark]:
    """The ends of both axes."""
    x0, x1 = block.x[0], block.x[-1]
    ends = [Word((at(x, 0)[0], PLOT[1] - 8), short(x), "soft", 10) for x in (x0, x1)]
    zero = [Word((at(0, 0)[0] + 3, at(0, high)[1] + 3), short(high), "soft", 10, "start")]
    foot = [Word((at(0, 0)[0] + 3, at(0, low)[1] + 3), short(low), "soft", 10, "start")] if low < -0.05 else []
    return [*ends, *zero, *foot]


# --- as TikZ and in Typst ---------------------------------------------------------------------------------------------

TIKZ_TEXT = (468.0, 640.0)  # pt of an A4 page with margins of 2.2 cm that a drawing may take
ANCHORS = {"middle": "base", "start": "base west", "end": "base east"}
TIKZ_PREAMBLE = "\n".join(rf"\definecolor{{{name}}}{{HTML}}{{{code.upper()}}}" for name, code in HUES.items())


def tikz(picture: Picture, words: Callable[[str], str], room: Point = TIKZ_TEXT) -> str:
    """A tikzpicture that fits the page, or other room; `words` writes plain words for LaTeX."""
    pt = picture.fitted(*room)
    head = rf"\begin{{tikzpicture}}[x={pt:.4f}bp,y=-{pt:.4f}bp,inner sep=1pt,outer sep=0pt,>=latex]"
    return "\n".join([head, *(mark_tikz(mark, pt, words) for mark in picture.flat()), r"\end{tikzpicture}"])


def tikz_at(point: Point) -> str:
    """(x,y)."""
    return f"({point[0]:.1f},{point[1]:.1f})"


def mark_tikz(mark: Stroke | Shape | Word, pt: float, words: Callable[[str], str]) -> str:
    """One mark."""
    match mark:
        case Stroke():
            return stroke_tikz(mark, pt)
        case Shape():
            return shape_tikz(mark, pt)
        case Word():
            paper = ",fill=paper" if mark.halo else ""
            size = rf"\fontsize{{{mark.size * pt:.1f}}}{{{mark.size * pt:.1f}}}\selectfont"
            look = f"{ANCHORS[mark.anchor]},text={mark.hue},font={size}{paper}"
            return rf"\node[anchor={look}] at {tikz_at(mark.at)} {{{words(mark.text)}}};"


def stroke_tikz(mark: Stroke, pt: float) -> str:
    """A line or a curve."""
    look = f"{mark.hue},line width={mark.width * pt:.2f}bp" + (",dashed" if mark.dashed else "")
    look += ",->" if mark.tip else ""
    if mark.curved:
        first, *rest = map(tikz_at, mark.points)
        ways = (f" .. controls {b} and {c} .. {d}" for b, c, d in zip(*[iter(rest)] * 3, strict=True))
        return rf"\draw[{look}] {first}{''.join(ways)};"
    return rf"\draw[{look}] " + " -- ".join(map(tikz_at, mark.points)) + ";"


def shape_tikz(mark: Shape, pt: float) -> str:
    """A circle, a pill or a box."""
    (x, y), (w, h) = mark.at, mark.size
    look = f"draw={mark.hue},fill={mark.fill},line width={1.2 * pt:.2f}bp" + (",densely dotted" if mark.dashed else "")
    if mark.round and w == h:
        return rf"\path[{look}] {tikz_at(mark.at)} circle[radius={w / 2 * pt:.2f}bp];"
    corner, a, b = h / 2 if mark.round else 5, (x - w / 2, y - h / 2), (x + w / 2, y + h / 2)
    return rf"\path[{look},rounded corners={corner * pt:.1f}bp] {tikz_at(a)} rectangle {tikz_at(b)};"


TYPST_TEXT = (470.0, 650.0)  # pt of an A4 page with margins of 2.2 cm that a drawing may take
TYPST_PREAMBLE = """// the marks of a drawing: a stroke, a shape, and a word whose base line stands at y
#let stroke-of(hue, width, dash) = (paint: rgb(hue), thickness: width, dash: dash)
#let word(x, y, size, hue, anchor, halo, body) = context {
  let it = text(size: size, fill: rgb(hue), bottom-edge: "baseline", top-edge: "cap-height", body)
  if halo { it = box(fill: white, outset: 1.5pt, it) }
  let wide = measure(it).width
  let dx = if anchor == "middle" { -wide / 2 } else if anchor == "end" { -wide } else { 0pt }
  place(dx: x + dx, dy: y - measure(it).height, it)
}
#let tip(x, y, angle, hue) = place(dx: x, dy: y, rotate(angle, origin: top + left, polygon(
  fill: rgb(hue), stroke: none, (0pt, 0pt), (-5pt, -2pt), (-5pt, 2pt))))
"""


def picture_typst(picture: Picture, words: Callable[[str], str], room: Point = TYPST_TEXT) -> str:
    """A block with the marks on it, which fits the page or other room; `words` writes plain words for Typst."""
    pt = picture.fitted(*room)
    head = f"#block(width: {length(picture.width * pt)}, height: {length(picture.height * pt)}, breakable: false)["
    return "\n".join([head, *(line for m in picture.flat() for line in mark_typst(m, pt, words)), "]"])


def length(pt: float) -> str:
    """Points."""
    return f"{pt:.2f}pt"


def typst_at(point: Point, pt: float) -> str:
    """(x, y) in points."""
    return f"({length(point[0] * pt)}, {length(point[1] * pt)})"


def mark_typst(mark: Stroke | Shape | Word, pt: float, words: Callable[[str], str]) -> list[str]:
    """One mark; a stroke with its tip is two."""
    match mark:
        case Stroke():
            return [stroke_typst(mark, pt), *([tip_typst(mark, pt)] if mark.tip else [])]
        case Shape():
            return [shape_typst(mark, pt)]
        case Word():
            x, y = mark.at
            where = f"{length(x * pt)}, {length(y * pt)}, {length(mark.size * pt)}"
            halo = "true" if mark.halo else "false"
            return [f'#word({where}, "{HUES[mark.hue]}", "{mark.anchor}", {halo})[{words(mark.text)}]']


def stroke_typst(mark: Stroke, pt: float) -> str:
    """A curve element with its moves."""
    dash = '"dashed"' if mark.dashed else '"solid"'
    look = f'stroke: stroke-of("{HUES[mark.hue]}", {length(mark.width * pt)}, {dash})'
    first, *rest = (typst_at(point, pt) for point in mark.points)
    if mark.curved:
        moves = [f"curve.cubic({', '.join(three)})" for three in zip(*[iter(rest)] * 3, strict=True)]
    else:
        moves = [f"curve.line({point})" for point in rest]
    return f"#place(curve({look}, curve.move({first}), {', '.join(moves)}))"


def tip_typst(mark: Stroke, pt: float) -> str:
    """An arrow's head, turned as the stroke ends."""
    (x1, y1), (x2, y2) = mark.points[-2:]
    return f'#tip({length(x2 * pt)}, {length(y2 * pt)}, calc.atan2({x2 - x1:.1f}, {y2 - y1:.1f}), "{HUES[mark.hue]}")'


def shape_typst(mark: Shape, pt: float) -> str:
    """A circle, a pill or a box."""
    (x, y), (w, h) = mark.at, mark.size
    dash = '"densely-dotted"' if mark.dashed else '"solid"'
    look = f'fill: rgb("{HUES[mark.fill]}"), stroke: stroke-of("{HUES[mark.hue]}", {length(1.2 * pt)}, {dash})'
    size = f"width: {length(w * pt)}, height: {length(h * pt)}"
    corner = length((h / 2 if mark.round else 5) * pt)
    made = f"ellipse({size}, {look})" if mark.round and w == h else f"rect({size}, radius: {corner}, {look})"
    return f"#place(dx: {length((x - w / 2) * pt)}, dy: {length((y - h / 2) * pt)}, {made})"
