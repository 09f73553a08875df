"""The network drawn: units in columns, weights on the lines, what is too large in part."""

import numpy as np

from backlit.derivation.document import Diagram, Edge, Node
from backlit.derivation.expressions import Num
from backlit.derivation.scene import Scene

MANY = 6  # units of a layer that are drawn
DEEP = 5  # columns that are drawn
FEW = 3  # units of the largest layer for which the lines carry their weights
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


def network(s: Scene) -> Diagram:
    """Units with a of the first example in them and δ below, weights on the lines."""
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
        for row, j in enumerate(units):
            nodes.append(unit(s, l, j, column, row + (tallest - len(units)) / 2))
        if column and columns[column - 1] is not None:
            edges += weights(s, l)
    left_out = (
        " Large layers and deep networks are drawn in part." if any(node.kind == "dots" for node in nodes) else ""
    )
    return Diagram(
        "The network: activations of the first example in the units, δ below them, weights on the lines; negative "
        "weights are dashed." + left_out,
        f"{s.net.L + 1} columns of units: {n[0]} inputs, "
        + ", ".join(f"{n[l]} in layer {l}" for l in range(1, s.net.L + 1))
        + ".",
        tuple(nodes),
        tuple(edges),
    )


def unit(s: Scene, l: int, j: int | None, column: int, row: float) -> Node:
    """One unit, or the dots for those between."""
    if j is None:
        return Node(f"{l}.dots", column, row, "⋮", f"{s.net.n[l] - MANY + 1} more", "dots")
    value = said(s.num(s.trace.a[l][0, j]))
    slope = "" if l == 0 else "δ " + said(s.num(s.grad.delta[l][0, j]))
    kind, link = ("input", "given-x") if l == 0 else ("unit", f"a[{l}]")
    return Node(f"{l}.{j}", column, row, value, slope, kind, link)


def weights(s: Scene, l: int) -> list[Edge]:
    """A line for each weight between units that are drawn."""
    W = s.params.W[l]
    largest = float(np.abs(np.asarray(W, np.float64)).max()) or 1.0
    made = []
    for j in shown(s.net.n[l], MANY):
        for k in shown(s.net.n[l - 1], MANY):
            if j is None or k is None:
                continue
            label = said(s.num(W[j, k])) if max(s.net.n) <= FEW else ""
            made.append(Edge(f"{l - 1}.{k}", f"{l}.{j}", label, float(W[j, k]) / largest))
    return made
