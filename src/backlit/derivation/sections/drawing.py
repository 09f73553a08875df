"""The drawings: the network with all that it has, and the graph that automatic differentiation would build."""

from dataclasses import replace
from itertools import pairwise
from typing import Any

import numpy as np

from backlit.derivation.context import EXAMPLES, Context
from backlit.derivation.document import Diagram, Edge, Node, Paragraph, Section
from backlit.derivation.expressions import Num

MANY = 6  # units of a layer that are drawn
DEEP = 24  # columns that are drawn
FEW = 3  # units of the largest layer for which the lines carry their weights
WIDE = 16  # characters of an input's name
BOX_WIDE, BOX_TALL = 20, 4  # characters of a line of numbers in a box of the graph, and lines
GRAPH_DEEP = 4  # layers of the graph that are drawn before those in the middle are left out
LOWERED = str.maketrans("0123456789", "₀₁₂₃₄₅₆₇₈₉")
RAISED = str.maketrans("0123456789−", "⁰¹²³⁴⁵⁶⁷⁸⁹⁻")


def shown(n: int, most: int, tail: int = 1) -> list[int | None]:
    """The first ones, None for the dots, and the last; all of them where they are few.

    >>> shown(4, 6), shown(784, 6), shown(9, 5, 2)
    ([0, 1, 2, 3], [0, 1, 2, 3, None, 783], [0, 1, None, 7, 8])
    """
    return list(range(n)) if n <= most else [*range(most - 1 - tail), None, *range(n - tail, n)]


def said(num: Num) -> str:
    """A number in a drawing, −1.5×10⁻⁷.

    >>> said(Num(-1.5e-7, "-1.5e-7", True))
    '−1.5×10⁻⁷'
    """
    mantissa, _, exponent = num.text.replace("-", "−").partition("e")
    return mantissa + (f"×10{exponent.translate(RAISED)}" if exponent else "")


def network(s: Context) -> Diagram:
    """The first example's drawing, and behind it those of the other examples that are worked one by one."""
    first, *others = (one_example(s, i) for i in range(min(s.m, EXAMPLES)))
    return replace(first, others=tuple(others))


def one_example(s: Context, i: int) -> Diagram:
    """Units with a of example i in them and δ below, weights on the lines, and what a layer has besides."""
    n = s.net.n
    columns = shown(s.net.L + 1, DEEP, 2)
    tallest = max(min(n[l], MANY) for l in columns if l is not None)
    nodes, edges = [], []
    for column, l in enumerate(columns):
        if l is None:
            between = s.net.L + 1 - len(columns) + 1
            nodes.append(Node("dots", column, (tallest - 1) / 2, "⋯", f"{between} layers", "dots"))
            continue
        units = shown(n[l], MANY)
        nodes += [unit(s, i, l, j, (column, row + (tallest - len(units)) / 2)) for row, j in enumerate(units)]
        nodes += beside(s, l, (column, tallest))
        edges += weights(s, l) if column and columns[column - 1] is not None else []
        edges += skip(s, l, columns)
    in_part = " Large layers and deep networks are drawn in part." if any(n.kind == "dots" for n in nodes) else ""
    which = "the example" if s.m == 1 else "the first example" if i == 0 else f"example {i + 1}"
    return Diagram(
        f"The network: activations of {which} in the units, δ below them, weights on the lines; negative weights are "
        "dashed." + in_part,
        f"{s.net.L + 1} columns of units: {n[0]} inputs, "
        + ", ".join(", ".join([f"{n[l]} in layer {l}", *extras(s, l)]) for l in range(1, s.net.L + 1))
        + ".",
        tuple(nodes),
        tuple(edges),
    )


def unit(s: Context, i: int, l: int, j: int | None, at: tuple[int, float]) -> Node:
    """One unit, or the dots for those between."""
    if j is None:
        return Node(f"{l}.dots", *at, "⋮", f"{s.net.n[l] - MANY + 1} more", "dots")
    value = said(s.num(s.trace.a[l][i, j]))
    if l == 0:
        return Node(f"0.{j}", *at, value, input_name(s, j), "input", "given-x")
    mask = s.trace.mask[l]
    kind = "dropped" if mask is not None and mask[i, j] == 0 else "unit"
    return Node(f"{l}.{j}", *at, value, "δ " + said(s.num(s.grad.delta[l][i, j])), kind, f"a[{l}]")


