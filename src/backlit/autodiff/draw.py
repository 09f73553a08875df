"""The computational graph as a picture: inputs at the left, the output at the right, values above, gradients below.

Nodes stand in columns, each right of everything it was made from.  They are placed by Sugiyama's steps, each in a
function: columns by depth, waypoints where an edge passes a column, an order in each column with few crossings, rows
near the neighbors' mean.
Source: Sugiyama, Tagawa & Toda 1981; the rows are least squares with gaps of at least 1 (pool adjacent violators).
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import accumulate, pairwise
from statistics import fmean
from typing import Any
from zlib import crc32

import numpy as np

from backlit.autodiff.graph import Gradients, Var, backward, topological_order
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


# --- where the nodes stand --------------------------------------------------------------------------------------------

Edge = tuple[int, int]
Place = tuple[int, float]  # column, row


def layered(n: int, edges: Sequence[Edge]) -> tuple[list[Place], dict[Edge, list[Place]]]:
    """Place nodes 0…n-1, whose edges (from, to) go from a lower to a higher number; node n-1 is the output.

    Returns each node's column and row, and for each edge the places it passes, its ends included.  Rows start at 0 and
    are at least 1 apart in a column.

    >>> layered(3, [(0, 2), (1, 2)])[0]
    [(0, 0.0), (0, 1.0), (1, 0.5)]
    """
    columns = depths(n, edges)
    paths, short = waypoints(columns, edges)
    layers = few_crossings(columns, short, first_order(len(columns), short))
    rows = near_neighbors(layers, short)
    top = min(rows.values(), default=0.0)
    place = [(column, rows[i] - top) for i, column in enumerate(columns)]
    return place[:n], {edge: [place[i] for i in path] for edge, path in paths.items()}


def depths(n: int, edges: Sequence[Edge]) -> list[int]:
    """The longest way to each node; then inputs move right, next to their first use."""
    depth = [0] * n
    for a, b in sorted(edges, key=lambda edge: edge[1]):
        depth[b] = max(depth[b], depth[a] + 1)
    made = {b for _, b in edges}
    for i in range(n):
        uses = [depth[b] for a, b in edges if a == i]
        if i not in made and uses:
            depth[i] = min(uses) - 1
    return depth


def waypoints(columns: list[int], edges: Sequence[Edge]) -> tuple[dict[Edge, list[int]], list[Edge]]:
    """Cut long edges into steps of one column, through new nodes that reserve the room (added to `columns`)."""
    paths, short = {}, []
    for a, b in dict.fromkeys(edges):
        path = [a, *range(len(columns), len(columns) + columns[b] - columns[a] - 1), b]
        columns.extend(range(columns[a] + 1, columns[b]))
        paths[a, b] = path
        short += list(pairwise(path))
    return paths, short


def neighbors(edges: Sequence[Edge], forward: bool) -> dict[int, list[int]]:
    """For each node the nodes one column further (forward) or before."""
    found: dict[int, list[int]] = {}
    for a, b in edges:
        found.setdefault(a if forward else b, []).append(b if forward else a)
    return found


def first_order(n: int, edges: Sequence[Edge]) -> list[int]:
    """Depth first from the outputs back: for a tree this order has no crossings."""
    before, after = neighbors(edges, forward=False), neighbors(edges, forward=True)
    order: dict[int, None] = {}
    stack = [i for i in range(n) if i not in after]
    while stack:
        i = stack.pop()
        if i not in order:
            order[i] = None
            stack.extend(reversed(before.get(i, [])))
    return list(order)


def few_crossings(columns: list[int], edges: Sequence[Edge], order: list[int]) -> list[list[int]]:
    """Sort each column by the mean place of its neighbors, back and forth; keep the best order seen."""
    layers = [[i for i in order if columns[i] == column] for column in range(max(columns) + 1)]
    best, fewest = layers, crossings(layers, edges)
    for sweep in range(8):
        forward = bool(sweep % 2)
        near = neighbors(edges, forward=not forward)
        place = {i: float(k) for layer in layers for k, i in enumerate(layer)}
        new = []
        for layer in layers if forward else reversed(layers):
            layer = sorted(layer, key=lambda i: fmean(place[j] for j in near[i]) if i in near else place[i])
            place |= {i: float(k) for k, i in enumerate(layer)}
            new.append(layer)
        layers = new if forward else new[::-1]
        if crossings(layers, edges) < fewest:
            best, fewest = layers, crossings(layers, edges)
    return best


def crossings(layers: list[list[int]], edges: Sequence[Edge]) -> int:
    """How many pairs of edges cross."""
    where = {i: (column, k) for column, layer in enumerate(layers) for k, i in enumerate(layer)}
    ends = sorted((*where[a], where[b][1]) for a, b in edges)
    return sum(p[0] == q[0] and p[1] < q[1] and p[2] > q[2] for i, p in enumerate(ends) for q in ends[i + 1 :])


def near_neighbors(layers: list[list[int]], edges: Sequence[Edge]) -> dict[int, float]:
    """Rows near the mean of the neighbors' rows, in the order given."""
    before, after = neighbors(edges, forward=False), neighbors(edges, forward=True)
    rows = {i: k - (len(layer) - 1) / 2 for layer in layers for k, i in enumerate(layer)}
    for _ in range(40):
        for layer in (*layers, *reversed(layers)):
            wanted = [fmean(rows[j] for j in before.get(i, []) + after.get(i, []) or [i]) for i in layer]
            rows |= dict(zip(layer, apart(wanted), strict=True))
    for layer in layers:  # at last by what comes before alone: a chain runs level
        wanted = [fmean(rows[j] for j in before.get(i, [i])) for i in layer]
        rows |= dict(zip(layer, apart(wanted), strict=True))
    return rows


def apart(wanted: Sequence[float]) -> list[float]:
    """The numbers nearest to `wanted` (in squares) of which each is at least 1 above the one before.

    >>> apart([0.0, 0.0, 5.0])
    [-0.5, 0.5, 5.0]
    """
    blocks: list[list[float]] = []  # means of (wanted − index) must not decrease: merge blocks until they don't
    for i, x in enumerate(wanted):
        blocks.append([x - i])
        while len(blocks) > 1 and fmean(blocks[-2]) > fmean(blocks[-1]):
            last = blocks.pop()
            blocks[-1] += last
    fitted = [fmean(block) for block in blocks for _ in block]
    return [x + i for i, x in enumerate(fitted)]
