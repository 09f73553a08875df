"""Tables at a glance: what came out, shapes, what is kept and why, operations and bytes, and a checklist for a pass of
one's own.
"""

from collections.abc import Iterator
from typing import Any

from backlit.core.norms import norm_of
from backlit.derivation.context import Context, as_float
from backlit.derivation.document import BulletList, Paragraph, Section, Table, Text
from backlit.derivation.expressions import Add, MatMul, Partial, Sym, Transpose
from backlit.derivation.functions import applied, fn
from backlit.derivation.sections.helpers import averaged, delta_symbol, even, said
from backlit.derivation.update import Updated, optimizer_of
from backlit.optim.optimizers.base import norm

Kept = tuple[Sym, int, str, Text]
FEW = 4  # of a layer that are written out; of more, the least and the largest


def glance_section(s: Context, updates: list[Updated]) -> Section:
    """One paragraph and one table."""
    return Section("glance", "At a glance", (Paragraph((story(s, updates[0]),)), layers(s)))


def story(s: Context, first: Updated) -> str:
    """Forward, backward, update, in a sentence each; of a trained network no update, for its optimizer isn't known."""
    which = "" if s.m == 1 else " for example 1"
    output, target = (numbers(s, values[0]) for values in (s.trace.a[-1], s.y))
    cost, later = said(s.num(first.loss_before)), said(s.num(first.loss_after))
    passes = (
        f"Forward, the network gives {output}{which} where {target} is wanted, and the cost C is {cost}. Backward, "
        "each layer is told how fast C grows with its numbers."
    )
    if s.problem.statistics is not None and s.problem.optimizer is None:
        return passes
    return f"{passes} Moved against that by one step of {optimizer_of(s.problem).name}, the same network costs {later}."


def numbers(s: Context, values: Any) -> str:
    """A few numbers as they are; of many, the least and the largest."""
    if len(values) <= FEW:
        return ", ".join(said(s.num(v)) for v in values)
    return f"{said(s.num(min(values)))} … {said(s.num(max(values)))}"


def layers(s: Context) -> Table:
    """A row for each layer: what went up, what came back, and how steep the cost is in its parameters."""
    rows: list[tuple[Text, ...]] = []
    for l in range(s.net.L + 1):
        up, name = numbers(s, s.trace.a[l][0]), "inputs" if l == 0 else f"{l}, {s.layer(l).activation.name}"
        back = numbers(s, s.grad.delta[l][0]) if l else ""
        steep = [length(s, getattr(s.grad, p)[l]) if l else "" for p in ("W", "b")]
        rows.append(((name,), (up,), (back,), *((text,) for text in steep)))
    which = "" if s.m == 1 else " of example 1"
    header: tuple[Text, ...] = (
        ("Layer",),
        ("▲ activations ", Sym("a", "l")),
        ("▼ errors ", Sym("delta", "l")),
        ("‖", Partial(Sym("C"), Sym("W", "l")), "‖"),
        ("‖", Partial(Sym("C"), Sym("b", "l")), "‖"),
    )
    return Table(f"Each layer{which}; of more than {FEW} units the least and the largest number", header, tuple(rows))


def length(s: Context, gradient: Any) -> str:
    """The root of the sum of squares."""
    return s.words(norm(as_float(gradient)))


def kept(s: Context, l: int) -> Iterator[Kept]:
    """(What the way back through layer l reads, its units, the equation that does, why): claims, found by watching."""
    for name, at, symbol, equation, *why in readable(s, l):
        if reason := s.claim(f"kept_{name}[{at}]", (name, at) in s.read_back, *why):
            yield symbol, s.net.n[at], equation, reason


def readable(s: Context, l: int) -> Iterator[tuple[Any, ...]]:
    """What the way back through layer l may read: name, layer, symbol, equation, why."""
    layer, last = s.layer(l), l == s.net.L
    yield "a", l - 1, Sym("a", str(l - 1)), "BP4", "the weights' gradient is δ times it"
    if last and s.net.has_short_form:
        yield "a", l, Sym("a", str(l)), "BP1S", "δ at the output is a − y"
    else:
        if last:
            yield "a", l, Sym("a", str(l)), "BP1", "the slope of the loss depends on it"
        under = Sym("u" if layer.norm else "z", str(l))
        if layer.activation.elementwise:
            yield "u", l, under, "BP2", applied(layer.activation, under, slope=True), " is taken at it"
        else:
            yield "u", l, under, "BP2S", "the Jacobian of ", applied(layer.activation, under), " is taken at it"
    if layer.norm:
        yield "x_hat", l, Sym("x_hat", str(l)), norm_of(layer).equations["delta"], "the way back through the norm"
    if s.trace.mask[l] is not None:
        yield "mask", l, Sym("mask", str(l)), "DO2", "the same units are dropped"


