"""The worked numbers on the way up: z, norm, activation, dropout, skip of every layer, and the loss."""

from collections.abc import Callable
from typing import Any

import numpy as np

from backlit.derivation.document import Line, Section, Step
from backlit.derivation.expressions import (
    Add,
    At,
    BigSum,
    Expr,
    Fn,
    Frac,
    Had,
    Mat,
    MatMul,
    Mul,
    Neg,
    Num,
    Pow,
    Root,
    Sym,
)
from backlit.derivation.functions import ONE, TWO, applied, fn, known, loss_of, loss_over, minus, value_of
from backlit.derivation.scene import Cols, Scene, at, constant, counted, entry_id, entry_indices, hidden, line

LOSSES = 6  # examples whose loss is worked
AXIS_WORDS = {"batch": "over the batch", "layer": "over the units of each example"}


def section(s: Scene) -> Section:
    """Forward, layer by layer."""
    return Section("forward", "Forward: from the inputs to the loss", (*layer_steps(s), *losses(s)))


def layer_steps(s: Scene) -> list[Step]:
    """The steps of every layer, up to the output."""
    return [step for l in range(1, s.net.L + 1) for step in one_layer(s, l)]


def one_layer(s: Scene, l: int) -> list[Step]:
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


def lines(s: Scene, build: Callable[[Cols], tuple[list[Expr], list[Expr]]]) -> tuple[Line, ...]:
    """A worked line for each choice of examples."""
    return tuple(line(s.label(cols), *build(cols)) for cols in s.choices)


def entries(s: Scene, id: str, shape: tuple[int, ...], entry: Callable[..., Line]) -> tuple[Line, ...]:
    """The first entries of a quantity, worked."""
    return tuple(entry(s, *index) for index in entry_indices(s, shape))


def below(l: int) -> str:
    """The id of the step that made a[l]."""
    return f"a[{l}]" if l else "given-x"


def after_activation(s: Scene, l: int) -> str:
    """What φ's result is called: h where dropout or a skip follows, a where it is the layer's output."""
    return "h" if s.trace.mask[l] is not None or s.layer(l).skip_from is not None else "a"


def before_activation(s: Scene, l: int) -> str:
    """What φ is applied to: u after a norm, z without one."""
    return "u" if s.layer(l).norm else "z"


# --- z = W a + b ------------------------------------------------------------------------------------------------------


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


def index_k(of: Expr, *first: int) -> Expr:
    """An entry whose last index is the k that is summed over."""
    return At(of, (*(str(i + 1) for i in first), "k"))


# --- u = norm(z) ------------------------------------------------------------------------------------------------------


def normalization(s: Scene, l: int) -> list[Step]:
    """[BN1] to [BN4], or [LN1] to [LN4]."""
    layer, norm = s.layer(l), s.trace.norm[l]
    kind = str(layer.norm)
    number = {"batch": "BN", "layer": "LN"}[kind]
    over = AXIS_WORDS[kind]
    return [
        moment(s, l, "mu", f"{number}1", norm.mean, f"The mean of z, {over}."),
        moment(s, l, "sigma2", f"{number}2", norm.variance, f"The variance of z, {over} (divided by the count)."),
        normalized(s, l, f"{number}3", over),
        scaled(s, l, f"{number}4"),
    ]


def group(s: Scene, l: int, g: int) -> list[tuple[int, int]]:
    """The (example, unit) pairs that share the g-th moment."""
    if s.layer(l).norm == "batch":
        return [(i, g) for i in range(s.m)]
    return [(g, j) for j in range(s.net.n[l])]


def moment(s: Scene, l: int, name: str, equation: str, value: Any, sentence: str) -> Step:
    """A mean or a variance, group by group."""
    id, symbol, flat = f"{name}[{l}]", Sym(name, str(l)), value.ravel()
    if s.trace.norm[l].axis is None:
        sentence = "A running moment, as training left it: it does not depend on this row."
    index = "i" if s.layer(l).norm == "batch" else "j"
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


