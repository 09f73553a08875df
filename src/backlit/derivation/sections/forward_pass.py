"""The worked numbers on the way up: z, norm, activation, dropout, skip of every layer, and the loss."""

from collections.abc import Iterator
from typing import Any

import numpy as np

from backlit.core.activations.softmax import softmax_units
from backlit.core.norms import norm_of
from backlit.derivation.context import Cols, Context, as_float, at, counted, entry_id, hidden, line
from backlit.derivation.document import Line, Section, Step, Text
from backlit.derivation.expressions import (
    Add,
    At,
    BigSum,
    Expr,
    Frac,
    Hadamard,
    Mat,
    MatMul,
    Mul,
    Pow,
    Root,
    Sym,
    constant,
)
from backlit.derivation.functions import ONE, TWO, applied, fn, known, minus, value_of
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


# --- u = norm(z): the moments, x̂, and its scale and shift ------------------------------------------------------------


def normalization(s: Context, l: int) -> list[Step]:
    """[BN1] to [BN4], or [LN1] to [LN4]."""
    norm, made = norm_of(s.layer(l)), s.trace.norm[l]
    number, over = norm.equations, norm.over
    return [
        moment(s, l, "mu", number["mean"], made.mean, f"The mean of z, {over}."),
        moment(s, l, "sigma2", number["variance"], made.variance, f"The variance of z, {over} (divided by the count)."),
        normalized(s, l, number["x_hat"], over),
        scaled(s, l, number["u"]),
    ]


def group(s: Context, l: int, g: int) -> list[tuple[int, int]]:
    """The (example, unit) pairs that share the g-th moment."""
    if norm_of(s.layer(l)).axis == 0:
        return [(i, g) for i in range(s.m)]
    return [(g, j) for j in range(s.net.n[l])]


def moment(s: Context, l: int, name: str, equation: str, value: Any, sentence: str) -> Step:
    """A mean or a variance, group by group."""
    id, symbol, flat = f"{name}[{l}]", Sym(name, str(l)), value.ravel()
    if s.trace.norm[l].axis is None:
        sentence = "A running moment, as training left it: it does not depend on this row."
    index = "i" if norm_of(s.layer(l)).axis == 0 else "j"
    z: Expr = Sym("z", str(l), "i") if index == "i" else At(Sym("z", str(l)), ("j",))
    body = z if name == "mu" else Pow(minus(z, Sym("mu", str(l))), TWO)
    count = Sym("m" if index == "i" else "n", "" if index == "i" else str(l))
    average = Mul(Frac(ONE, count), BigSum(index, body))
    given = s.trace.norm[l].axis is None
    symbols: list[Expr] = [symbol] if given else [symbol, average]
    return Step(
        id,
        "" if given else equation,
        "Mean of z" if name == "mu" else "Variance of z",
        symbol if given else average,
        sentence,
        "forward",
        (line("", symbols, [s.vector(flat, id)]),),
        () if given else entries(s, id, flat.shape, lambda s, g: entry_moment(s, l, name, g, flat[g])),
        value=flat,
        hidden="" if given else hidden(flat.shape, id),
    )


def entry_moment(s: Context, l: int, name: str, g: int, value: Any) -> Line:
    """One mean or variance."""
    cells = [s.num(s.trace.z[l][i, j], f"z[{l}]") for i, j in group(s, l, g)]
    terms: list[Expr] = list(cells)
    if name == "sigma2":
        mean = s.num(s.trace.norm[l].mean.ravel()[g], f"mu[{l}]")
        terms = [Pow(minus(cell, mean), TWO) for cell in cells]
    id = f"{name}[{l}]"
    average = Frac(Add(*s.terms(terms)) if len(terms) > 1 else terms[0], constant(len(cells)))
    return line("", [at(Sym(name, str(l)), g)], [average, s.num(value, id)], entry_id(id, (g,)))


