"""The network drawn with all that it has: layers, skips, norms, dropout; of a large layer the units at its ends."""

from dataclasses import replace

import numpy as np

from backlit.derivation.context import EXAMPLES, Context
from backlit.derivation.document import Diagram, Edge, Node
from backlit.derivation.expressions import Num

MANY = 6  # units of a layer that are drawn
DEEP = 24  # columns that are drawn
FEW = 3  # units of the largest layer for which the lines carry their weights
WIDE = 16  # characters of an input's name
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