def entry_moment(s: Scene, l: int, name: str, g: int, value: Any) -> Line:
    """One mean or variance."""
    cells = [s.num(s.trace.z[l][i, j], f"z[{l}]") for i, j in group(s, l, g)]
    terms: list[Expr] = list(cells)
    if name == "sigma2":
        mean = s.num(s.trace.norm[l].mean.ravel()[g], f"mu[{l}]")
        terms = [Pow(minus(cell, mean), TWO) for cell in cells]
    id = f"{name}[{l}]"
    average = Frac(Add(*s.terms(terms)) if len(terms) > 1 else terms[0], constant(len(cells)))
    return line("", [at(Sym(name, str(l)), g)], [average, s.num(value, id)], entry_id(id, (g,)))


def normalized(s: Scene, l: int, equation: str, over: str) -> Step:
    """x̂."""
    norm, id = s.trace.norm[l], f"x_hat[{l}]"
    root = Root(Add(Sym("sigma2", str(l)), Sym("eps")))

    def entry(s: Scene, i: int, j: int) -> Line:
        g = j if s.layer(l).norm == "batch" else i
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
        f"Mean 0 and variance 1, {over}; ε = {constant(s.layer(l).eps).text} keeps the root away from 0.",
        "forward",
        lines(s, build),
        entries(s, id, norm.x_hat.shape, entry),
        value=norm.x_hat,
        hidden=hidden(norm.x_hat.shape, id),
    )


def scaled(s: Scene, l: int, equation: str) -> Step:
    """u = γ x̂ + β."""
    id = f"u[{l}]"

    def entry(s: Scene, i: int, j: int) -> Line:
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
        made = Add(Had(gamma, s.columns(s.trace.norm[l].x_hat, cols, f"x_hat[{l}]")), beta)
        symbols = [s.sym("u", l, cols), Add(Had(Sym("gamma", str(l)), s.sym("x_hat", l, cols)), Sym("beta", str(l)))]
        return symbols, [made, result]

    return Step(
        id,
        equation,
        "Scaled and shifted",
        Add(Had(Sym("gamma", str(l)), Sym("x_hat", str(l))), Sym("beta", str(l))),
        "A scale γ and a shift β for each unit, which are learned.",
        "forward",
        lines(s, build),
        entries(s, id, s.trace.u[l].shape, entry),
        value=s.trace.u[l],
        hidden=hidden(s.trace.u[l].shape, id),
    )


# --- h = φ(u), dropout, skip ------------------------------------------------------------------------------------------


def activation(s: Scene, l: int) -> Step:
    """[F2]."""
    phi, out, under = s.layer(l).activation, after_activation(s, l), before_activation(s, l)
    id = f"{out}[{l}]"

    def build(cols: Cols) -> tuple[list[Expr], list[Expr]]:
        symbols = [s.sym(out, l, cols), applied(phi, s.sym(under, l, cols))]
        return symbols, [
            applied(phi, s.columns(s.trace.u[l], cols, f"{under}[{l}]")),
            s.columns(s.trace.h[l], cols, id),
        ]

    words = {"identity": "The identity hands the sums on as they are."}
    return Step(
        id,
        "F2",
        f"Activation of layer {l}",
        applied(phi, Sym(under, str(l))),
        words.get(
            phi.name, f"{phi.name} is applied " + ("to each unit." if phi.elementwise else "to all units at once.")
        ),
        "forward",
        lines(s, build),
        entries(s, id, s.trace.h[l].shape, lambda s, i, j: entry_activation(s, l, i, j)),
        ((Sym(out, str(l)), f"{s.net.n[l]}×1"), (Sym(under, str(l)), f"{s.net.n[l]}×1")),
        value=s.trace.h[l],
        hidden=hidden(s.trace.h[l].shape, id),
    )


