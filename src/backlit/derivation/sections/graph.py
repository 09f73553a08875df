"""The computational graph that automatic differentiation would build, with the same numbers on it."""

from itertools import pairwise
from typing import Any

import numpy as np

from backlit.derivation.context import Context
from backlit.derivation.document import Diagram, Edge, Node, Paragraph, Section
from backlit.derivation.sections.drawing import LOWERED, said

WIDE, TALL = 20, 4  # characters of a line of numbers in a box, and lines
DEEP = 4  # layers that are drawn before those in the middle are left out


def section(s: Context) -> Section:
    """The graph with a word before it."""
    losses = "losses of the batch" if s.coupled else "loss"
    said = (
        "Automatic differentiation records each operation as it is done and walks the record backward. It finds the "
        f"same numbers: each box holds the value that went up (▲) and the slope of the {losses} that came down "
        "(▼), for the first example."
    )
    return Section("graph", "The computational graph", (Paragraph((said,)), drawing(s)))


def written(s: Context, values: Any) -> list[str]:
    """The numbers in up to `TALL` lines, a matrix by its rows; larger ones are counted."""
    rows = np.atleast_2d(values)
    texts = [[said(s.num(v)) for v in row] for row in rows]
    lines = [line for row in texts for line in packed(row)]
    fits = len(lines) <= TALL and all(len(line) <= WIDE for line in lines)
    return lines if fits else [" × ".join(map(str, values.shape)) + " numbers"]


def packed(texts: list[str]) -> list[str]:
    """Numbers parted by commas, in as many lines as they need."""
    lines: list[str] = []
    for text in texts:
        if lines and len(lines[-1]) + len(text) + 2 <= WIDE:
            lines[-1] += f", {text}"
        else:
            lines.append(text)
    return lines


def node(
    s: Context, id: str, at: tuple[int, int], label: str, value: Any, slope: Any, link: str, kind: str = "op"
) -> Node:
    """A box with its value and its slope, at a column (how far up) and a row (0 left, 1 middle, 2 right)."""
    under = signed("▲", written(s, value)) + (signed("▼", written(s, slope)) if slope is not None else [])
    return Node(id, *at, label.translate(LOWERED), "\n".join(under), kind, link)


def signed(sign: str, lines: list[str]) -> list[str]:
    """The sign before each line, so that none is taken for the other way."""
    return [f"{sign} {line}" for line in lines]


def drawn_layers(L: int) -> list[int | None]:
    """The layers that are drawn; None if some are left out.

    >>> drawn_layers(3), drawn_layers(9)
    ([1, 2, 3], [1, 2, None, 9])
    """
    return list(range(1, L + 1)) if L <= DEEP else [1, 2, None, L]


def drawing(s: Context) -> Diagram:
    """Operations one above the other in the middle, the parameters at their sides."""
    x = node(s, "x", (0, 1), "a0 = x", s.trace.a[0][0], s.grad.a[0][0], kind="input", link="given-x")
    nodes, edges, column, previous, lower = [x], [], 0, {0: "x"}, "x"
    for l in drawn_layers(s.net.L):
        column += 1
        if l is None:
            left = f"layers 3 to {s.net.L - 1}" if s.net.L > 4 else "layer 3"
            nodes.append(Node("dots", column, 1, "⋮", left, "dots"))
            edges.append(Edge(lower, "dots"))
            lower = "dots"
            continue
        made = layer_nodes(s, l, column)
        nodes += made
        sides = [n.id for n in made if n.kind == "input"]
        way = [n.id for n in made if n.kind == "op"]
        edges += [Edge(start, way[0]) for start in (lower, *sides)]
        edges += [Edge(a, b) for a, b in pairwise(way)]
        skip = s.layer(l).skip_from
        if skip is not None:
            edges.append(Edge(previous.get(skip, "dots"), way[-1], "skip", 0.5, "skip"))
        column, lower = column + len(way) - 1, way[-1]
        previous[l] = lower
    nodes.append(node(s, "loss", (column + 1, 1), "ℓ", s.losses[:1], None, kind="loss", link="ell"))
    edges.append(Edge(lower, "loss"))
    batch = "" if s.m == 1 else " W and b carry the slope of the cost over the whole batch."
    return Diagram(
        "Values up and slopes down on the graph, inputs at the foot, loss at the top." + batch,
        f"From the inputs through {s.net.L} layers to the loss; weights and biases enter each weighted sum.",
        tuple(nodes),
        tuple(edges),
        "box",
    )


def layer_nodes(s: Context, l: int, column: int) -> list[Node]:
    """W and b at the sides of z; u where there is a norm, and a, above it."""
    layer, trace, grad = s.layer(l), s.trace, s.grad
    made = [
        node(s, f"W{l}", (column, 0), f"W{l}", s.params.W[l], grad.W[l], kind="input", link=f"grad_W[{l}]"),
        node(s, f"b{l}", (column, 2), f"b{l}", s.params.b[l], grad.b[l], kind="input", link=f"grad_b[{l}]"),
        node(s, f"z{l}", (column, 1), f"z{l} = W{l}a{l - 1} + b{l}", trace.z[l][0], grad.delta[l][0], link=f"z[{l}]"),
    ]
    last = f"z{l}"
    if layer.norm:
        column += 1
        label = f"u{l} = norm(z{l})"
        made.append(node(s, f"u{l}", (column, 1), label, trace.u[l][0], grad.u[l][0], link=f"u[{l}]"))
        last = f"u{l}"
    name = layer.activation.name.replace("_", " ")
    more = " …" if trace.mask[l] is not None or layer.skip_from is not None else ""
    label = f"a{l} = {name}({last}){more}"
    made.append(node(s, f"a{l}", (column + 1, 1), label, trace.a[l][0], grad.a[l][0], link=f"a[{l}]"))
    return made
