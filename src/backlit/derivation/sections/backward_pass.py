"""The worked numbers on the way down: the slope of the loss, then δ and the gradients of every layer."""

from collections.abc import Iterator
from itertools import chain

import numpy as np

from backlit.derivation.context import Cols, Context, as_float, at, counted, entry_id, hidden, line
from backlit.derivation.document import Line, Section, Step, Text
from backlit.derivation.expressions import (
    Add,
    At,
    BigSum,
    Expr,
    Hadamard,
    MatMul,
    Mul,
    Partial,
    Sym,
    Transpose,
)
from backlit.derivation.functions import applied, known, loss_slope_of, minus, slope_of
from backlit.derivation.sections.gradients import bias_gradient, through_norm, weight_gradient
from backlit.derivation.sections.helpers import (
    before_activation,
    below,
    delta_id,
    delta_symbol,
    entries,
    entry_symbol,
    hidden_slope,
    index_row,
    lines,
    made_entries,
    times,
    total,
)
from backlit.derivation.sections.losses import general_rule_holds


def section(s: Context) -> Section:
    """Backward, from the loss down to the inputs."""
    return Section("backward", "Backward: from the loss to every gradient", tuple(steps(s)))


def steps(s: Context) -> Iterator[Step]:
    """The steps, from the output down."""
    yield output_slope(s)
    for l in range(s.net.L, 0, -1):
        yield from through_layer(s, l)


def through_layer(s: Context, l: int) -> list[Step]:
    """The steps of one layer, from ∂ℓ/∂a_l to ∂ℓ/∂a_{l−1}."""
    steps = []
    if s.trace.mask[l] is not None:
        steps.append(through_dropout(s, l))
    if l == s.net.L and s.net.has_short_form:
        steps.append(short_form(s))
    elif s.layer(l).activation.elementwise:
        steps += [slope(s, l), through_activation(s, l)]
    else:
        steps.append(through_softmax(s, l))
    if s.layer(l).norm:
        steps += through_norm(s, l)
    return [*steps, bias_gradient(s, l), weight_gradient(s, l), down(s, l)]


def down(s: Context, l: int) -> Step:
    """[BP5], with [SK2]: ∂ℓ/∂a_{l−1}."""
    k = l - 1
    id, n, n_in = f"grad_a[{k}]", s.net.n[l], s.net.n[k]
    skips = [(top, s.setting(s.layer(top).skip_scale)) for top in range(1, s.net.L + 1) if s.layer(top).skip_from == k]
    W_T = s.mat(s.params.W[l].T, f"given-W[{l}]")

    def build(cols: Cols) -> tuple[list[Expr], list[Expr]]:
        product = MatMul(W_T, s.columns(s.grad.delta[l], cols, f"delta[{l}]"))
        symbol: Expr = MatMul(Transpose(Sym("W", str(l))), s.sym("delta", l, cols))
        made: Expr = product
        if skips:
            symbol = Add(symbol, *(times(scale, s.slope("a", top, cols)) for top, scale in skips))
            made = Add(made, *(times(c, s.columns(s.grad.a[t], cols, f"grad_a[{t}]")) for t, c in skips))
        return [s.slope("a", k, cols), symbol], [made, s.columns(s.grad.a[k], cols, id)]

    def entry(s: Context, i: int, j: int) -> Line:
        terms: list[Expr] = [
            Mul(s.num(w, f"given-W[{l}]"), s.num(d, f"delta[{l}]"))
            for w, d in zip(s.params.W[l][:, j], s.grad.delta[l][i], strict=True)
        ]
        more: list[Expr] = [Mul(c, s.num(s.grad.a[t][i, j], f"grad_a[{t}]")) for t, c in skips]
        symbol = Partial(s.slope("a", k, [i]).of, at(s.sym("a", k, [i]), j))
        above = At(s.sym("delta", l, [i]), ("j",))
        formula: Expr = BigSum("j", Mul(index_row(Sym("W", str(l)), j), above))
        if skips:
            formula = Add(
                formula, *(Mul(c, Partial(s.slope("a", t, [i]).of, at(s.sym("a", t, [i]), j))) for t, c in skips)
            )
        numbers = [total((*s.terms(terms), *more)), s.num(s.grad.a[k][i, j], id)]
        return line(s.label([i]), [symbol, formula], numbers, entry_id(id, (i, j)))

    formula: Expr = MatMul(Transpose(Sym("W", str(l))), Sym("delta", str(l)))
    notes: list[Text] = []
    if skips:
        formula = Add(formula, *(times(c, s.slope("a", t)) for t, c in skips))
        notes.append(("The skip adds its own path (SK2): the gradient of its upper end comes straight down.",))
    place = "the inputs" if k == 0 else f"layer {k}"
    return Step(
        id,
        "BP5",
        f"Slope at {'the inputs' if k == 0 else f'the activations of layer {k}'}",
        formula,
        f"The same weights, transposed, carry δ of layer {l} down to {place}.",
        "backward",
        lines(s, build),
        entries(s, id, s.grad.a[k].shape, entry),
        (
            (s.slope("a", k), f"{n_in}×1"),
            (Transpose(Sym("W", str(l))), f"{n_in}×{n}"),
            (Sym("delta", str(l)), f"{n}×1"),
        ),
        (
            *notes,
            (
                f"W is {n}×{n_in} and sums over {counted(n_in, 'number')} below on the way up; its transpose, "
                f"{n_in}×{n}, sums over {counted(n, 'unit')} above.",
            ),
        ),
        s.grad.a[k],
        s.checked(id),
        hidden(s.grad.a[k].shape, id),
    )