def entry_activation(s: Scene, l: int, i: int, j: int) -> Line:
    """φ of one unit, written out."""
    phi, out, under = s.layer(l).activation, after_activation(s, l), before_activation(s, l)
    id, u = f"{out}[{l}]", s.num(s.trace.u[l][i, j], f"{under}[{l}]")
    symbols: list[Expr] = [at(s.sym(out, l, [i]), j)]
    result = s.num(s.trace.h[l][i, j], id)
    if known(phi):
        numbers = [value_of(phi, u)] if phi.name != "identity" else []
        return line(s.label([i]), symbols, [*numbers, result], entry_id(id, (i, j)))
    if phi.name != "softmax":
        made = [applied(phi, u)] if phi.elementwise else []
        return line(s.label([i]), symbols, [*made, result], entry_id(id, (i, j)))
    scores = [fn("exp", s.num(v, f"{under}[{l}]")) for v in s.trace.u[l][i]]
    share = Frac(fn("exp", u), Add(*s.terms(scores)) if len(scores) > 1 else scores[0])
    return line(s.label([i]), symbols, [share, result], entry_id(id, (i, j)))


def dropout(s: Scene, l: int) -> Step:
    """[DO1]."""
    p, out = s.layer(l).dropout, "r" if s.layer(l).skip_from is not None else "a"
    id, value = f"{out}[{l}]", s.trace.h[l] * s.trace.mask[l]

    def build(cols: Cols) -> tuple[list[Expr], list[Expr]]:
        h, mask = s.columns(s.trace.h[l], cols, f"h[{l}]"), s.columns(s.trace.mask[l], cols, id)
        symbols = [s.sym(out, l, cols), Had(s.sym("h", l, cols), s.sym("mask", l, cols))]
        return symbols, [Had(h, mask), s.columns(value, cols, id)]

    def entry(s: Scene, i: int, j: int) -> Line:
        made = Mul(s.num(s.trace.h[l][i, j], f"h[{l}]"), s.num(s.trace.mask[l][i, j], id))
        return line(s.label([i]), [at(s.sym(out, l, [i]), j)], [made, s.num(value[i, j], id)], entry_id(id, (i, j)))

    return Step(
        id,
        "DO1",
        f"Dropout after layer {l}",
        Had(Sym("h", str(l)), Sym("mask", str(l))),
        f"Each unit is set to 0 with probability {p:g}; those that stay are scaled by 1/(1 − {p:g}). "
        f"The mask is the draw of seed {s.problem.seed}, step 0.",
        "forward",
        lines(s, build),
        entries(s, id, value.shape, entry),
        value=value,
        hidden=hidden(value.shape, id),
    )


def skip(s: Scene, l: int) -> Step:
    """[SK1]."""
    layer = s.layer(l)
    k, scale, id = int(layer.skip_from or 0), s.setting(layer.skip_scale), f"a[{l}]"
    inner = "r" if s.trace.mask[l] is not None else "h"
    before = s.trace.h[l] if s.trace.mask[l] is None else s.trace.h[l] * s.trace.mask[l]

    def build(cols: Cols) -> tuple[list[Expr], list[Expr]]:
        symbols = [s.sym("a", l, cols), Add(s.sym(inner, l, cols), times(scale, s.sym("a", k, cols)))]
        added = Add(s.columns(before, cols, f"{inner}[{l}]"), times(scale, s.columns(s.trace.a[k], cols, below(k))))
        return symbols, [added, s.columns(s.trace.a[l], cols, id)]

    def entry(s: Scene, i: int, j: int) -> Line:
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


def times(scale: Num, of: Expr) -> Expr:
    """scale · of, where the scale is not 1."""
    return of if scale.value == 1 else MatMul(scale, of)


# --- ℓ and C ----------------------------------------------------------------------------------------------------------


def losses(s: Scene) -> list[Step]:
    """ℓ of each example and, from them, C."""
    return [example_loss(s), cost(s)]


