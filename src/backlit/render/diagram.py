"""A picture of a few marks, laid out once and drawn by each format: strokes, shapes and words, in px with y down.

A mark's `hue` is one of `HUES`; a page has a variable for each, paper the color that stands here.  Forward is blue and
backward vermilion, which color-blind readers tell apart; dashes and arrows say the same without color.
"""

from dataclasses import dataclass

HUES = {
    "forward": "0063a5",
    "backward": "b04500",
    "update": "8f3b77",
    "ink": "000000",
    "soft": "57606a",
    "line": "8c959f",
    "paper": "ffffff",
}
Point = tuple[float, float]


@dataclass(frozen=True)
class Stroke:
    """A line through points, or a cubic curve by its four; `width` in px, `tip` an arrow at its end."""

    points: tuple[Point, ...]
    hue: str = "ink"
    width: float = 1.2
    dashed: bool = False
    tip: bool = False
    curved: bool = False


@dataclass(frozen=True)
class Shape:
    """A box with round corners, or a circle, around its center."""

    at: Point
    size: Point
    round: bool = False
    hue: str = "ink"
    fill: str = "paper"
    dashed: bool = False


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
    """Marks that lead to a step together, where the format has links."""

    marks: tuple["Stroke | Shape | Word", ...]
    link: str


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