def input_name(s: Context, j: int) -> str:
    """What an input is called: by its column in a table, else x₁."""
    if s.problem.row is None:
        return f"x{j + 1}".translate(LOWERED)
    name = s.problem.row.features[j]
    return name if len(name) <= WIDE else name[: WIDE - 1] + "…"


def extras(s: Context, l: int) -> list[str]:
    """Norm, dropout and skip of a layer in words.

    A network that predicts drops nothing.
    """
    layer = s.layer(l)
    found = [f"{layer.norm} norm"] if layer.norm else []
    found += [f"dropout {layer.dropout:g}"] if s.trace.mask[l] is not None else []
    return found + ([f"skip from layer {layer.skip_from}"] if layer.skip_from is not None else [])


def beside(s: Context, l: int, at: tuple[int, float]) -> list[Node]:
    """A column's name, and below it a tag for a norm and for dropout."""
    if l == 0:
        return [Node("0.name", *at, "inputs", "", "name", "given-x")]
    name = f"{l} · {s.layer(l).activation.name.replace('_', ' ')}"
    made = [Node(f"{l}.name", *at, name, "", "name", f"a[{l}]")]
    if norm := s.layer(l).norm:
        made.append(Node(f"{l}.norm", *at, f"{norm} norm", "", "tag", f"u[{l}]"))
    if s.trace.mask[l] is not None:
        made.append(Node(f"{l}.dropout", *at, f"dropout {s.layer(l).dropout:g}", "", "tag", f"a[{l}]"))
    return made


def weights(s: Context, l: int) -> list[Edge]:
    """A line for each weight between units that are drawn."""
    W = s.params.W[l]
    largest = float(np.abs(np.asarray(W, np.float64)).max()) or 1.0
    made = []
    for j in shown(s.net.n[l], MANY):
        for k in shown(s.net.n[l - 1], MANY):
            if j is None or k is None:
                continue
            label = said(s.num(W[j, k])) if max(s.net.n) <= FEW else ""
            made.append(Edge(f"{l - 1}.{k}", f"{l}.{j}", label, float(W[j, k]) / largest, link=f"grad_W[{l}]"))
    return made


def skip(s: Context, l: int, columns: list[int | None]) -> list[Edge]:
    """An arc from the layer that is handed on to this one, over the units' heads."""
    layer = s.layer(l) if l else None
    if layer is None or layer.skip_from is None:
        return []
    start = f"{layer.skip_from}.0" if layer.skip_from in columns else "dots"
    scale = "" if layer.skip_scale == 1 else f" × {layer.skip_scale:g}"
    return [Edge(start, f"{l}.0", f"skip{scale}", kind="skip", link=f"a[{l}]")]


# --- the computational graph ------------------------------------------------------------------------------------------


def graph_section(s: Context) -> Section:
    """The graph with a word before it."""
    losses = "losses of the batch" if s.coupled else "loss"
    words = (
        "Automatic differentiation records each operation as it is done and walks the record backward. It finds the "
        f"same numbers: each box holds the value that went up (▲) and the slope of the {losses} that came down "
        "(▼), for the first example."
    )
    return Section("graph", "The computational graph", (Paragraph((words,)), graph(s)))


def written(s: Context, values: Any) -> list[str]:
    """The numbers in up to `BOX_TALL` lines, a matrix by its rows; larger ones are counted."""
    rows = np.atleast_2d(values)
    texts = [[said(s.num(v)) for v in row] for row in rows]
    lines = [line for row in texts for line in packed(row)]
    fits = len(lines) <= BOX_TALL and all(len(line) <= BOX_WIDE for line in lines)
    return lines if fits else [" × ".join(map(str, values.shape)) + " numbers"]


def packed(texts: list[str]) -> list[str]:
    """Numbers parted by commas, in as many lines as they need."""
    lines: list[str] = []
    for text in texts:
        if lines and len(lines[-1]) + len(text) + 2 <= BOX_WIDE:
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
    return list(range(1, L + 1)) if L <= GRAPH_DEEP else [1, 2, None, L]


def graph(s: Context) -> Diagram:
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
