"""ℓ of each example and, from them, C."""

from backlit.derivation.document import Line, Step
from backlit.derivation.expressions import (
    Add,
    BigSum,
    Expr,
    Fn,
    Frac,
    MatMul,
    Mul,
    Neg,
    Pow,
    Sym,
    constant,
)
from backlit.derivation.functions import ONE, TWO, loss_of, loss_over
from backlit.derivation.scene import Scene, at, entry_id, hidden, line
from backlit.derivation.sections.forward.parts import below, index_k

LOSSES = 6  # examples whose loss is worked


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