def output_slope(s: Context) -> Step:
    """[BP1]."""
    L, n, loss = s.net.L, s.net.n[s.net.L], s.net.loss
    id = f"grad_a[{L}]"

    def entry(s: Context, i: int, k: int) -> Line:
        a, y = s.num(s.trace.a[L][i, k], below(L)), s.num(s.y[i, k], "given-y")
        made = loss_slope_of(loss, a, y, n)
        if s.output_weights is not None:
            made = Mul(s.num(s.output_weights[i], "given-weight"), made)
        symbol = Partial(s.slope("a", L, [i]).of, at(s.sym("a", L, [i]), k))
        return line(s.label([i]), [symbol], [made, s.num(s.grad.a[L][i, k], id)], entry_id(id, (i, k)))

    def build(cols: Cols) -> tuple[list[Expr], list[Expr]]:
        return [s.slope("a", L, cols)], [s.columns(s.grad.a[L], cols, id)]

    notes: list[Text] = []
    if s.output_weights is not None:
        notes.append(("Batch norm couples the examples, so their weights come in here, as m times their share.",))
    if s.net.has_short_form:
        notes.append(("The output has a short form, which gives δ below without this number.",))
        notes += [text for text in both_ways(s) if text]
    if s.net.layer(L).skip_from is not None:
        notes.append(("The skip hands this slope to its other end as well.",))
    return Step(
        id,
        "BP1",
        "Slope of the loss at the output",
        loss_slope_of(loss, Sym("a", str(L)), Sym("y"), n),
        "How fast the loss of an example grows with each of its outputs.",
        "backward",
        lines(s, build),
        made_entries(s, id, s.grad.a[L].shape, entry),
        ((s.slope("a", L), f"{n}×1"),),
        tuple(notes),
        s.grad.a[L],
        hidden=hidden(s.grad.a[L].shape, id),
    )


def both_ways(s: Context) -> Iterator[Text]:
    """Whether this slope, taken through the activation, gives the short form in numbers, and what is lost if not."""
    agree, a = general_rule_holds(s), as_float(s.trace.a[s.net.L])
    rounded = not agree and s.layer(s.net.L).activation.range == (0, 1) and bool(np.isin(a, (0, 1)).any())
    yield s.claim("general_rule_agrees", agree, "Taken through the activation it gives the same δ.")
    lost = "In these numbers the short form alone is right: "
    yield s.claim("output_rounded", rounded, f"{lost}an output is rounded to 0 or 1, where its logarithm has no slope.")
    yield s.claim("digits_lost", not agree and not rounded, f"{lost}the digits of this slope are lost in rounding.")


def short_form(s: Context) -> Step:
    """[BP1S]."""
    L = s.net.L
    id = delta_id(s, L)
    weighted = s.output_weights is not None

    def build(cols: Cols) -> tuple[list[Expr], list[Expr]]:
        symbols = [delta_symbol(s, L, cols), minus(s.sym("a", L, cols), s.sym("y", None, cols))]
        made: Expr = minus(s.columns(s.trace.a[L], cols, below(L)), s.columns(s.y, cols, "given-y"))
        if s.output_weights is not None:
            w = s.mat(np.tile(s.output_weights[list(cols)], (s.net.n[L], 1)), "given-weight")
            symbols, made = [symbols[0], Hadamard(s.sym("omega", None, cols), symbols[1])], Hadamard(w, made)
        return symbols, [made, s.columns(s.grad.u[L], cols, id)]

    def entry(s: Context, i: int, k: int) -> Line:
        made: Expr = minus(s.num(s.trace.a[L][i, k], below(L)), s.num(s.y[i, k], "given-y"))
        if s.output_weights is not None:
            made = Mul(s.num(s.output_weights[i], "given-weight"), made)
        return line(
            s.label([i]), [entry_symbol(s, L, i, k)], [made, s.num(s.grad.u[L][i, k], id)], entry_id(id, (i, k))
        )

    return Step(
        id,
        "BP1S",
        error_title(s, L, "Error at the output"),
        minus(Sym("a", str(L)), Sym("y"))
        if not weighted
        else Hadamard(Sym("omega"), minus(Sym("a", str(L)), Sym("y"))),
        f"For {s.layer(L).activation.name} with {s.net.loss.name.replace('_', ' ')} the slope at the scores is "
        "prediction minus target.",
        "backward",
        lines(s, build),
        entries(s, id, s.grad.u[L].shape, entry),
        ((delta_symbol(s, L), f"{s.net.n[L]}×1"),),
        value=s.grad.u[L],
        checks=s.checked(id),
        hidden=hidden(s.grad.u[L].shape, id),
    )


