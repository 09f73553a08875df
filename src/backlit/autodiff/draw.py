"""The computational graph as a picture: inputs at the left, the output at the right, values above, gradients below."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import accumulate, pairwise
from typing import Any
from zlib import crc32

import numpy as np

from backlit.autodiff.graph import Gradients, Var, backward, topological_order
from backlit.autodiff.layout import Place, layered
from backlit.autodiff.rules import AutodiffError
from backlit.drawing import Group, Mark, Picture, Shape, Stroke, Word, svg

ROW, GAP, MARGIN = 84, 44, 16  # px: between rows, between columns, around
TOP = MARGIN + 62  # px: down to the first row, under the line that explains the colors
CHARACTER, PILL = 8.0, 30  # px: a character's width (generous: fonts differ), a node's height
MOST_NODES = 300
KEY = (
    Word((MARGIN, MARGIN + 12), "value above", "forward", 14, "start"),
    Word((MARGIN + 100, MARGIN + 12), "gradient of the output below", "backward", 14, "start"),
)

# The colors are mixed with the page's own text color, so that they can be read on light and on dark ground.
STYLE = """
.backlit-graph{max-width:100%;height:auto;font:14px ui-sans-serif,system-ui,sans-serif}
.backlit-graph text{text-anchor:middle;font-variant-numeric:tabular-nums}
.backlit-graph path,.backlit-graph .f-paper{fill:none}
.backlit-graph .s-ink,.backlit-graph .s-line{stroke:currentColor}
.backlit-graph .f-ink,.backlit-graph .f-soft{fill:currentColor}
.backlit-graph .s-line{stroke-opacity:.55}
.backlit-graph .f-soft{fill-opacity:.55}
.backlit-graph .f-forward{fill:var(--backlit-value,color-mix(in srgb,currentColor 45%,#00a37a))}
.backlit-graph .f-backward{fill:var(--backlit-gradient,color-mix(in srgb,currentColor 35%,#f0342b))}
"""


def to_svg(node: Var, *, seed: Any = None, title: str | None = None) -> str:
    """Draw everything that `node` was computed from as an SVG string that stands alone or goes into a page.

    Above each node stands its value, below it the gradient of the output; arrays of more than four numbers are given by
    their shape, and their gradients by their norm.  Inputs have dashed outlines, the output a thick one.  Constants
    stand inside the operation that uses them.  It takes its color from the page's text; a page may set
    --backlit-value and --backlit-gradient.

    seed : ∂C/∂node where node is an array; without one an array's graph is drawn without gradients.
    Raises AutodiffError for more than 300 nodes.

    >>> to_svg(Var(2.0, "x") * 3.0).startswith("<svg ")
    True
    """
    nodes = topological_order(node)
    if len(nodes) > MOST_NODES:
        raise AutodiffError(
            f"a graph of {len(nodes)} nodes can't be read as a picture: draw one of {MOST_NODES} or fewer"
        )
    gradients = backward(node, seed) if seed is not None or node.size == 1 else None
    cards = [_card(v, gradients, v is node) for v in nodes]
    index = {v.birth: i for i, v in enumerate(nodes)}
    places, paths = layered(len(nodes), [(index[x.birth], i) for i, v in enumerate(nodes) for x in v.parents])
    grid = Grid.of(places, cards)
    marks: list[Mark] = []
    for i, v in enumerate(nodes):
        for k, x in enumerate(v.parents):
            a = index[x.birth]
            port = 7 * (k - (len(v.parents) - 1) / 2)  # in x × x, x enters twice
            marks.append(_edge(grid, paths[a, i], cards[a].width, cards[i].width, port))
    marks += [_node(*grid.at(place), card) for place, card in zip(places, cards, strict=True)]
    rows = max(row for path in ([*places], *paths.values()) for _, row in path)
    width, height = max(grid.middle[-1] + grid.half[-1] + MARGIN, 320), TOP + ROW * rows + PILL / 2 + 24 + MARGIN
    said = _description(cards, gradients is None)
    picture = Picture(title or "Computational graph", said, width, height, (*KEY, *marks))
    return svg(picture, f"backlit-{crc32(repr(picture).encode(errors='replace')):08x}", STYLE)  # ids of its own


@dataclass(frozen=True)
class Card:
    """What is written at a node; kind is input, made or output."""

    kind: str
    label: str
    value: str
    gradient: str
    tooltip: str

    @property
    def width(self) -> float:
        """The outline's width in px."""
        return max(PILL, CHARACTER * len(self.label) + 18)


def _card(v: Var, gradients: Gradients | None, is_output: bool) -> Card:
    label = v.name or _operation(v)
    kind = "output" if is_output else "made" if v.rule else "input"
    bar = "" if gradients is None else _gradient(gradients[v])
    return Card(
        kind, label, _number(v.value), bar, f"{v.rule.symbol}:  {v.rule.formula}" if v.rule else f"input {label}"
    )


def _operation(v: Var) -> str:
    """The primitive's symbol, with the constants of a two-sided one on their sides and a reduction's axis."""
    if v.rule is None:
        return "input"
    symbol = v.rule.symbol
    if (v.rule.elementwise or v.func is np.matmul) and len(v.args) == 2 and len(v.parents) == 1:
        first, second = ("" if isinstance(x, Var) else _number(x) for x in v.args)
        return f"{first} {symbol} {second}".strip()
    named = v.rule.signature.bind(None, None, *v.args, **v.options).arguments
    axis = f" axis {named['axis']}" if named.get("axis") is not None else ""
    constants = [_number(x) for x in v.args if isinstance(x, np.ndarray)]
    return f"{symbol}{axis}" + (f" {', '.join(constants)}" if constants else "")


def _number(x: Any) -> str:
    """One to four numbers as they are, more as their shape."""
    if isinstance(x, np.dtype | type):
        return np.dtype(x).name
    x = np.asarray(x)
    if x.size == 0 or x.size > 4 or x.dtype.kind not in "fiub":
        return f"({', '.join(map(str, x.shape))})" if x.ndim != 1 else f"({x.size},)"
    digits = 4 if x.size == 1 else 3
    text = re.sub(r"[-]", "−", str(np.vectorize(lambda number: f"{number:.{digits}g}", otypes=[object])(x).tolist()))
    return text.replace("'", "")


def _gradient(bar: np.ndarray) -> str:
    return _number(bar) if bar.size <= 4 else f"norm {_number(np.linalg.norm(bar))}"


@dataclass(frozen=True)
class Grid:
    """The middle and half the width, in px, of each column."""

    middle: list[float]
    half: list[float]

    @classmethod
    def of(cls, places: Sequence[Place], cards: Sequence[Card]) -> Grid:
        """Make each column wide enough for its widest text."""
        widest = [0.0] * (1 + max(column for column, _ in places))
        for (column, _), card in zip(places, cards, strict=True):
            text = CHARACTER * max(len(card.value), len(card.gradient))
            widest[column] = max(widest[column], card.width, text)
        right = accumulate(w + GAP for w in widest)
        return cls([MARGIN + r - GAP - w / 2 for r, w in zip(right, widest, strict=True)], [w / 2 for w in widest])

    def at(self, place: Place) -> tuple[float, float]:
        """The px of a place."""
        return self.middle[place[0]], TOP + ROW * place[1]


def _edge(grid: Grid, path: Sequence[Place], start: float, end: float, port: float) -> Stroke:
    """A line that curves between columns only, where no text stands, and runs level through a column."""
    x, y = grid.at(path[0])
    points = [(x + start / 2, y)]
    for here, there in pairwise(path):
        (x0, y0), (x1, y1) = grid.at(here), grid.at(there)
        y1 += port if there == path[-1] else 0
        out, into, bend = x0 + grid.half[here[0]], x1 - grid.half[there[0]], GAP / 2
        points += [points[-1], (out, y0), (out, y0), (out + bend, y0), (into - bend, y1), (into, y1)]
    tip = grid.at(path[-1])[0] - end / 2 + 0.02 * port * port  # the outline is round
    return Stroke((*points, (into, y1), (tip, y1), (tip, y1)), "line", tip=True, curved=True)


def _node(x: float, y: float, card: Card) -> Group:
    shape = Shape((x, y), (card.width, PILL), True, dashed=card.kind == "input", bold=card.kind == "output")
    value = Word((x, y - PILL / 2 - 6), card.value, "forward", 13)
    gradient = Word((x, y + PILL / 2 + 16), card.gradient, "backward", 13)
    return Group((shape, Word((x, y + 5), card.label, size=14), value, gradient), "", card.tooltip)


def _description(cards: Sequence[Card], without: bool) -> str:
    """What the picture says, for those who hear it."""
    inputs = [
        f"{card.label} = {card.value}" + (f", gradient {card.gradient}" if card.gradient else "")
        for card in cards
        if card.kind == "input"
    ]
    steps = [card.label for card in cards if card.kind != "input"]
    end = " Gradients are not shown." if without else ""
    return (
        f"{len(cards)} nodes. Inputs: {'; '.join(inputs)}. Operations in order: {', '.join(steps)}. "
        f"Output: {cards[-1].value}.{end}"
    )
