"""The slope at the output: of the loss, and of the scores where a short form applies."""

import numpy as np

from backlit.derivation.document import Line, Step, Text
from backlit.derivation.expressions import (
    Expr,
    Had,
    Mul,
    Partial,
    Sym,
)
from backlit.derivation.functions import loss_slope_of, minus
from backlit.derivation.scene import Cols, Scene, at, entry_id, hidden, line
from backlit.derivation.sections.backward.parts import delta_id, delta_symbol, entry_symbol, made_entries
from backlit.derivation.sections.forward.parts import below, entries, lines


def output_slope(s: Scene) -> Step:
    """[BP1]."""
    L, n, loss = s.net.L, s.net.n[s.net.L], s.net.loss
    id = f"grad_a[{L}]"

    def entry(s: Scene, i: int, k: int) -> Line:
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
        notes.append(("The output has a short form, which gives δ below without this number; the two agree.",))
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


def short_form(s: Scene) -> Step:
    """[BP1S]."""
    L = s.net.L
    id = delta_id(s, L)
    weighted = s.output_weights is not None

    def build(cols: Cols) -> tuple[list[Expr], list[Expr]]:
        symbols = [delta_symbol(s, L, cols), minus(s.sym("a", L, cols), s.sym("y", None, cols))]
        made: Expr = minus(s.columns(s.trace.a[L], cols, below(L)), s.columns(s.y, cols, "given-y"))
        if s.output_weights is not None:
            w = s.mat(np.tile(s.output_weights[list(cols)], (s.net.n[L], 1)), "given-weight")
            symbols, made = [symbols[0], Had(s.sym("omega", None, cols), symbols[1])], Had(w, made)
        return symbols, [made, s.columns(s.grad.u[L], cols, id)]

    def entry(s: Scene, i: int, k: int) -> Line:
        made: Expr = minus(s.num(s.trace.a[L][i, k], below(L)), s.num(s.y[i, k], "given-y"))
        if s.output_weights is not None:
            made = Mul(s.num(s.output_weights[i], "given-weight"), made)
        return line(
            s.label([i]), [entry_symbol(s, L, i, k)], [made, s.num(s.grad.u[L][i, k], id)], entry_id(id, (i, k))
        )

    return Step(
        id,
        "BP1S",
        "Error at the output",
        minus(Sym("a", str(L)), Sym("y")) if not weighted else Had(Sym("omega"), minus(Sym("a", str(L)), Sym("y"))),
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