def normalized(s: Context, l: int, equation: str, over: str) -> Step:
    """x̂."""
    norm, id = s.trace.norm[l], f"x_hat[{l}]"
    root = Root(Add(Sym("sigma2", str(l)), Sym("eps")))

    def entry(s: Context, i: int, j: int) -> Line:
        g = j if norm_of(s.layer(l)).axis == 0 else i
        top = minus(s.num(s.trace.z[l][i, j], f"z[{l}]"), s.num(norm.mean.ravel()[g], f"mu[{l}]"))
        bottom = Root(Add(s.num(norm.variance.ravel()[g], f"sigma2[{l}]"), s.setting(s.layer(l).eps)))
        return line(
            s.label([i]),
            [at(s.sym("x_hat", l, [i]), j)],
            [Frac(top, bottom), s.num(norm.x_hat[i, j], id)],
            entry_id(id, (i, j)),
        )

    def build(cols: Cols) -> tuple[list[Expr], list[Expr]]:
        top = minus(s.sym("z", l, cols), Sym("mu", str(l)))
        return [s.sym("x_hat", l, cols), *([Frac(top, root)] if len(cols) == 1 else [])], [
            s.columns(norm.x_hat, cols, id)
        ]

    return Step(
        id,
        equation,
        "Normalized sums",
        Frac(minus(Sym("z", str(l)), Sym("mu", str(l))), root),
        f"Mean 0 and variance σ²/(σ² + ε), {over}; ε = {constant(s.layer(l).eps).text} keeps the root away from 0."
        if norm.axis is not None
        else f"By the moments of training; ε = {constant(s.layer(l).eps).text} keeps the root away from 0.",
        "forward",
        lines(s, build),
        entries(s, id, norm.x_hat.shape, entry),
        notes=tuple(text for text in variance_words(s, l) if text),
        value=norm.x_hat,
        hidden=hidden(norm.x_hat.shape, id),
    )


UNIT = 1e-3  # how far from 1 a variance may be that is called 1


def variance_words(s: Context, l: int) -> Iterator[Text]:
    """What ε leaves of a variance of 1: little if z's own is not far above it.  Nothing under running moments."""
    norm = s.trace.norm[l]
    if norm.axis is None:
        return
    variance = as_float(norm.x_hat).var(norm.axis)
    one = bool((np.abs(variance - 1) < UNIT).all())
    low, high = s.words(variance.min()), s.words(variance.max())
    much = low if low == high else f"between {low} and {high}"
    yield s.claim(f"variance_is_1[{l}]", one, "ε is small beside σ², so the variance is 1 within 0.1 %.")
    yield s.claim(f"variance_below_1[{l}]", not one, f"σ² is not large beside ε: here the variance is {much}.")


def scaled(s: Context, l: int, equation: str) -> Step:
    """u = γ x̂ + β."""
    id = f"u[{l}]"

    def entry(s: Context, i: int, j: int) -> Line:
        return line(
            s.label([i]),
            [at(s.sym("u", l, [i]), j)],
            [
                Add(
                    Mul(
                        s.num(s.params.gamma[l][j], f"given-gamma[{l}]"),
                        s.num(s.trace.norm[l].x_hat[i, j], f"x_hat[{l}]"),
                    ),
                    s.num(s.params.beta[l][j], f"given-beta[{l}]"),
                ),
                s.num(s.trace.u[l][i, j], id),
            ],
            entry_id(id, (i, j)),
        )

    def build(cols: Cols) -> tuple[list[Expr], list[Expr]]:
        result = s.columns(s.trace.u[l], cols, id)
        if len(cols) > 1:
            return [s.sym("u", l, cols)], [result]
        gamma, beta = (s.vector(getattr(s.params, name)[l], f"given-{name}[{l}]") for name in ("gamma", "beta"))
        made = Add(Hadamard(gamma, s.columns(s.trace.norm[l].x_hat, cols, f"x_hat[{l}]")), beta)
        symbols = [
            s.sym("u", l, cols),
            Add(Hadamard(Sym("gamma", str(l)), s.sym("x_hat", l, cols)), Sym("beta", str(l))),
        ]
        return symbols, [made, result]

    return Step(
        id,
        equation,
        "Scaled and shifted",
        Add(Hadamard(Sym("gamma", str(l)), Sym("x_hat", str(l))), Sym("beta", str(l))),
        "A scale γ and a shift β for each unit, which are learned.",
        "forward",
        lines(s, build),
        entries(s, id, s.trace.u[l].shape, entry),
        value=s.trace.u[l],
        hidden=hidden(s.trace.u[l].shape, id),
    )