def kept_bytes(s: Context) -> int:
    """Bytes of all that is kept for the way back, without the parameters."""
    return BYTES * s.m * sum(n for l in range(1, s.net.L + 1) for _, n, _, _ in kept(s, l))


def algorithm_section(s: Context) -> Section:
    """Both passes and the update, each line with the equations that it takes."""
    L, l = str(s.net.L), "l"
    layers = s.net.layers
    norm, drop = any(layer.norm for layer in layers), any(mask is not None for mask in s.trace.mask)
    skip = any(layer.skip_from is not None for layer in layers)
    normed = [", then u by the norm where there is one"] if norm else []
    after = [*([", then the dropout mask (DO1)"] if drop else []), *([", then the skip (SK1)"] if skip else [])]
    under = Sym("u" if norm else "z", l)
    delta = Sym("delta", l)
    through_mask, through_norm = " through the mask (DO2)," if drop else "", ", through the norm" if norm else ""
    top = "a − y (BP1S)" if s.net.has_short_form else "the slope of the loss (BP1), taken through the activation (BP2)"
    below, W = Sym("a", "l-1"), Sym("W", l)
    slopes = [Partial(Sym("C"), Sym("b", l)), Partial(Sym("C"), W), Partial(s.loss_symbol, below)]
    first = Partial(s.loss_symbol, Sym("u", L)) if layers[-1].norm else Sym("delta", L)
    up: Text = (f"Up, l = 1 to {L}: ", Sym("z", l), " = ", Add(MatMul(W, below), Sym("b", l)), " (F1)", *normed, ", ")
    up += (Sym("a", l), " = ", fn("phi_l", under), " (F2)", *after, ". Keep what the way down reads.")
    down: Text = (f"Down, l = {L} to 1: ", slopes[0], " from ", delta, " (BP3), ", slopes[1], " from ")
    down += (MatMul(delta, Transpose(below)), " (BP4), then ", slopes[2], " = ", MatMul(Transpose(W), delta), " (BP5)")
    down += (
        *([" plus the skip's (SK2)"] if skip else []),
        ", then ",
        Sym("delta", "l-1"),
        f"{through_mask} by φ′ (BP2){through_norm}.",
    )
    items: tuple[Text, ...] = (
        up,
        ("At the output: ", Sym("ell"), " and C (C1), then ", first, f" = {top}."),
        down,
        ("Only then each parameter moves by its step (OPT), all at once.",),
    )
    return Section("algorithm", "The algorithm", (BulletList(items, numbered=True),))


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
    items: list[Text] = [
        ("Every gradient has the shape of its parameter.",),
        *(item for item in taken_at(s) if item),
        ("The weights on the way down are those of the way up: the update comes after the whole pass.",),
        (shares_words(s),),
    ]
    if s.net.l2:
        items.append(("L2 adds λW to the gradient of the weights, and nothing to that of the biases.",))
    if s.net.couples_examples and s.problem.statistics is None:
        items.append(("Through batch norm the mean and the variance are functions of z too.",))
    if any(layer.dropout for layer in s.net.layers):
        items.append(("The mask on the way down is the mask of the way up.",))
    if any(layer.skip_from is not None for layer in s.net.layers):
        items.append(("At the lower end of a skip the slopes of all its paths are added.",))
    items += [item for item in checked_words(s) if item]
    always = tuple(theorems(s))
    more = (Paragraph(("Whatever the numbers, a right gradient of this network has:",)), BulletList(always))
    return Section("checklist", "Checklist", (BulletList(tuple(items)), *(more if always else ())))


