"""Tables at a glance: shapes, what is kept and why, operations and bytes, and a checklist for a pass of one's own."""

from collections.abc import Iterator

from backlit.derivation.context import Context
from backlit.derivation.document import BulletList, Paragraph, Section, Table, Text
from backlit.derivation.expressions import MatMul, Sym, Transpose
from backlit.derivation.functions import applied

Kept = tuple[Sym, int, str, Text]


def kept(s: Context, l: int) -> Iterator[Kept]:
    """(What the way back through layer l reads, its units, the equation that does, why)."""
    n, layer = s.net.n[l], s.layer(l)
    under = Sym("u" if layer.norm else "z", str(l))
    yield Sym("a", str(l - 1)), s.net.n[l - 1], "BP4", ("the weights' gradient is δ times it",)
    short = l == s.net.L and s.net.has_short_form
    if l == s.net.L and not short:
        yield Sym("a", str(l)), n, "BP1", ("the slope of the loss is taken at it",)
    if short:
        yield Sym("a", str(l)), n, "BP1S", ("δ at the output is it minus y",)
    elif layer.activation.name != "identity":
        yield under, n, "BP2", (applied(layer.activation, under, slope=True), " is taken at it")
    if layer.norm:
        equation = "BN8" if layer.norm == "batch" else "LN6"
        yield Sym("x_hat", str(l)), n, equation, ("the way back through the norm",)
    if s.trace.mask[l] is not None:
        yield Sym("mask", str(l)), n, "DO2", ("the same units are dropped",)


def kept_bytes(s: Context) -> int:
    """Bytes of all that is kept for the way back, without the parameters."""
    return BYTES * s.m * sum(n for l in range(1, s.net.L + 1) for _, n, _, _ in kept(s, l))


def cache_section(s: Context) -> Section:
    """A row for each quantity that is kept."""
    rows: list[tuple[Text, ...]] = []
    for l in range(1, s.net.L + 1):
        rows += [((symbol,), (f"{n}×{s.m}",), (equation,), why) for symbol, n, equation, why in kept(s, l)]
        shape = f"{s.net.n[l]}×{s.net.n[l - 1]}"
        rows.append(((Sym("W", str(l)),), (shape,), ("BP5",), ("its transpose carries δ down",)))
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
    head: tuple[Text, ...] = (("Layer",), ("F1",), ("BP4",), ("BP5",))
    said = (
        f"A multiply and an add are 2 operations. Each product takes 2 m n k of them, with m = {s.m} examples; the way "
        "down has two products for each one of the way up, so a gradient costs about three times a prediction."
    )
    memory = (
        f"In float64: {s.net.n_parameters * BYTES:,} bytes of parameters, as many of gradients, and "
        f"{kept_bytes(s):,} bytes of what else is kept for the way back."
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
