"""A picture in TikZ, with nothing but the package `tikz`; colors are named by the document's preamble."""

from collections.abc import Callable

from backlit.render.picture import HUES, Picture, Point, Shape, Stroke, Word

TEXT = (468.0, 640.0)  # pt of an A4 page with margins of 2.2 cm that a drawing may take
ANCHORS = {"middle": "base", "start": "base west", "end": "base east"}
PREAMBLE = "\n".join(rf"\definecolor{{{name}}}{{HTML}}{{{code.upper()}}}" for name, code in HUES.items())


def tikz(picture: Picture, words: Callable[[str], str]) -> str:
    """A tikzpicture that fits the page; `words` writes plain words for LaTeX."""
    pt = picture.fitted(*TEXT)
    head = rf"\begin{{tikzpicture}}[x={pt:.4f}bp,y=-{pt:.4f}bp,inner sep=1pt,outer sep=0pt,>=latex]"
    return "\n".join([head, *(mark_tikz(mark, pt, words) for mark in picture.flat()), r"\end{tikzpicture}"])


def at(point: Point) -> str:
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
            return rf"\node[anchor={look}] at {at(mark.at)} {{{words(mark.text)}}};"


def stroke_tikz(mark: Stroke, pt: float) -> str:
    """A line or a curve."""
    look = f"{mark.hue},line width={mark.width * pt:.2f}bp" + (",dashed" if mark.dashed else "")
    look += ",->" if mark.tip else ""
    if mark.curved:
        a, b, c, d = map(at, mark.points)
        return rf"\draw[{look}] {a} .. controls {b} and {c} .. {d};"
    return rf"\draw[{look}] " + " -- ".join(map(at, mark.points)) + ";"


def shape_tikz(mark: Shape, pt: float) -> str:
    """A circle or a box."""
    (x, y), (w, h) = mark.at, mark.size
    look = f"draw={mark.hue},fill={mark.fill},line width={1.2 * pt:.2f}bp" + (",densely dotted" if mark.dashed else "")
    if mark.round:
        return rf"\path[{look}] {at(mark.at)} circle[radius={w / 2 * pt:.2f}bp];"
    a, b = (x - w / 2, y - h / 2), (x + w / 2, y + h / 2)
    return rf"\path[{look},rounded corners={5 * pt:.1f}bp] {at(a)} rectangle {at(b)};"