def theorems(s: Context) -> Iterator[Text]:
    """What holds of every network of this kind by proof, not by its numbers."""
    if s.layer(s.net.L).activation.is_softmax:
        slope = delta_symbol(s, s.net.L)
        yield (slope, " sums to 0 over the outputs, for softmax's outputs sum to 1 whatever the scores are.")
    for l, layer in s.net.numbered():
        if layer.norm and s.trace.norm[l].axis is not None:
            group = "batch" if norm_of(layer).axis == 0 else "units"
            yield (
                Sym("delta", str(l)),
                f" sums to 0 over the {group}, for the norm takes off what all have in common.",
            )
    plain = all(layer.activation.homogeneous and not layer.norm and layer.skip_from is None for layer in s.net.layers)
    if plain and s.net.L > 1 and not any(as_float(b).any() for b in s.params.b[1:]):
        yield (
            "The sum of w times its slope over a layer's weights is the same in each layer (without L2), for without "
            "biases ",
            Sym("a", "l"),
            " times its slope is the same at each layer.",
        )


def shares_words(s: Context) -> str:
    """Where the examples' shares in C come in."""
    if averaged(s):
        return "The mean over the examples, 1/m, is taken once, in the gradients of W and b, and not in δ."
    if even(s) and s.delta_shares[0] == 1:
        return "The cost is a sum over the examples: there is no 1/m."
    return "The examples' shares in C are taken once, in the gradients of W and b, and not in δ."


def checked_words(s: Context) -> Iterator[Text]:
    """What the independent computations came to, if there were any."""
    checks = [check for found in s.checks.values() for check in found]
    steps = [check.error for check in checks if check.kind == "complex step"]
    kinds = " and ".join(
        f"{kind}s" for kind in ("complex step", "central difference") if kind in {c.kind for c in checks}
    )
    worst = f"; the largest relative error of a complex step is {max(steps):.1e}" if steps else ""
    right = all(check.ok for check in checks)
    yield s.claim("checks_agree", checks and right, f"Here, {kinds} agree with these gradients{worst}.")
    yield s.claim("checks_differ", checks and not right, f"Here, {kinds} do NOT all agree with these gradients{worst}.")


def taken_at(s: Context) -> Iterator[Text]:
    """What φ is applied to, of the layers whose φ has a slope for each unit."""
    at_z = {s.taken_at_z(l) for l, layer in s.net.numbered() if layer.activation.elementwise}
    z, u, a = Sym("z", "l"), Sym("u", "l"), Sym("a", "l")
    said, not_a = "The slope of the activation is taken at ", (", not at ", a, ".")
    yield s.claim("all_taken_at_z", at_z == {True}, said, z, *not_a)
    yield s.claim("all_taken_at_u", at_z == {False}, said, u, *not_a)
    yield s.claim("taken_at_both", len(at_z) == 2, said, u, " after a norm and at ", z, " without one", *not_a)


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
        f"A multiply and an add are 2 operations. Each product takes 2 m n k of them, with m = {s.m} here; the way "
        "down has two products for each one of the way up, so a gradient costs about three times a prediction."
    )
    P = s.net.n_parameters
    why = (
        f"Why backpropagation: a central difference takes 2 passes up for each parameter, {2 * P:,} for these {P:,}, "
        f"which are {2 * P * total:,} operations in products; both passes take {3 * total:,}. In general that is "
        "O(m P ∑ₗ nₗ nₗ₋₁) beside O(m ∑ₗ nₗ nₗ₋₁), for O(m ∑ₗ nₗ) numbers that are kept."
    )
    memory = (
        f"In float64: {s.net.n_parameters * BYTES:,} bytes of parameters, as many of gradients, and "
        f"{kept_bytes(s):,} bytes of what else is kept for the way back."
    )
    table = Table("Operations in matrix products", head, tuple(rows))
    words, reason, kept_here = (Paragraph((text,)) for text in (said, why, memory))
    order = (Paragraph(text) for text in (from_the_right(s),) if text)
    return Section("costs", "Operations and bytes", (words, table, reason, *order, kept_here))


def from_the_right(s: Context) -> Text:
    """Why δ goes down as a vector: the product of Jacobians from the right, beside that from the left."""
    n, L = s.net.n, s.net.L
    right = 2 * sum(n[l] * n[l - 1] for l in range(2, L + 1))
    left = 2 * sum(n[1] * n[l - 1] * n[l] for l in range(3, L + 1)) + 2 * n[1] * n[L]
    said = (
        "It goes from the output down, for so each product is of a matrix and a vector: for one example the product of "
        f"the W from δ to layer 1 takes {right:,} operations. Begun at layer 1 it would be of matrices, and take "
        f"{left:,}."
    )
    return s.claim("from_the_right_is_less", L > 1 and right < left, said)


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
