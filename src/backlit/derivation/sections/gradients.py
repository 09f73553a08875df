"""The gradients of a layer's parameters, summed over the examples, and the way back through a norm."""

from collections.abc import Callable

import numpy as np

from backlit.core.norms import norm_of
from backlit.derivation.context import Cols, Context, as_float, at, entry_id, entry_indices, hidden, line
from backlit.derivation.document import Line, Step, Text
from backlit.derivation.expressions import (
    Add,
    Expr,
    Frac,
    Hadamard,
    MatMul,
    Mean,
    Mul,
    Neg,
    Partial,
    Root,
    Sym,
    Transpose,
    constant,
)
from backlit.derivation.sections.forward_pass import group
from backlit.derivation.sections.helpers import (
    below,
    entries,
    even,
    lines,
    share_factor,
    share_symbol,
    shared_sum,
    total,
    weighted_columns,
)

ROUNDED = 1e-9  # of the terms of a sum: what is left where they cancel, whatever the norm's own rounding made of them


def bias_gradient(s: Context, l: int) -> Step:
    """[BP3]."""
    id, n = f"grad_b[{l}]", s.net.n[l]
    value, symbol = s.grad.b[l], s.cost_slope("b", l)
    columns = [s.vector(d, f"delta[{l}]") for d in s.grad.delta[l]]
    numbers: list[Expr] = [s.vector(value, id)]
    if s.m > 1:
        _, front = share_factor(s)
        if even(s):
            made = total(s.terms(columns))
        else:
            made = total(
                s.terms([MatMul(s.num(w, "given-weight"), c) for w, c in zip(s.delta_shares, columns, strict=True)])
            )
        numbers = [MatMul(*front, made) if front else made, *numbers]
    elif s.delta_shares[0] != 1:
        numbers = [MatMul(s.num(s.delta_shares[0], "given-weight"), columns[0]), *numbers]
    chain = line(
        "", [symbol, share_symbol(s, s.sym("delta", l, [0]) if s.m == 1 else Sym("delta", str(l), "i"))], numbers
    )
    notes: list[Text] = []
    if not s.layer(l).train_bias:
        notes.append(("This layer's bias stays as it is (train_bias is false): the gradient is shown, not used.",))
    said = "The examples count unequally, each δ with its share ω in C."
    notes += [text for text in (s.claim(f"shares_differ[{l}]", not even(s), said),) if text]
    undone = (
        "Batch norm takes the mean off again, so a bias in front of it does nothing: the terms cancel, and what may be "
        "left is rounding."
    )
    cancels = s.layer(l).norm == "batch" and s.trace.norm[l].axis == 0 and is_rounding(s, l)
    notes += [text for text in (s.claim(f"bias_does_nothing[{l}]", cancels, undone),) if text]
    return Step(
        id,
        "BP3",
        f"Gradient of the biases of layer {l}",
        share_symbol(s, Sym("delta", str(l), "i" if s.m > 1 else "")),
        "A bias adds 1 to its sum for each 1 of its own, so its gradient is δ" + summed_words(s),
        "backward",
        (chain,),
        tuple(entry_b(s, l, *index) for index in entry_indices(s, (n,), 8)) if s.m > 1 or s.only else (),
        ((symbol, f"{n}×1"), (Sym("delta", str(l)), f"{n}×1")),
        tuple(notes),
        value,
        s.checked(id),
    )


def is_rounding(s: Context, l: int) -> bool:
    """Whether ∂C/∂b_l is no more than what rounding leaves of its terms."""
    terms = np.abs(as_float(s.grad.delta[l]) * as_float(s.delta_shares)[:, None]).sum(axis=0)
    return bool((np.abs(as_float(s.grad.b[l])) <= ROUNDED * terms).all())


def summed_words(s: Context) -> str:
    """How the examples' δ make the gradient of a bias."""
    if s.m == 1:
        return " itself." if s.delta_shares[0] == 1 else " times the example's weight."
    return ", averaged over the examples." if s.net.reduction == "mean" else ", summed."