def error_title(s: Context, l: int, title: str) -> str:
    """The title of a step that gives δ_l; where a norm follows on the way down, it gives the slope at u alone."""
    return f"Back through the activation of layer {l}" if s.layer(l).norm else title


def through_dropout(s: Context, l: int) -> Step:
    """[DO2]."""
    id, _, value = hidden_slope(s, l)

    def build(cols: Cols) -> tuple[list[Expr], list[Expr]]:
        symbols = [s.slope("h", l, cols), Hadamard(s.slope("a", l, cols), s.sym("mask", l, cols))]
        made = Hadamard(s.columns(s.grad.a[l], cols, f"grad_a[{l}]"), s.columns(s.trace.mask[l], cols, f"a[{l}]"))
        return symbols, [made, s.columns(value, cols, id)]

    def entry(s: Context, i: int, j: int) -> Line:
        made = Mul(s.num(s.grad.a[l][i, j], f"grad_a[{l}]"), s.num(s.trace.mask[l][i, j], f"a[{l}]"))
        symbol = Partial(s.slope("h", l, [i]).of, at(s.sym("h", l, [i]), j))
        return line(s.label([i]), [symbol], [made, s.num(value[i, j], id)], entry_id(id, (i, j)))

    return Step(
        id,
        "DO2",
        f"Back through the dropout of layer {l}",
        Hadamard(s.slope("a", l), Sym("mask", str(l))),
        "What was dropped gets no gradient; the rest is scaled as on the way up.",
        "backward",
        lines(s, build),
        entries(s, id, value.shape, entry),
        value=value,
        hidden=hidden(value.shape, id),
    )


def slope(s: Context, l: int) -> Step:
    """φ'(u), a function of u and never of a."""
    phi, under, id = s.layer(l).activation, before_activation(s, l), f"slope[{l}]"
    value = s.slopes(l)

    def build(cols: Cols) -> tuple[list[Expr], list[Expr]]:
        u = s.columns(s.trace.u[l], cols, f"{under}[{l}]")
        return [applied(phi, s.sym(under, l, cols), slope=True)], [
            applied(phi, u, slope=True),
            s.columns(value, cols, id),
        ]

    def entry(s: Context, i: int, j: int) -> Line:
        u = s.num(s.trace.u[l][i, j], f"{under}[{l}]")
        symbols = [applied(phi, at(s.sym(under, l, [i]), j), slope=True)]
        made = [slope_of(phi, u)] if known(phi) and phi.name != "identity" else []
        return line(s.label([i]), symbols, [*made, s.num(value[i, j], id)], entry_id(id, (i, j)))

    notes: list[Text] = []
    at_kink = np.argwhere(np.isin(as_float(s.trace.u[l]), phi.kinks)).tolist()
    i, j = at_kink[0] if at_kink else (0, 0)
    said = f"Unit {j + 1} of example {i + 1} lies on a kink, where no slope exists: the convention's is used."
    notes += [text for text in (s.claim(f"at_kink[{l}]", at_kink, said),) if text]
    return Step(
        id,
        "",
        f"Slope of the activation of layer {l}",
        applied(phi, Sym(under, str(l)), slope=True),
        "".join(map(str, chain(*where_taken(s, l)))),
        "backward",
        lines(s, build),
        entries(s, id, value.shape, entry),
        ((applied(phi, Sym(under, str(l)), slope=True), f"{s.net.n[l]}×1"),),
        tuple(notes),
        value,
        hidden=hidden(value.shape, id),
    )


def where_taken(s: Context, l: int) -> Iterator[Text]:
    """The slope in words, with what it is taken at."""
    yield (f"How fast each activation grows with its {before_activation(s, l)}",)
    at_z = s.taken_at_z(l)
    yield s.claim(f"taken_at_z[{l}]", at_z, "; it is taken at z, not at a.")
    yield s.claim(f"taken_at_u[{l}]", not at_z, "; it is taken at u, which the norm made of z, not at z or at a.")


