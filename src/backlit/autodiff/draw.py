"""The computational graph as a picture: inputs at the left, the output at the right, values above, gradients below."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from html import escape
from itertools import accumulate, pairwise
from typing import Any
from zlib import crc32

import numpy as np

from backlit.autodiff.graph import Gradients, Var, backward, topological_order
from backlit.autodiff.layout import Place, layered
from backlit.autodiff.rules import AutodiffError

ROW, GAP, MARGIN = 84, 44, 16  # px: between rows, between columns, around
TOP = MARGIN + 62  # px: down to the first row, under the line that explains the colors
CHARACTER, PILL = 8.0, 30  # px: a character's width (generous: fonts differ), a node's height
MOST_NODES = 300

# The colors are mixed with the page's own text color, so that they can be read on light and on dark ground.
STYLE = """
.backlit-graph{max-width:100%;height:auto;font:14px ui-sans-serif,system-ui,sans-serif}
.backlit-graph text{fill:currentColor;text-anchor:middle}
.backlit-graph .shape{fill:none;stroke:currentColor;stroke-width:1.2}
.backlit-graph .input .shape{stroke-dasharray:4 2}
.backlit-graph .output .shape{stroke-width:2.4}
.backlit-graph .edge{fill:none;stroke:currentColor;stroke-opacity:.55}
.backlit-graph .arrow{fill:currentColor;fill-opacity:.55}
.backlit-graph .value,.backlit-graph .gradient{font-size:13px;font-variant-numeric:tabular-nums}
.backlit-graph .value{fill:var(--backlit-value,color-mix(in srgb,currentColor 45%,#00a37a))}
.backlit-graph .gradient{fill:var(--backlit-gradient,color-mix(in srgb,currentColor 35%,#f0342b))}
.backlit-graph .key{text-anchor:start}
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
    body = []
    for i, v in enumerate(nodes):
        for k, x in enumerate(v.parents):
            a = index[x.birth]
            port = 7 * (k - (len(v.parents) - 1) / 2)  # in x × x, x enters twice
            body.append(_edge(grid, paths[a, i], cards[a].width, cards[i].width, port))
    body += [_node(*grid.at(place), card) for place, card in zip(places, cards, strict=True)]
    rows = max(row for path in ([*places], *paths.values()) for _, row in path)
    size = max(grid.middle[-1] + grid.half[-1] + MARGIN, 260), TOP + ROW * rows + PILL / 2 + 24 + MARGIN
    return _document(size, body, title or "Computational graph", _description(cards, gradients is None))


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


def _edge(grid: Grid, path: Sequence[Place], start: float, end: float, port: float) -> str:
    """A line that curves between columns only, where no text stands, and runs level through a column."""
    x, y = grid.at(path[0])
    d = f"M{x + start / 2:.1f} {y:.1f}"
    for here, there in pairwise(path):
        (x0, y0), (x1, y1) = grid.at(here), grid.at(there)
        y1 += port if there == path[-1] else 0
        out, into, bend = x0 + grid.half[here[0]], x1 - grid.half[there[0]], GAP / 2
        d += f"L{out:.1f} {y0:.1f}C{out + bend:.1f} {y0:.1f} {into - bend:.1f} {y1:.1f} {into:.1f} {y1:.1f}"
    tip = grid.at(path[-1])[0] - end / 2 + 0.02 * port * port  # the outline is round
    return (
        f'<path class="edge" d="{d}L{tip - 5:.1f} {y1:.1f}"/><path class="arrow" d="M{tip:.1f} {y1:.1f}l-7 -3.5v7z"/>'
    )


def _node(x: float, y: float, card: Card) -> str:
    w, above, below = card.width, y - PILL / 2 - 6, y + PILL / 2 + 16
    return (
        f'<g class="{card.kind}"><title>{_text(card.tooltip)}</title>'
        f'<rect class="shape" x="{x - w / 2:.1f}" y="{y - PILL / 2:.1f}" width="{w:.1f}" height="{PILL}" rx="15"/>'
        f'<text x="{x:.1f}" y="{y + 5:.1f}">{_text(card.label)}</text>'
        f'<text class="value" x="{x:.1f}" y="{above:.1f}">{_text(card.value)}</text>'
        f'<text class="gradient" x="{x:.1f}" y="{below:.1f}">{_text(card.gradient)}</text></g>'
    )


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


def _document(size: tuple[float, float], body: Sequence[str], title: str, description: str) -> str:
    content = "\n".join(body)
    mark = f"backlit-{crc32((_text(title) + content).encode()):08x}"  # ids differ between the pictures of one page
    width, height = (f"{length:.0f}" for length in size)
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" class="backlit-graph" role="img" width="{width}" height="{height}" '
        f'viewBox="0 0 {width} {height}" aria-labelledby="{mark}-title {mark}-desc">\n'
        f'<title id="{mark}-title">{_text(title)}</title>\n<desc id="{mark}-desc">{_text(description)}</desc>\n'
        f"<style>{STYLE}</style>\n"
        f'<text class="key" x="{MARGIN}" y="{MARGIN + 12}"><tspan class="value">value</tspan> above, '
        f'<tspan class="gradient">gradient of the output</tspan> below</text>\n{content}\n</svg>\n'
    )


def _text(text: str) -> str:
    """Escape markup; drop the control characters that XML does not allow."""
    return escape(re.sub(r"[^\t\n\r\x20-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]", "", text))