def entry_b(s: Context, l: int, j: int) -> Line:
    """One bias."""
    id = f"grad_b[{l}]"
    factors: list[list[Expr]] = [[s.num(v, f"delta[{l}]")] for v in s.grad.delta[l][:, j]]
    symbol = Partial(Sym("C"), at(Sym("b", str(l)), j))
    return line("", [symbol], [shared_sum(s, factors), s.num(s.grad.b[l][j], id)], entry_id(id, (j,)))


def weight_gradient(s: Context, l: int) -> Step:
    """[BP4], with [L2G]."""
    id, n, n_in = f"grad_W[{l}]", s.net.n[l], s.net.n[l - 1]
    symbol = s.cost_slope("W", l)
    made: list[Line] = []
    if s.m > 1:
        made += [outer(s, l, i) for i in range(min(s.m, 3))]
    made.append(batch_product(s, l))
    delta, a = Sym("delta", str(l), "i" if s.m > 1 else ""), Sym("a", str(l - 1), "i" if s.m > 1 else "")
    formula = share_symbol(s, MatMul(delta, Transpose(a)))
    if s.net.l2:
        formula = Add(formula, MatMul(Sym("lambda"), Sym("W", str(l))))
    notes: list[Text] = [
        (
            "Row ",
            Sym("j-index"),
            f" belongs to unit j above, column k to unit k below, as in W; the transpose turns the column of {n_in} "
            f"into a row, so that {n}×1 times 1×{n_in} gives {n}×{n_in}.",
        )
    ]
    if s.net.l2:
        notes.append((f"The last term is the pull of L2 regularization, λ = {s.net.l2:g} (L2G).",))
    return Step(
        id,
        "BP4",
        f"Gradient of the weights of layer {l}",
        formula,
        "A weight counts as much as the number that it multiplies: δ at its upper end times a at its lower end.",
        "backward",
        tuple(made),
        entries(s, id, (n, n_in), lambda s, j, k: entry_W(s, l, j, k)),
        ((symbol, f"{n}×{n_in}"), (Sym("delta", str(l)), f"{n}×1"), (Transpose(Sym("a", str(l - 1))), f"1×{n_in}")),
        tuple(notes),
        s.grad.W[l],
        s.checked(id),
        hidden((n, n_in), id),
    )


def outer(s: Context, l: int, i: int) -> Line:
    """One example's part, δ aᵀ."""
    d, a = s.grad.delta[l][i], s.trace.a[l - 1][i]
    symbols = [MatMul(s.sym("delta", l, [i]), Transpose(s.sym("a", l - 1, [i])))]
    row = s.mat(a[None, :], below(l - 1))
    return line(s.label([i]), symbols, [MatMul(s.vector(d, f"delta[{l}]"), row), s.mat(np.outer(d, a), f"grad_W[{l}]")])


def batch_product(s: Context, l: int) -> Line:
    """The whole of it."""
    cols = list(range(s.m))
    front_symbols, front = share_factor(s)
    delta_sym, delta = weighted_columns(s, l, cols)
    if s.m == 1 and not even(s):
        front = [s.num(s.delta_shares[0], "given-weight")]
    rows = s.mat(s.trace.a[l - 1], below(l - 1))
    product: Expr = MatMul(*front, delta, rows)
    formula: Expr = MatMul(*front_symbols, delta_sym, Transpose(s.sym("a", l - 1, cols)))
    if s.net.l2:
        lam = s.setting(s.net.l2)
        product = Add(product, MatMul(lam, s.mat(s.params.W[l], f"given-W[{l}]")))
        formula = Add(formula, MatMul(Sym("lambda"), Sym("W", str(l))))
    label = "" if s.m == 1 else s.label(cols)
    return line(label, [s.cost_slope("W", l), formula], [product, s.mat(s.grad.W[l], f"grad_W[{l}]")])


