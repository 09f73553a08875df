"""Tables at a glance: shapes, what is kept and why, operations and bytes, and a checklist for a pass of one's own."""

from backlit.derivation.context import Context
from backlit.derivation.document import BulletList, Paragraph, Section, Table, Text
from backlit.derivation.expressions import Fn, MatMul, Sym, Transpose
from backlit.derivation.functions import applied


def cache_section(s: Context) -> Section:
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


def checklist_section(s: Context) -> Section:
    """The general points, and those that this network adds."""
    worst = max((c.error for checks in s.checks.values() for c in checks if c.kind == "complex step"), default=0.0)
    agree = all(c.ok for checks in s.checks.values() for c in checks)
    items: list[Text] = [
        ("Every gradient has the shape of its parameter.",),
        ("The slope of the activation is taken at ", *taken_at(s), ", not at ", Sym("a", "l"), "."),
        ("The weights on the way down are those of the way up: the update comes after the whole pass.",),
        ("The mean over the examples, 1/m, is taken once, in the gradients of W and b, and not in δ.",)
        if s.net.reduction == "mean"
        else ("The cost is a sum over the examples: there is no 1/m.",),
    ]
    if s.net.l2:
        items.append(("L2 adds λW to the gradient of the weights, and nothing to that of the biases.",))
    if any(layer.norm == "batch" for layer in s.net.layers):
        items.append(
            ("Through batch norm the mean and the variance are functions of z too: δ sums to 0 over the batch.",)
        )
    if any(layer.dropout for layer in s.net.layers):
        items.append(("The mask on the way down is the mask of the way up.",))
    if any(layer.skip_from is not None for layer in s.net.layers):
        items.append(("At the lower end of a skip two slopes are added.",))
    said = "agree" if agree else "do NOT all agree"
    items.append(
        (
            f"Here, complex steps and central differences {said}; the largest relative error of a complex step is "
            f"{worst:.1e}.",
        )
    )
    return Section("checklist", "Checklist", (BulletList(tuple(items)),))


def taken_at(s: Context) -> Text:
    """What φ is applied to."""
    normed = [bool(layer.norm) for layer in s.net.layers]
    if not any(normed):
        return (Sym("z", "l"),)
    return (Sym("u", "l"),) if all(normed) else (Sym("u", "l"), " after a norm and at ", Sym("z", "l"), " without one")


BYTES = 8  # float64, in which a derivation computes


def costs_section(s: Context) -> Section:
    """A row for each layer, then the sums."""
    rows: list[tuple[Text, ...]] = []
    total = 0
    for l in range(1, s.net.L + 1):
        n, k = s.net.n[l], s.net.n[l - 1]
        flops = 2 * s.m * n * k
        total += flops
        rows.append(((str(l),), (f"{flops:,}",), (f"{flops:,}",), (f"{flops:,}",)))
    rows.append((("all",), (f"{total:,}",), (f"{total:,}",), (f"{total:,}",)))
    kept = sum(s.m * n for n in s.net.n) + sum(s.m * n for n in s.net.n[1:])
    head: tuple[Text, ...] = (("Layer",), ("F1",), ("BP4",), ("BP5",))
    said = (
        f"A multiply and an add are 2 operations. Each product takes 2 m n k of them, with m = {s.m} examples; the way "
        "down has two products for each one of the way up, so a gradient costs about three times a prediction."
    )
    memory = (
        f"In float64: {s.net.n_parameters * BYTES:,} bytes of parameters, as many of gradients, and "
        f"{kept * BYTES:,} bytes of z and a that are kept for the way back."
    )
    table = Table("Operations in matrix products", head, tuple(rows))
    return Section("costs", "Operations and bytes", (Paragraph((said,)), table, Paragraph((memory,))))


def dimensions_section(s: Context) -> Section:
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