def example_loss(s: Scene) -> Step:
    """ℓ, example by example."""
    L, loss, n = s.net.L, s.net.loss, s.net.n[s.net.L]
    shown = s.only if s.only is not None and len(s.only) == 1 and s.only[0] < s.m else range(min(s.m, LOSSES))
    a_L, y_ = Sym("a", str(L)), Sym("y")
    symbolic = loss_of(loss, [at(a_L, k) for k in range(n)], [at(y_, k) for k in range(n)])
    if n > 4:
        symbolic = loss_over(loss, [index_k(a_L)], [index_k(y_)], n)
    return Step(
        "ell",
        "",
        "Loss of each example",
        symbolic,
        f"How far each output is from its target, by {loss.name.replace('_', ' ')}.",
        "forward",
        (line("", [Sym("ell")], [s.columns(s.losses[:, None], range(s.m), "ell")]),) if s.m > 1 else (),
        tuple(entry_loss(s, i) for i in shown),
        value=s.losses,
        hidden=hidden((s.m,), "ell", LOSSES),
    )


def entry_loss(s: Scene, i: int) -> Line:
    """ℓ of one example; terms of a long sum are left out."""
    L = s.net.L
    a = [s.num(v, below(L)) for v in s.trace.a[L][i]]
    y = [s.num(v, "given-y") for v in s.y[i]]
    symbol = Sym("ell", "", example=str(i + 1) if s.m > 1 else "")
    made = elided(s, loss_of(s.net.loss, a, y))
    return line(s.label([i]), [symbol], [made, s.num(s.losses[i], "ell")], entry_id("ell", (i,)))


def elided(s: Scene, expr: Expr) -> Expr:
    """A formula whose long sums are left out in part."""
    if isinstance(expr, Add) and len(expr.items) > s.longest:
        return Add(*s.terms(expr.items))
    if isinstance(expr, Mul):
        return Mul(*(elided(s, item) for item in expr.items))
    return Neg(elided(s, expr.of)) if isinstance(expr, Neg) else expr


def cost(s: Scene) -> Step:
    """[C1] and [L2]."""
    ells: list[Expr] = [s.num(v, "ell") for v in s.losses]
    share = s.cost_shares
    even = s.problem.sample_weight is None
    symbol: Expr
    if even and s.net.reduction == "mean":
        symbol = MatMul(Frac(ONE, Sym("m")), BigSum("i", Sym("ell", "", example="i")))
        total: Expr = Frac(Add(*s.terms(ells)), constant(s.m)) if s.m > 1 else ells[0]
    elif even:
        symbol = BigSum("i", Sym("ell", "", example="i"))
        total = Add(*s.terms(ells)) if s.m > 1 else ells[0]
    else:
        symbol = BigSum("i", MatMul(Sym("omega", "i"), Sym("ell", "", example="i")))
        products = [Mul(s.num(w, "given-weight"), ell) for w, ell in zip(share, ells, strict=True)]
        total = Add(*s.terms(products)) if s.m > 1 else products[0]
    notes = []
    if s.net.l2:
        lengths = [(W**2).sum() for W in s.params.W[1:]]
        lam = s.setting(s.net.l2)
        symbol = Add(symbol, MatMul(Frac(Sym("lambda"), TWO), BigSum("l", Pow(Fn("norm", (Sym("W", "l"),)), TWO))))
        squares: list[Expr] = [s.num(v) for v in lengths]
        inner = Add(*s.terms(squares)) if len(squares) > 1 else squares[0]
        total = Add(total, Mul(Frac(lam, TWO), inner))
        notes.append(("The last numbers are the squared lengths of the weight matrices; biases are not counted.",))
    numbers = [total, s.num(s.grad.loss, "loss")] if s.m > 1 or s.net.l2 or not even else [s.num(s.grad.loss, "loss")]
    return Step(
        "loss",
        "C1",
        "Cost",
        symbol,
        "The number whose gradient is sought.",
        "forward",
        (line("", [Sym("C")], numbers),),
        notes=tuple(notes),
        value=s.grad.loss,
    )