def entry_W(s: Context, l: int, j: int, k: int) -> Line:
    """One weight, its contributions over the batch."""
    id = f"grad_W[{l}]"
    factors: list[list[Expr]] = [
        [s.num(d, f"delta[{l}]"), s.num(a, below(l - 1))]
        for d, a in zip(s.grad.delta[l][:, j], s.trace.a[l - 1][:, k], strict=True)
    ]
    made = shared_sum(s, factors)
    if s.net.l2:
        made = Add(made, Mul(s.setting(s.net.l2), s.num(s.params.W[l][j, k], f"given-W[{l}]")))
    symbol = Partial(Sym("C"), at(Sym("W", str(l)), j, k))
    return line("", [symbol], [made, s.num(s.grad.W[l][j, k], id)], entry_id(id, (j, k)))


# --- back through a norm, and the gradients of its scale and shift ----------------------------------------------------


def through_norm(s: Context, l: int) -> list[Step]:
    """[BN7] to [BN10], or [LN5] to [LN8]."""
    number = norm_of(s.layer(l)).equations
    return [
        norm_parameter(s, l, "gamma", number["gamma"]),
        norm_parameter(s, l, "beta", number["beta"]),
        through_scale(s, l, number["grad_x_hat"]),
        through_moments(s, l, number["delta"]),
    ]


def through_scale(s: Context, l: int, equation: str) -> Step:
    """∂ℓ/∂x̂ = γ ⊙ ∂ℓ/∂u."""
    id, value = f"grad_x_hat[{l}]", s.params.gamma[l] * s.grad.u[l]

    def entry(s: Context, i: int, j: int) -> Line:
        made = Mul(s.num(s.params.gamma[l][j], f"given-gamma[{l}]"), s.num(s.grad.u[l][i, j], f"grad_u[{l}]"))
        symbol = Partial(s.slope("x_hat", l, [i]).of, at(s.sym("x_hat", l, [i]), j))
        return line(s.label([i]), [symbol], [made, s.num(value[i, j], id)], entry_id(id, (i, j)))

    def build(cols: Cols) -> tuple[list[Expr], list[Expr]]:
        return [s.slope("x_hat", l, cols)], [s.columns(value, cols, id)]

    return Step(
        id,
        equation,
        "Back through the scale",
        Hadamard(Sym("gamma", str(l)), s.slope("u", l)),
        "The scale γ multiplies on the way down as on the way up.",
        "backward",
        lines(s, build),
        entries(s, id, value.shape, entry),
        value=value,
        hidden=hidden(value.shape, id),
    )


def through_moments(s: Context, l: int, equation: str) -> Step:
    """δ = (g − mean g − x̂ mean(x̂ g)) / √(σ² + ε)."""
    id, norm, batch = f"delta[{l}]", s.trace.norm[l], norm_of(s.layer(l)).axis == 0
    g = s.params.gamma[l] * s.grad.u[l]
    mean, along = g.mean(norm.axis, keepdims=True), (norm.x_hat * g).mean(norm.axis, keepdims=True)
    eps = s.setting(s.layer(l).eps)
    if norm.axis is None:
        return through_given(s, l, equation, eps)

    def entry(s: Context, i: int, j: int) -> Line:
        k = j if batch else i
        cells = group(s, l, k)
        terms: list[Expr] = [Mul(s.num(norm.x_hat[c], f"x_hat[{l}]"), s.num(g[c], f"grad_x_hat[{l}]")) for c in cells]
        plain: list[Expr] = [s.num(g[c], f"grad_x_hat[{l}]") for c in cells]
        top = Add(
            s.num(g[i, j], f"grad_x_hat[{l}]"),
            Neg(Frac(total(s.terms(plain)), constant(len(cells)))),
            Neg(Mul(s.num(norm.x_hat[i, j], f"x_hat[{l}]"), Frac(total(s.terms(terms)), constant(len(cells))))),
        )
        means = Add(
            s.num(g[i, j], f"grad_x_hat[{l}]"),
            Neg(s.num(mean.ravel()[k], id)),
            Neg(Mul(s.num(norm.x_hat[i, j], f"x_hat[{l}]"), s.num(along.ravel()[k], id))),
        )
        root = Root(Add(s.num(norm.variance.ravel()[k], f"sigma2[{l}]"), eps))
        numbers = [Frac(top, root), Frac(means, root), s.num(s.grad.delta[l][i, j], id)]
        return line(s.label([i]), [at(s.sym("delta", l, [i]), j)], numbers, entry_id(id, (i, j)))

    x, slope_x = Sym("x_hat", str(l)), s.slope("x_hat", l)
    over = "the batch" if batch else "the units of its example"
    return delta_step(
        s,
        l,
        equation,
        Add(slope_x, Neg(Mean(slope_x)), Neg(Hadamard(x, Mean(Hadamard(x, slope_x))))),
        f"Each z moves its own x̂ and, through μ and σ, the others: two means over {over} (the bars) are taken off, "
        "so the δ of a group sum to 0.",
        entry,
    )