def through_activation(s: Context, l: int) -> Step:
    """[BP2]."""
    phi, under, id = s.layer(l).activation, before_activation(s, l), delta_id(s, l)
    source, name, upstream = hidden_slope(s, l)
    value = s.slopes(l)

    def build(cols: Cols) -> tuple[list[Expr], list[Expr]]:
        symbols = [
            delta_symbol(s, l, cols),
            Hadamard(s.slope(name, l, cols), applied(phi, s.sym(under, l, cols), slope=True)),
        ]
        made = Hadamard(s.columns(upstream, cols, source), s.columns(value, cols, f"slope[{l}]"))
        return symbols, [made, s.columns(s.grad.u[l], cols, id)]

    def entry(s: Context, i: int, j: int) -> Line:
        factors = Mul(s.num(upstream[i, j], source), s.num(value[i, j], f"slope[{l}]"))
        return line(
            s.label([i]), [entry_symbol(s, l, i, j)], [factors, s.num(s.grad.u[l][i, j], id)], entry_id(id, (i, j))
        )

    n = f"{s.net.n[l]}×1"
    return Step(
        id,
        "BP2",
        error_title(s, l, f"Error of layer {l}"),
        Hadamard(s.slope(name, l), applied(phi, Sym(under, str(l)), slope=True)),
        "Going back through the activation multiplies, unit by unit, by its slope.",
        "backward",
        lines(s, build),
        entries(s, id, value.shape, entry),
        ((delta_symbol(s, l), n), (s.slope(name, l), n), (applied(phi, Sym(under, str(l)), slope=True), n)),
        value=s.grad.u[l],
        checks=s.checked(id),
        hidden=hidden(value.shape, id),
    )


def through_softmax(s: Context, l: int) -> Step:
    """[BP2S], by the product p ⊙ (g − pᵀg), never the K × K matrix."""
    id, softmax = delta_id(s, l), s.layer(l).activation.name == "softmax"
    source, name, upstream = hidden_slope(s, l)
    h_id = below(l) if s.trace.mask[l] is None and s.layer(l).skip_from is None else f"h[{l}]"

    def build(cols: Cols) -> tuple[list[Expr], list[Expr]]:
        return [delta_symbol(s, l, cols)], [s.columns(s.grad.u[l], cols, id)]

    def entry(s: Context, i: int, j: int) -> Line:
        p, g = s.trace.h[l][i], upstream[i]
        terms: list[Expr] = [Mul(s.num(a, source), s.num(b, h_id)) for a, b in zip(g, p, strict=True)]
        dot = Add(*s.terms(terms)) if len(terms) > 1 else terms[0]
        made = [Mul(s.num(p[j], h_id), minus(s.num(g[j], source), dot))] if softmax else []
        return line(
            s.label([i]), [entry_symbol(s, l, i, j)], [*made, s.num(s.grad.u[l][i, j], id)], entry_id(id, (i, j))
        )

    p, g = Sym("p"), s.slope(name, l)
    said = "Softmax mixes the units: the transposed Jacobian diag(p) − p pᵀ times the slope, with p the softmax."
    if not softmax:
        said = f"{s.layer(l).activation.name} mixes the units: its own pull-back takes the slope through it."
    return Step(
        id,
        "BP2S" if softmax else "",
        error_title(s, l, "Error at the output" if l == s.net.L else f"Error of layer {l}"),
        Hadamard(p, minus(g, MatMul(Transpose(p), g))) if softmax else delta_symbol(s, l),
        said,
        "backward",
        lines(s, build),
        entries(s, id, s.grad.u[l].shape, entry),
        ((delta_symbol(s, l), f"{s.net.n[l]}×1"),),
        tuple(text for text in (cancelled(s, l, upstream),) if softmax and text),
        value=s.grad.u[l],
        checks=s.checked(id),
    )


def cancelled(s: Context, l: int, upstream: np.ndarray) -> Text:
    """Whether p_k g_k and p_k pᵀg are so alike that rounding is all that is left of some difference."""
    p, g, delta = (as_float(value) for value in (s.trace.h[l], upstream, s.grad.u[l]))
    terms = p * (abs(g) + (p * abs(g)).sum(axis=1, keepdims=True))
    return s.claim(
        "difference_is_rounding",
        (abs(delta) < np.finfo(float).eps * terms).any(),
        "An entry here is smaller than the rounding of the two numbers that it is the difference of, as where a "
        "probability is nearly 1: it means nothing.",
    )
