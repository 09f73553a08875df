"""Back through a layer's dropout and activation."""

import numpy as np

from backlit.derivation.document import Line, Step, Text
from backlit.derivation.expressions import (
    Add,
    Expr,
    Had,
    MatMul,
    Mul,
    Partial,
    Sym,
    Transpose,
)
from backlit.derivation.functions import applied, known, minus, slope_of
from backlit.derivation.scene import Cols, Scene, as_float, at, entry_id, hidden, line
from backlit.derivation.sections.backward.parts import delta_id, delta_symbol, entry_symbol, hidden_slope
from backlit.derivation.sections.forward.parts import before_activation, below, entries, lines


def through_dropout(s: Scene, l: int) -> Step:
    """[DO2]."""
    id, _, value = hidden_slope(s, l)

    def build(cols: Cols) -> tuple[list[Expr], list[Expr]]:
        symbols = [s.slope("h", l, cols), Had(s.slope("a", l, cols), s.sym("mask", l, cols))]
        made = Had(s.columns(s.grad.a[l], cols, f"grad_a[{l}]"), s.columns(s.trace.mask[l], cols, f"a[{l}]"))
        return symbols, [made, s.columns(value, cols, id)]

    def entry(s: Scene, i: int, j: int) -> Line:
        made = Mul(s.num(s.grad.a[l][i, j], f"grad_a[{l}]"), s.num(s.trace.mask[l][i, j], f"a[{l}]"))
        symbol = Partial(s.slope("h", l, [i]).of, at(s.sym("h", l, [i]), j))
        return line(s.label([i]), [symbol], [made, s.num(value[i, j], id)], entry_id(id, (i, j)))

    return Step(
        id,
        "DO2",
        f"Back through the dropout of layer {l}",
        Had(s.slope("a", l), Sym("mask", str(l))),
        "What was dropped gets no gradient; the rest is scaled as on the way up.",
        "backward",
        lines(s, build),
        entries(s, id, value.shape, entry),
        value=value,
        hidden=hidden(value.shape, id),
    )


def slope(s: Scene, l: int) -> Step:
    """φ'(u), a function of u and never of a."""
    phi, under, id = s.layer(l).activation, before_activation(s, l), f"slope[{l}]"
    value = s.slopes(l)

    def build(cols: Cols) -> tuple[list[Expr], list[Expr]]:
        u = s.columns(s.trace.u[l], cols, f"{under}[{l}]")
        return [applied(phi, s.sym(under, l, cols), slope=True)], [
            applied(phi, u, slope=True),
            s.columns(value, cols, id),
        ]

    def entry(s: Scene, i: int, j: int) -> Line:
        u = s.num(s.trace.u[l][i, j], f"{under}[{l}]")
        symbols = [applied(phi, at(s.sym(under, l, [i]), j), slope=True)]
        made = [slope_of(phi, u)] if known(phi) and phi.name != "identity" else []
        return line(s.label([i]), symbols, [*made, s.num(value[i, j], id)], entry_id(id, (i, j)))

    notes: list[Text] = []
    at_kink = [(i, j) for i, j in np.argwhere(np.isin(as_float(s.trace.u[l]), phi.kinks))]
    if at_kink:
        i, j = at_kink[0]
        notes.append(
            (f"Unit {j + 1} of example {i + 1} lies on a kink, where no slope exists: the convention's is used.",)
        )
    return Step(
        id,
        "",
        f"Slope of the activation of layer {l}",
        applied(phi, Sym(under, str(l)), slope=True),
        f"How fast each activation grows with its {under}; it is taken at {under}, not at a.",
        "backward",
        lines(s, build),
        entries(s, id, value.shape, entry),
        ((applied(phi, Sym(under, str(l)), slope=True), f"{s.net.n[l]}×1"),),
        tuple(notes),
        value,
        hidden=hidden(value.shape, id),
    )


def through_activation(s: Scene, l: int) -> Step:
    """[BP2]."""
    phi, under, id = s.layer(l).activation, before_activation(s, l), delta_id(s, l)
    source, name, upstream = hidden_slope(s, l)
    value = s.slopes(l)

    def build(cols: Cols) -> tuple[list[Expr], list[Expr]]:
        symbols = [
            delta_symbol(s, l, cols),
            Had(s.slope(name, l, cols), applied(phi, s.sym(under, l, cols), slope=True)),
        ]
        made = Had(s.columns(upstream, cols, source), s.columns(value, cols, f"slope[{l}]"))
        return symbols, [made, s.columns(s.grad.u[l], cols, id)]

    def entry(s: Scene, i: int, j: int) -> Line:
        factors = Mul(s.num(upstream[i, j], source), s.num(value[i, j], f"slope[{l}]"))
        return line(
            s.label([i]), [entry_symbol(s, l, i, j)], [factors, s.num(s.grad.u[l][i, j], id)], entry_id(id, (i, j))
        )

    n = f"{s.net.n[l]}×1"
    return Step(
        id,
        "BP2",
        f"Error of layer {l}",
        Had(s.slope(name, l), applied(phi, Sym(under, str(l)), slope=True)),
        "Going back through the activation multiplies, unit by unit, by its slope.",
        "backward",
        lines(s, build),
        entries(s, id, value.shape, entry),
        ((delta_symbol(s, l), n), (s.slope(name, l), n), (applied(phi, Sym(under, str(l)), slope=True), n)),
        value=s.grad.u[l],
        checks=s.checked(id),
        hidden=hidden(value.shape, id),
    )


def through_softmax(s: Scene, l: int) -> Step:
    """[BP2S], by the product p ⊙ (g − pᵀg), never the K × K matrix."""
    id, softmax = delta_id(s, l), s.layer(l).activation.name == "softmax"
    source, name, upstream = hidden_slope(s, l)
    h_id = below(l) if s.trace.mask[l] is None and s.layer(l).skip_from is None else f"h[{l}]"

    def build(cols: Cols) -> tuple[list[Expr], list[Expr]]:
        return [delta_symbol(s, l, cols)], [s.columns(s.grad.u[l], cols, id)]

    def entry(s: Scene, i: int, j: int) -> Line:
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
        "Error at the output" if l == s.net.L else f"Error of layer {l}",
        Had(p, minus(g, MatMul(Transpose(p), g))) if softmax else delta_symbol(s, l),
        said,
        "backward",
        lines(s, build),
        entries(s, id, s.grad.u[l].shape, entry),
        ((delta_symbol(s, l), f"{s.net.n[l]}×1"),),
        value=s.grad.u[l],
        checks=s.checked(id),
    )