def through_given(s: Context, l: int, equation: str, eps: Expr) -> Step:
    """δ = g / √(σ² + ε), where μ and σ are given and do not move with z."""
    id, norm, g = f"delta[{l}]", s.trace.norm[l], s.params.gamma[l] * s.grad.u[l]

    def entry(s: Context, i: int, j: int) -> Line:
        root = Root(Add(s.num(norm.variance.ravel()[j], f"sigma2[{l}]"), eps))
        numbers = [Frac(s.num(g[i, j], f"grad_x_hat[{l}]"), root), s.num(s.grad.delta[l][i, j], id)]
        return line(s.label([i]), [at(s.sym("delta", l, [i]), j)], numbers, entry_id(id, (i, j)))

    words = "The running moments do not move with z, so the two means that training takes off are not there."
    return delta_step(s, l, equation, s.slope("x_hat", l), words, entry)


def delta_step(s: Context, l: int, equation: str, top: Expr, sentence: str, entry: Callable[..., Line]) -> Step:
    """δ_l = top / √(σ² + ε)."""
    id, delta = f"delta[{l}]", s.grad.delta[l]

    def build(cols: Cols) -> tuple[list[Expr], list[Expr]]:
        return [s.sym("delta", l, cols)], [s.columns(delta, cols, id)]

    return Step(
        id,
        equation,
        f"Error of layer {l}",
        Frac(top, Root(Add(Sym("sigma2", str(l)), Sym("eps")))),
        sentence,
        "backward",
        lines(s, build),
        entries(s, id, delta.shape, entry),
        ((Sym("delta", str(l)), f"{s.net.n[l]}×1"),),
        value=delta,
        checks=s.checked(id),
        hidden=hidden(delta.shape, id),
    )


def norm_parameter(s: Context, l: int, name: str, equation: str) -> Step:
    """∂C/∂γ or ∂C/∂β."""
    id, value = f"grad_{name}[{l}]", getattr(s.grad, name)[l]
    x = s.slope("u", l)
    body: Expr = Hadamard(x, Sym("x_hat", str(l))) if name == "gamma" else x
    symbol = s.cost_slope(name, l)
    return Step(
        id,
        equation,
        f"Gradient of {'the scale' if name == 'gamma' else 'the shift'}",
        share_symbol(s, body),
        "Summed over the examples, each with its share.",
        "backward",
        (line("", [symbol], [s.vector(value, id)]),),
        entries(s, id, value.shape, lambda s, j: entry_parameter(s, l, name, j)),
        ((symbol, f"{s.net.n[l]}×1"),),
        value=value,
        checks=s.checked(id),
        hidden=hidden(value.shape, id),
    )


def entry_parameter(s: Context, l: int, name: str, j: int) -> Line:
    """One scale or shift."""
    id = f"grad_{name}[{l}]"
    factors: list[list[Expr]] = [[s.num(v, f"grad_u[{l}]")] for v in s.grad.u[l][:, j]]
    if name == "gamma":
        factors = [[*f, s.num(x, f"x_hat[{l}]")] for f, x in zip(factors, s.trace.norm[l].x_hat[:, j], strict=True)]
    symbol = Partial(Sym("C"), at(Sym(name, str(l)), j))
    result = s.num(getattr(s.grad, name)[l][j], id)
    return line("", [symbol], [shared_sum(s, factors), result], entry_id(id, (j,)))
