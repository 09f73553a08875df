"""A picture in Typst's own drawing: each mark is placed on a box of the picture's size, no package is needed."""

from collections.abc import Callable

from backlit.render.picture import HUES, Picture, Point, Shape, Stroke, Word

TEXT = (470.0, 650.0)  # pt of an A4 page with margins of 2.2 cm that a drawing may take
PREAMBLE = """// the marks of a drawing: a stroke, a shape, and a word whose base line stands at y
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


def picture_typst(picture: Picture, words: Callable[[str], str]) -> str:
    """A block with the marks on it; `words` writes plain words for Typst."""
    pt = picture.fitted(*TEXT)
    head = f"#block(width: {length(picture.width * pt)}, height: {length(picture.height * pt)}, breakable: false)["
    return "\n".join([head, *(line for m in picture.flat() for line in mark_typst(m, pt, words)), "]"])


def length(pt: float) -> str:
    """Points."""
    return f"{pt:.2f}pt"


def at(point: Point, pt: float) -> str:
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
    first, *rest = (at(point, pt) for point in mark.points)
    moves = [f"curve.cubic({', '.join(rest)})"] if mark.curved else [f"curve.line({point})" for point in rest]
    return f"#place(curve({look}, curve.move({first}), {', '.join(moves)}))"


def tip_typst(mark: Stroke, pt: float) -> str:
    """An arrow's head, turned as the stroke ends."""
    (x1, y1), (x2, y2) = mark.points[-2:]
    return f'#tip({length(x2 * pt)}, {length(y2 * pt)}, calc.atan2({x2 - x1:.1f}, {y2 - y1:.1f}), "{HUES[mark.hue]}")'


def shape_typst(mark: Shape, pt: float) -> str:
    """A circle or a box."""
    (x, y), (w, h) = mark.at, mark.size
    dash = '"densely-dotted"' if mark.dashed else '"solid"'
    look = f'fill: rgb("{HUES[mark.fill]}"), stroke: stroke-of("{HUES[mark.hue]}", {length(1.2 * pt)}, {dash})'
    size = f"width: {length(w * pt)}, height: {length(h * pt)}"
    made = f"ellipse({size}, {look})" if mark.round else f"rect({size}, radius: {length(5 * pt)}, {look})"
    return f"#place(dx: {length((x - w / 2) * pt)}, dy: {length((y - h / 2) * pt)}, {made})"
