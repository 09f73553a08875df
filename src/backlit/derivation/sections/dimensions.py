"""The dimension check: every product of the two passes, with the shapes of its factors."""

from backlit.derivation.document import Paragraph, Section, Table, Text
from backlit.derivation.expressions import MatMul, Sym, Transpose
from backlit.derivation.scene import Scene


def section(s: Scene) -> Section:
    """Three products a layer."""
    rows: list[tuple[Text, ...]] = []
    for l in range(1, s.net.L + 1):
        n, k = s.net.n[l], s.net.n[l - 1]
        W, a, d = Sym("W", str(l)), Sym("a", str(l - 1)), Sym("delta", str(l))
        rows.append((("F1",), (MatMul(W, a),), (f"{n}×{k} times {k}×1",), (Sym("z", str(l)), f" {n}×1")))
        rows.append(
            (("BP4",), (MatMul(d, Transpose(a)),), (f"{n}×1 times 1×{k}",), (s.cost_slope("W", l), f" {n}×{k}"))
        )
        rows.append((("BP5",), (MatMul(Transpose(W), d),), (f"{k}×{n} times {n}×1",), (s.slope("a", l - 1), f" {k}×1")))
    head: tuple[Text, ...] = (("Equation",), ("Product",), ("Shapes",), ("Result",))
    said = (
        "The inner numbers of a product must be equal, and a gradient has the shape of what it belongs to. With that "
        "there is one place only for each transpose."
    )
    return Section(
        "dimensions", "Do the shapes fit?", (Paragraph((said,)), Table("Products and shapes", head, tuple(rows)))
    )
