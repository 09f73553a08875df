"""The worked numbers on the way up: z, norm, activation, dropout, skip of every layer, and the loss."""

import numpy as np

from backlit.core.activations.softmax import softmax_units
from backlit.derivation.context import Cols, Context, at, counted, entry_id, hidden, line
from backlit.derivation.document import Line, Section, Step
from backlit.derivation.expressions import (
    Add,
    BigSum,
    Expr,
    Frac,
    Hadamard,
    Mat,
    MatMul,
    Mul,
    Sym,
)
from backlit.derivation.functions import applied, fn, known, value_of
from backlit.derivation.sections.forward_norms import normalization
from backlit.derivation.sections.helpers import (
    after_activation,
    before_activation,
    below,
    entries,
    index_k,
    lines,
    times,
)
from backlit.derivation.sections.losses import losses


def section(s: Context) -> Section:
    """Forward, layer by layer."""
    return Section("forward", "Forward: from the inputs to the loss", (*layer_steps(s), *losses(s)))


def layer_steps(s: Context) -> list[Step]:
    """The steps of every layer, up to the output."""
    return [step for l in range(1, s.net.L + 1) for step in one_layer(s, l)]


def one_layer(s: Context, l: int) -> list[Step]:
    """The steps of one layer."""
    layer = s.layer(l)
    steps = [pre_activation(s, l)]
    if layer.norm:
        steps += normalization(s, l)
    steps.append(activation(s, l))
    if s.trace.mask[l] is not None:
        steps.append(dropout(s, l))
    if layer.skip_from is not None:
        steps.append(skip(s, l))
    return steps


def pre_activation(s: Context, l: int) -> Step:
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


def ones_row(s: Context, m: int) -> Mat:
    """1ᵀ, which hands b to every column."""
    return s.mat(np.ones((1, m)))


def entry_z(s: Context, l: int, i: int, j: int) -> Line:
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


def activation(s: Context, l: int) -> Step:
    """[F2]."""
    phi, out, under = s.layer(l).activation, after_activation(s, l), before_activation(s, l)
    id = f"{out}[{l}]"

    def build(cols: Cols) -> tuple[list[Expr], list[Expr]]:
        symbols = [s.sym(out, l, cols), applied(phi, s.sym(under, l, cols))]
        return symbols, [
            applied(phi, s.columns(s.trace.u[l], cols, f"{under}[{l}]")),
            s.columns(s.trace.h[l], cols, id),
        ]

    mixing = "all units at once" if phi.groups is None else "each group of units"
    words = {"identity": "The identity hands the sums on as they are."}
    return Step(
        id,
        "F2",
        f"Activation of layer {l}",
        applied(phi, Sym(under, str(l))),
        words.get(phi.name, f"{phi.name} is applied " + ("to each unit." if phi.elementwise else f"to {mixing}.")),
        "forward",
        lines(s, build),
        entries(s, id, s.trace.h[l].shape, lambda s, i, j: entry_activation(s, l, i, j)),
        ((Sym(out, str(l)), f"{s.net.n[l]}×1"), (Sym(under, str(l)), f"{s.net.n[l]}×1")),
        value=s.trace.h[l],
        hidden=hidden(s.trace.h[l].shape, id),
    )


def entry_activation(s: Context, l: int, i: int, j: int) -> Line:
    """φ of one unit, written out."""
    phi, out, under = s.layer(l).activation, after_activation(s, l), before_activation(s, l)
    id, u = f"{out}[{l}]", s.num(s.trace.u[l][i, j], f"{under}[{l}]")
    symbols: list[Expr] = [at(s.sym(out, l, [i]), j)]
    result = s.num(s.trace.h[l][i, j], id)
    if known(phi):
        numbers = [value_of(phi, u)] if phi.name != "identity" else []
        return line(s.label([i]), symbols, [*numbers, result], entry_id(id, (i, j)))
    if not phi.is_softmax:
        made = [applied(phi, u)] if phi.elementwise else []
        return line(s.label([i]), symbols, [*made, result], entry_id(id, (i, j)))
    scores = [fn("exp", s.num(v, f"{under}[{l}]")) for v in s.trace.u[l][i, softmax_units(phi, j, s.net.n[l])]]
    share = Frac(fn("exp", u), Add(*s.terms(scores)) if len(scores) > 1 else scores[0])
    return line(s.label([i]), symbols, [share, result], entry_id(id, (i, j)))


def dropout(s: Context, l: int) -> Step:
    """[DO1]."""
    p, out = s.layer(l).dropout, "r" if s.layer(l).skip_from is not None else "a"
    id, value = f"{out}[{l}]", s.trace.h[l] * s.trace.mask[l]

    def build(cols: Cols) -> tuple[list[Expr], list[Expr]]:
        h, mask = s.columns(s.trace.h[l], cols, f"h[{l}]"), s.columns(s.trace.mask[l], cols)
        symbols = [s.sym(out, l, cols), Hadamard(s.sym("h", l, cols), s.sym("mask", l, cols))]
        return symbols, [Hadamard(h, mask), s.columns(value, cols, id)]

    def entry(s: Context, i: int, j: int) -> Line:
        made = Mul(s.num(s.trace.h[l][i, j], f"h[{l}]"), s.num(s.trace.mask[l][i, j], id))
        return line(s.label([i]), [at(s.sym(out, l, [i]), j)], [made, s.num(value[i, j], id)], entry_id(id, (i, j)))

    return Step(
        id,
        "DO1",
        f"Dropout after layer {l}",
        Hadamard(Sym("h", str(l)), Sym("mask", str(l))),
        f"Each unit is set to 0 with probability {p:g}; those that stay are scaled by 1/(1 − {p:g}). "
        f"The mask is the draw of seed {s.problem.seed}, step 0.",
        "forward",
        lines(s, build),
        entries(s, id, value.shape, entry),
        value=value,
        hidden=hidden(value.shape, id),
    )


def skip(s: Context, l: int) -> Step:
    """[SK1]."""
    layer = s.layer(l)
    k, scale, id = int(layer.skip_from or 0), s.setting(layer.skip_scale), f"a[{l}]"
    inner = "r" if s.trace.mask[l] is not None else "h"
    before = s.trace.h[l] if s.trace.mask[l] is None else s.trace.h[l] * s.trace.mask[l]

    def build(cols: Cols) -> tuple[list[Expr], list[Expr]]:
        symbols = [s.sym("a", l, cols), Add(s.sym(inner, l, cols), times(scale, s.sym("a", k, cols)))]
        added = Add(s.columns(before, cols, f"{inner}[{l}]"), times(scale, s.columns(s.trace.a[k], cols, below(k))))
        return symbols, [added, s.columns(s.trace.a[l], cols, id)]

    def entry(s: Context, i: int, j: int) -> Line:
        lower: Expr = s.num(s.trace.a[k][i, j], below(k))
        made = Add(s.num(before[i, j], f"{inner}[{l}]"), lower if scale.value == 1 else Mul(scale, lower))
        result = s.num(s.trace.a[l][i, j], id)
        return line(s.label([i]), [at(s.sym("a", l, [i]), j)], [made, result], entry_id(id, (i, j)))

    return Step(
        id,
        "SK1",
        f"Skip from layer {k} to layer {l}",
        Add(Sym(inner, str(l)), times(scale, Sym("a", str(k)))),
        f"The activation of layer {k} is added, so that layer {l} learns a change of it.",
        "forward",
        lines(s, build),
        entries(s, id, s.trace.a[l].shape, entry),
        value=s.trace.a[l],
        hidden=hidden(s.trace.a[l].shape, id),
    )
