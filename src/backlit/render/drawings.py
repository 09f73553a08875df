"""Drawings of a derivation as SVG: networks and graphs from a Diagram, curves from a Plot.  They fetch nothing.

Colors are the page's CSS variables, so that light, dark and print each get their own.
"""

from html import escape

from backlit.derivation.document import Diagram, Edge, Node, Plot

COLUMN = {"circle": 160, "box": 168}
ROW = {"circle": 96, "box": 104}
RADIUS, HALF, TALL = 32, 54, 19
MARGIN = 84


def diagram_svg(diagram: Diagram, id: str) -> str:
    """Circles or boxes joined by arrows; a negative weight is dashed."""
    shape = diagram.shape
    place = {n.id: (MARGIN + n.column * COLUMN[shape], 44 + n.row * ROW[shape]) for n in diagram.nodes}
    width = max(x for x, _ in place.values()) + MARGIN
    height = max(y for _, y in place.values()) + 58
    made = [
        f'<svg viewBox="0 0 {width:.0f} {height:.0f}" role="img" aria-labelledby="{id}-t {id}-d" '
        f'style="max-width:{width:.0f}px" class="drawing">',
        f'<title id="{id}-t">{escape(diagram.caption)}</title><desc id="{id}-d">{escape(diagram.description)}</desc>',
        f'<defs><marker id="{id}-tip" viewBox="0 0 8 8" refX="7" refY="4" markerWidth="7" markerHeight="7" '
        'orient="auto" markerUnits="userSpaceOnUse"><path d="M0 0L8 4L0 8z" class="tip"/></marker></defs>',
    ]
    made += [edge_svg(edge, place, shape, id) for edge in diagram.edges]
    made += [node_svg(node, place[node.id], shape) for node in diagram.nodes]
    return "".join(made) + "</svg>"


def edge_svg(edge: Edge, place: dict[str, tuple[float, float]], shape: str, id: str) -> str:
    """A line from border to border, or an arc where it passes over a column."""
    (x1, y1), (x2, y2) = place[edge.start], place[edge.end]
    gap = RADIUS if shape == "circle" else HALF
    x1, x2 = x1 + gap, x2 - gap - 3
    width = 0.8 + 3 * abs(edge.weight)
    dash = ' stroke-dasharray="5 4"' if edge.weight < 0 else ""
    far = x2 - x1 > COLUMN[shape]
    bend = (
        f"C{x1 + 50:.0f} {y1 - 60:.0f} {x2 - 50:.0f} {y2 - 60:.0f} {x2:.0f} {y2:.0f}" if far else f"L{x2:.0f} {y2:.0f}"
    )
    line = (
        f'<path d="M{x1:.0f} {y1:.0f}{bend}" class="edge {edge.kind}" stroke-width="{width:.1f}"{dash} '
        f'marker-end="url(#{id}-tip)"/>'
    )
    if not edge.label:
        return line
    t = 0.28  # nearer to the start, where the lines that meet at one unit lie apart
    x, y = x1 + t * (x2 - x1), y1 + t * (y2 - y1) - (4 if not far else 40)
    return line + f'<text x="{x:.0f}" y="{y:.0f}" class="on-edge {edge.kind}">{escape(edge.label)}</text>'


def node_svg(node: Node, at: tuple[float, float], shape: str) -> str:
    """A unit or an operation, its number in it and its gradient below."""
    x, y = at
    if shape == "circle":
        mark = f'<circle cx="{x:.0f}" cy="{y:.0f}" r="{RADIUS}" class="node {node.kind}"/>'
        below = y + RADIUS + 15
    else:
        mark = (
            f'<rect x="{x - HALF:.0f}" y="{y - TALL:.0f}" width="{2 * HALF}" height="{2 * TALL}" rx="6" '
            f'class="node {node.kind}"/>'
        )
        below = y + TALL + 15
    text = f'<text x="{x:.0f}" y="{y + 4.5:.1f}" class="label">{escape(node.label)}</text>'
    under = [
        f'<text x="{x:.0f}" y="{below + 14 * n:.0f}" class="{side(line)}">{escape(line)}</text>'
        for n, line in enumerate(node.below.splitlines())
    ]
    return mark + text + "".join(under)


def side(line: str) -> str:
    """The class of a line below a box: a value on its way up, or a slope on its way down."""
    return "value" if line.startswith("▲") else "below"


def plot_svg(plot: Plot, id: str) -> str:
    """Two curves over x with the points that the network visits."""
    width, height, pad = 300, 170, 26
    ys = [y for _, curve in plot.curves for y in curve]
    low, high = min(0.0, *ys), max(1.0, *ys)
    x0, x1 = plot.x[0], plot.x[-1]

    def at(x: float, y: float) -> str:
        px = pad + (x - x0) / (x1 - x0) * (width - 2 * pad)
        py = height - pad - (y - low) / (high - low) * (height - 2 * pad)
        return f"{px:.1f} {py:.1f}"

    made = [
        f'<svg viewBox="0 0 {width} {height}" role="img" aria-labelledby="{id}-t {id}-d" class="plot">'
        f'<title id="{id}-t">{escape(plot.caption)}</title><desc id="{id}-d">{escape(plot.description)}</desc>',
        f'<path d="M{at(x0, 0)}L{at(x1, 0)}M{at(0, low)}L{at(0, high)}" class="axis"/>',
    ]
    for n, (name, curve) in enumerate(plot.curves):
        points = "L".join(at(x, y) for x, y in zip(plot.x, curve, strict=True))
        made.append(f'<path d="M{points}" class="curve c{n}"/>')
        made.append(
            f'<text x="{pad + 4 + 62 * n}" y="14" class="key c{n}">{"━ " if n == 0 else "┅ "}{escape(name)}</text>'
        )
    for x, y in plot.points:
        px, py = at(x, y).split()
        made.append(f'<circle cx="{px}" cy="{py}" r="3.2" class="point"/>')
    made.append(f'<text x="{pad}" y="{height - 6}" class="tick">{x0:g}</text>')
    made.append(f'<text x="{width - pad}" y="{height - 6}" class="tick">{x1:g}</text>')
    made.append(f'<text x="{pad - 4}" y="{pad + 4}" class="tick end">{high:.3g}</text>')
    return "".join(made) + "</svg>"
