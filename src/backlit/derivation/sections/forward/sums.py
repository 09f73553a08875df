"""z = W a + b."""

import numpy as np

from backlit.derivation.document import Line, Step
from backlit.derivation.expressions import (
    Add,
    BigSum,
    Expr,
    Mat,
    MatMul,
    Mul,
    Sym,
)
from backlit.derivation.scene import Cols, Scene, at, counted, entry_id, hidden, line
from backlit.derivation.sections.forward.parts import below, entries, index_k, lines


def pre_activation(s: Scene, l: int) -> Step:
    """[F1]."""

    def build(cols: Cols) -> tuple[list[Expr], list[Expr]]:
        W, a, b = Sym("W", str(l)), s.sym("a", l - 1, cols), Sym("b", str(l))
        bias: Expr = s.vector(s.params.b[l], f"given-b[{l}]")
        bias_symbol: Expr = b
        if len(cols) > 1:
            bias, bias_symbol = MatMul(bias, ones_row(s, len(cols))), MatMul(b, Sym("ones-row"))
        symbols = [s.sym("z", l, cols), Add(MatMul(W, a), bias_symbol)]
        product = MatMul(s.mat(s.params.W[l], f"given-W[{l}]"), s.columns(s.trace.a[l - 1], cols, below(l - 1)))
        return symbols, [Add(product, bias), s.columns(s.trace.z[l], cols, f"z[{l}]")]

    n, n_in = s.net.n[l], s.net.n[l - 1]
    return Step(
        f"z[{l}]",
        "F1",
        f"Weighted sums of layer {l}",
        Add(MatMul(Sym("W", str(l)), Sym("a", str(l - 1))), Sym("b", str(l))),
        f"Each unit of layer {l} weighs {counted(n_in, 'number')} below it and adds its bias.",
        "forward",
        lines(s, build),
        entries(s, f"z[{l}]", (s.m, n), lambda s, i, j: entry_z(s, l, i, j)),
        (
            (Sym("z", str(l)), f"{n}×1"),
            (Sym("W", str(l)), f"{n}×{n_in}"),
            (Sym("a", str(l - 1)), f"{n_in}×1"),
            (Sym("b", str(l)), f"{n}×1"),
        ),
        value=s.trace.z[l],
        hidden=hidden((s.m, n), f"z[{l}]"),
    )


def ones_row(s: Scene, m: int) -> Mat:
    """1ᵀ, which hands b to every column."""
    return s.mat(np.ones((1, m)))


def entry_z(s: Scene, l: int, i: int, j: int) -> Line:
    """One weighted sum."""
    W, a, b = Sym("W", str(l)), s.sym("a", l - 1, [i]), Sym("b", str(l))
    symbols: list[Expr] = [
        at(s.sym("z", l, [i]), j),
        Add(BigSum("k", Mul(index_k(W, j), index_k(a))), at(b, j)),
    ]
    terms: list[Expr] = [
        Mul(s.num(s.params.W[l][j, k], f"given-W[{l}]"), s.num(s.trace.a[l - 1][i, k], below(l - 1)))
        for k in range(s.net.n[l - 1])
    ]
    bias = s.num(s.params.b[l][j], f"given-b[{l}]")
    numbers: list[Expr] = [Add(*s.terms(terms), bias), s.num(s.trace.z[l][i, j], f"z[{l}]")]
    return line(s.label([i]), symbols, numbers, entry_id(f"z[{l}]", (i, j)))
