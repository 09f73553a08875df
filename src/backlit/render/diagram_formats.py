"""A drawing as TikZ and in Typst; `backlit.drawing` says what its marks are and writes SVG."""

from collections.abc import Callable

from backlit.drawing import HUES, Picture, Point, Shape, Stroke, Word

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
