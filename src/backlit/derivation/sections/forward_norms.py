"""u = norm(z): the moments, x̂, and its scale and shift."""

from collections.abc import Iterator
from typing import Any

import numpy as np

from backlit.core.norms import norm_of
from backlit.derivation.context import Cols, Context, as_float, at, entry_id, hidden, line
from backlit.derivation.document import Line, Step, Text
from backlit.derivation.expressions import Add, At, BigSum, Expr, Frac, Hadamard, Mul, Pow, Root, Sym, constant
from backlit.derivation.functions import ONE, TWO, minus
from backlit.derivation.sections.helpers import entries, lines


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
