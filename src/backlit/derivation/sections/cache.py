"""What the forward pass keeps, and which equation of the backward pass needs it."""

from backlit.derivation.document import Paragraph, Section, Table, Text
from backlit.derivation.expressions import Fn, Sym
from backlit.derivation.functions import applied
from backlit.derivation.scene import Scene


def section(s: Scene) -> Section:
    """A row for each quantity that is kept."""
    rows: list[tuple[Text, ...]] = []
    for l, layer in s.net.numbered():
        n, k = s.net.n[l], s.net.n[l - 1]
        under = Sym("u" if layer.norm else "z", str(l))
        rows.append(((Sym("a", str(l - 1)),), (f"{k}×{s.m}",), ("BP4",), ("the weights' gradient is δ times it",)))
        if l == s.net.L and s.net.has_short_form:
            rows.append(((Sym("a", str(l)),), (f"{n}×{s.m}",), ("BP1S",), ("δ at the output is it minus y",)))
        elif layer.activation.name != "identity":
            slope: Fn = applied(layer.activation, under, slope=True)
            rows.append(((under,), (f"{n}×{s.m}",), ("BP2",), (slope, " is taken at it")))
        if layer.norm:
            equation = "BN8" if layer.norm == "batch" else "LN6"
            rows.append(((Sym("x_hat", str(l)),), (f"{n}×{s.m}",), (equation,), ("the way back through the norm",)))
        if s.trace.mask[l] is not None:
            rows.append(((Sym("mask", str(l)),), (f"{n}×{s.m}",), ("DO2",), ("the same units are dropped",)))
        rows.append(((Sym("W", str(l)),), (f"{n}×{k}",), ("BP5",), ("its transpose carries δ down",)))
    head: tuple[Text, ...] = (("Kept",), ("Shape",), ("For",), ("Because",))
    said = (
        "The backward pass reads what the forward pass left. Without it everything would be computed again for each "
        "layer; overwriting it in place makes the gradient wrong without a word."
    )
    return Section(
        "cache", "What is kept, and why", (Paragraph((said,)), Table("Kept for the way back", head, tuple(rows)))
    )
