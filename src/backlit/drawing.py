"""A drawing of a few marks, laid out once and written in each format: strokes, shapes and words, in px with y down.

A mark's `hue` is one of `HUES`; a page has a variable for each, paper the color that stands here.  Forward is blue and
backward vermilion, which color-blind readers tell apart; dashes, arrows and `SIGNS` say the same without color.  SVG,
which is written here, takes its colors from where it stands, and fetches nothing.
"""

import re
from dataclasses import dataclass
from html import escape

HUES = {
    "forward": "0063a5",
    "backward": "b04500",
    "update": "8f3b77",
    "ink": "000000",
    "soft": "57606a",
    "line": "8c959f",
    "paper": "ffffff",
}
SIGNS = {"forward": "▲", "backward": "▼", "update": "●"}
Point = tuple[float, float]


@dataclass(frozen=True)
class Stroke:
    """A line through points, or cubic curves by four and three more each; `width` in px, `tip` an arrow at its end."""

    points: tuple[Point, ...]
    hue: str = "ink"
    width: float = 1.2
    dashed: bool = False
    tip: bool = False
    curved: bool = False


@dataclass(frozen=True)
class Shape:
    """A box with round corners, or a circle or pill, around its center; `bold` in its outline."""

    at: Point
    size: Point
    round: bool = False
    hue: str = "ink"
    fill: str = "paper"
    dashed: bool = False
    bold: bool = False


@dataclass(frozen=True)
class Word:
    """Text whose base line begins, is centered or ends at a point; `halo` keeps a line behind it away."""

    at: Point
    text: str
    hue: str = "ink"
    size: float = 11
    anchor: str = "middle"
    halo: bool = False


@dataclass(frozen=True)
class Group:
    """Marks that lead to a step together, where the format has links; `tooltip` is shown where a pointer rests."""

    marks: tuple["Stroke | Shape | Word", ...]
    link: str
    tooltip: str = ""


Mark = Stroke | Shape | Word | Group


@dataclass(frozen=True)
class Picture:
    """Marks on a canvas of px, with what is said of it to those who don't see it."""

    title: str
    description: str
    width: float
    height: float
    marks: tuple[Mark, ...]

    def flat(self) -> list[Stroke | Shape | Word]:
        """The marks without their groups, for formats that have no links in drawings."""
        made: list[Stroke | Shape | Word] = []
        for mark in self.marks:
            made += mark.marks if isinstance(mark, Group) else [mark]
        return made

    def fitted(self, width: float, height: float, most: float = 0.75) -> float:
        """Points of paper for a px, so that it fits into `width` × `height` pt."""
        return min(most, width / self.width, height / self.height)


def svg(picture: Picture, id: str, style: str = "") -> str:
    """An <svg> element; `id` keeps its own ids apart from those of other drawings on the page.

    style : CSS of .backlit-graph, for one that can stand alone; others are of the class drawing, which the page styles.
    """
    w, h = f"{picture.width:.0f}", f"{picture.height:.0f}"
    role = "group" if any(isinstance(m, Group) and m.link for m in picture.marks) else "img"
    look = f'style="max-width:{w}px" class="drawing"'
    if style:
        look = f'xmlns="http://www.w3.org/2000/svg" width="{w}" height="{h}" class="backlit-graph"'
    head = (
        f'<svg viewBox="0 0 {w} {h}" {look} role="{role}" aria-labelledby="{id}-t {id}-d">'
        f'<title id="{id}-t">{escaped(picture.title)}</title><desc id="{id}-d">{escaped(picture.description)}</desc>'
        f'<defs><marker id="{id}-tip" viewBox="0 0 8 8" refX="7" refY="4" markerWidth="7" markerHeight="7" '
        'orient="auto" markerUnits="userSpaceOnUse"><path d="M0 0L8 4L0 8z" class="f-soft"/></marker></defs>'
    )
    if style:
        head += f"<style>{style}</style>"
    return head + "".join(mark_svg(mark, id) for mark in picture.marks) + "</svg>"


def escaped(text: str) -> str:
    """Text without markup, and without the control characters that XML does not allow."""
    return escape(re.sub(r"[^\t\n\r\x20-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]", "", text))


def mark_svg(mark: Mark, id: str) -> str:
    """One mark."""
    match mark:
        case Group():
            inner = "".join(mark_svg(m, id) for m in mark.marks)
            inner = f"<g><title>{escaped(mark.tooltip)}</title>{inner}</g>" if mark.tooltip else inner
            said = "" if any(isinstance(m, Word) for m in mark.marks) else f' aria-label="{escaped(mark.link)}"'
            return f'<a href="#{escaped(mark.link)}"{said}>{inner}</a>' if mark.link else inner
        case Stroke():
            return stroke_svg(mark, id)
        case Shape():
            return shape_svg(mark)
        case Word():
            return word_svg(mark)


def px(*numbers: float) -> str:
    """Coordinates to a tenth of a px, as short as they go."""
    return " ".join(f"{n:.1f}".removesuffix(".0") for n in numbers)


def stroke_svg(mark: Stroke, id: str) -> str:
    """A path."""
    first, *rest = (px(*point) for point in mark.points)
    way = f"C{' '.join(rest)}" if mark.curved else "L" + "L".join(rest)
    dash = ' stroke-dasharray="5 4"' if mark.dashed else ""
    tip = f' marker-end="url(#{id}-tip)"' if mark.tip else ""
    return f'<path d="M{first}{way}" class="s-{mark.hue}" stroke-width="{px(mark.width)}"{dash}{tip}/>'


def shape_svg(mark: Shape) -> str:
    """A circle, a pill or a box."""
    (x, y), (w, h) = mark.at, mark.size
    look = f'class="s-{mark.hue} f-{mark.fill}"' + (' stroke-dasharray="2 2"' if mark.dashed else "")
    look += ' style="stroke-width:2.4"' if mark.bold else ""
    if mark.round and w == h:
        return f'<circle cx="{px(x)}" cy="{px(y)}" r="{px(w / 2)}" {look}/>'
    corner = px(h / 2) if mark.round else "6"
    return f'<rect x="{px(x - w / 2)}" y="{px(y - h / 2)}" width="{px(w)}" height="{px(h)}" rx="{corner}" {look}/>'


def word_svg(mark: Word) -> str:
    """A line of text."""
    anchor = "" if mark.anchor == "middle" else f' style="text-anchor:{mark.anchor}"'
    size = "" if mark.size == 11 else f' font-size="{px(mark.size)}"'
    look = f"f-{mark.hue} halo" if mark.halo else f"f-{mark.hue}"
    return f'<text x="{px(mark.at[0])}" y="{px(mark.at[1])}" class="{look}"{anchor}{size}>{escaped(mark.text)}</text>'
