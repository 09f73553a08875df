"""The computational graph that automatic differentiation would build, with the same numbers on it."""

from typing import Any

from backlit.derivation.document import Diagram, Edge, Node, Paragraph, Section
from backlit.derivation.scene import Scene

SUB = str.maketrans("0123456789", "₀₁₂₃₄₅₆₇₈₉")


def section(s: Scene) -> Section | None:
    """None where the network is too deep for a drawing to help."""
    if s.net.L > 8:
        return None
    said = (
        "Automatic differentiation records each operation as it is done and walks the record backward. It finds the "
        "same numbers: under each box stand the value that went up (▲) and the slope of the loss that came down (▼), "
        "for the first example."
    )
    return Section("graph", "The computational graph", (Paragraph((said,)), drawing(s)))


def short(s: Scene, values: Any) -> str:
    """Up to two numbers in words; more are counted."""
    if values is None:
        return ""
    flat = [s.num(v).text.replace("-", "−") for v in values.ravel()]
    return ", ".join(flat) if len(flat) <= 2 and all(len(t) < 10 for t in flat) else f"{len(flat)} numbers"


def node(s: Scene, id: str, column: float, row: float, label: str, value: Any, slope: Any, kind: str = "op") -> Node:
    """A box with its value and its slope below it."""
    under = [f"▲ {short(s, value)}"] if value is not None else []
    under += [f"▼ {short(s, slope)}"] if slope is not None else []
    return Node(id, column, row, label.translate(SUB), "\n".join(under), kind)


def drawing(s: Scene) -> Diagram:
    """Leaves above and below, operations in the middle."""
    nodes = [node(s, "x", 0, 1, "a0 = x", s.trace.a[0][0], s.grad.a[0][0], "input")]
    edges, column, previous = [], 0, {0: "x"}
    for l, layer in s.net.numbered():
        nodes.append(node(s, f"W{l}", column, 0, f"W{l}", s.params.W[l], s.grad.W[l], "input"))
        nodes.append(node(s, f"b{l}", column, 2, f"b{l}", s.params.b[l], s.grad.b[l], "input"))
        column += 1
        nodes.append(node(s, f"z{l}", column, 1, f"z{l} = W{l}a{l - 1} + b{l}", s.trace.z[l][0], s.grad.delta[l][0]))
        edges += [Edge(start, f"z{l}") for start in (previous[l - 1], f"W{l}", f"b{l}")]
        last = f"z{l}"
        if layer.norm:
            column += 1
            nodes.append(node(s, f"u{l}", column, 1, f"u{l} = norm(z{l})", s.trace.u[l][0], s.grad.u[l][0]))
            edges.append(Edge(last, f"u{l}"))
            last = f"u{l}"
        column += 1
        more = " …" if s.trace.mask[l] is not None or layer.skip_from is not None else ""
        nodes.append(node(s, f"a{l}", column, 1, f"a{l} = φ({last}){more}", s.trace.a[l][0], s.grad.a[l][0]))
        edges.append(Edge(last, f"a{l}"))
        if layer.skip_from is not None:
            edges.append(Edge(previous[layer.skip_from], f"a{l}", "skip", 0.5, "skip"))
        previous[l] = f"a{l}"
    nodes.append(node(s, "loss", column + 1, 1, "ℓ", s.losses[:1], None, "loss"))
    edges.append(Edge(previous[s.net.L], "loss"))
    batch = "" if s.m == 1 else " W and b carry the slope of the cost over the whole batch."
    return Diagram(
        "Values up and slopes down on the graph." + batch,
        f"From the inputs through {s.net.L} layers to the loss; weights and biases enter each weighted sum.",
        tuple(nodes),
        tuple(edges),
        "box",
    )
