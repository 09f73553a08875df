"""The gradients of biases and weights: δ and a, summed over the examples."""

import numpy as np

from backlit.derivation.context import Context, as_float, at, entry_id, entry_indices, hidden, line
from backlit.derivation.document import Line, Step, Text
from backlit.derivation.expressions import (
    Add,
    Expr,
    MatMul,
    Mul,
    Partial,
    Sym,
    Transpose,
)
from backlit.derivation.sections.helpers import (
    below,
    entries,
    even,
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
