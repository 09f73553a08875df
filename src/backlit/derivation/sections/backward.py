"""The worked numbers on the way down: the slope of the loss, then δ and the gradients of every layer."""

from typing import Any

import numpy as np

from backlit.derivation.document import Line, Section, Step, Text
from backlit.derivation.expressions import (
    Add,
    At,
    BigSum,
    Expr,
    Frac,
    Had,
    Mat,
    MatMul,
    Mean,
    Mul,
    Neg,
    Partial,
    Root,
    Sym,
    Transpose,
)
from backlit.derivation.functions import ONE, applied, known, loss_slope_of, minus, slope_of
from backlit.derivation.scene import Cols, Scene, at, constant, entry_id, entry_indices, hidden, line
from backlit.derivation.sections.forward import before_activation, below, entries, group, index_k, lines, times


def section(s: Scene) -> Section:
    """Backward, from the loss down to the inputs."""
    steps: list[Step] = []
    for l in range(s.net.L, 0, -1):
        steps += [output_slope(s)] if l == s.net.L else []
        steps += through_layer(s, l)
    return Section("backward", "Backward: from the loss to every gradient", tuple(steps))


def through_layer(s: Scene, l: int) -> list[Step]:
    """The steps of one layer, from ∂ℓ/∂a_l to ∂ℓ/∂a_{l−1}."""
    steps = []
    if s.trace.mask[l] is not None:
        steps.append(through_dropout(s, l))
    if l == s.net.L and s.net.has_short_form:
        steps.append(short_form(s))
    elif s.layer(l).activation.elementwise:
        steps += [slope(s, l), through_activation(s, l)]
    else:
        steps.append(through_softmax(s, l))
    if s.layer(l).norm:
        steps += through_norm(s, l)
    return [*steps, bias_gradient(s, l), weight_gradient(s, l), down(s, l)]


def delta_id(s: Scene, l: int) -> str:
    """What ∂ℓ/∂u is called: δ where there is no norm between u and z."""
    return f"grad_u[{l}]" if s.layer(l).norm else f"delta[{l}]"


def delta_symbol(s: Scene, l: int, cols: Cols | None = None) -> Expr:
    """Its symbol."""
    return s.slope("u", l, cols) if s.layer(l).norm else s.sym("delta", l, cols)


def hidden_slope(s: Scene, l: int) -> tuple[str, str, Any]:
    """∂ℓ/∂h_l: its step, its symbol's name and its values."""
    if s.trace.mask[l] is not None:
        return f"grad_h[{l}]", "h", s.grad.a[l] * s.trace.mask[l]
    return f"grad_a[{l}]", "a", s.grad.a[l]


# --- at the output ----------------------------------------------------------------------------------------------------


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


def made_entries(s: Scene, id: str, shape: tuple[int, ...], entry: Any) -> tuple[Line, ...]:
    """The first entries, worked."""
    return entries(s, id, shape, entry)


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


def entry_symbol(s: Scene, l: int, i: int, j: int) -> Expr:
    """One entry of δ or of ∂ℓ/∂u."""
    if s.layer(l).norm:
        return Partial(s.slope("u", l, [i]).of, at(s.sym("u", l, [i]), j))
    return at(s.sym("delta", l, [i]), j)


# --- through dropout and the activation -------------------------------------------------------------------------------


def through_dropout(s: Scene, l: int) -> Step:
    """[DO2]."""
    id, _, value = hidden_slope(s, l)

    def build(cols: Cols) -> tuple[list[Expr], list[Expr]]:
        symbols = [s.slope("h", l, cols), Had(s.slope("a", l, cols), s.sym("mask", l, cols))]
        made = Had(s.columns(s.grad.a[l], cols, f"grad_a[{l}]"), s.columns(s.trace.mask[l], cols, f"a[{l}]"))
        return symbols, [made, s.columns(value, cols, id)]

    return Step(
        id,
        "DO2",
        f"Back through the dropout of layer {l}",
        Had(s.slope("a", l), Sym("mask", str(l))),
        "What was dropped gets no gradient; the rest is scaled as on the way up.",
        "backward",
        lines(s, build),
        value=value,
    )


def slope(s: Scene, l: int) -> Step:
    """φ'(u), a function of u and never of a."""
    phi, under, id = s.layer(l).activation, before_activation(s, l), f"slope[{l}]"
    value = phi.derivative(s.trace.u[l])

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
    at_kink = [(i, j) for i, j in np.argwhere(np.isin(s.trace.u[l], phi.kinks))]
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
    value = phi.derivative(s.trace.u[l])

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
    id = delta_id(s, l)
    source, name, upstream = hidden_slope(s, l)
    h_id = below(l) if s.trace.mask[l] is None and s.layer(l).skip_from is None else f"h[{l}]"

    def build(cols: Cols) -> tuple[list[Expr], list[Expr]]:
        return [delta_symbol(s, l, cols)], [s.columns(s.grad.u[l], cols, id)]

    def entry(s: Scene, i: int, j: int) -> Line:
        p, g = s.trace.h[l][i], upstream[i]
        terms: list[Expr] = [Mul(s.num(a, source), s.num(b, h_id)) for a, b in zip(g, p, strict=True)]
        dot = Add(*s.terms(terms)) if len(terms) > 1 else terms[0]
        made = Mul(s.num(p[j], h_id), minus(s.num(g[j], source), dot))
        return line(
            s.label([i]), [entry_symbol(s, l, i, j)], [made, s.num(s.grad.u[l][i, j], id)], entry_id(id, (i, j))
        )

    p, g = Sym("p"), s.slope(name, l)
    return Step(
        id,
        "BP2S",
        "Error at the output",
        Had(p, minus(g, MatMul(Transpose(p), g))),
        "Softmax mixes the units: the transposed Jacobian diag(p) − p pᵀ times the slope, with p the softmax.",
        "backward",
        lines(s, build),
        entries(s, id, s.grad.u[l].shape, entry),
        ((delta_symbol(s, l), f"{s.net.n[l]}×1"),),
        value=s.grad.u[l],
        checks=s.checked(id),
    )


# --- through a norm ---------------------------------------------------------------------------------------------------


def through_norm(s: Scene, l: int) -> list[Step]:
    """[BN7] to [BN10], or [LN5] to [LN8]."""
    batch = s.layer(l).norm == "batch"
    numbers = ("BN7", "BN8", "BN9", "BN10") if batch else ("LN5", "LN6", "LN7", "LN8")
    return [
        norm_parameter(s, l, "gamma", numbers[2]),
        norm_parameter(s, l, "beta", numbers[3]),
        through_scale(s, l, numbers[0]),
        through_moments(s, l, numbers[1], batch),
    ]


def through_scale(s: Scene, l: int, equation: str) -> Step:
    """∂ℓ/∂x̂ = γ ⊙ ∂ℓ/∂u."""
    id, value = f"grad_x_hat[{l}]", s.params.gamma[l] * s.grad.u[l]

    def entry(s: Scene, i: int, j: int) -> Line:
        made = Mul(s.num(s.params.gamma[l][j], f"given-gamma[{l}]"), s.num(s.grad.u[l][i, j], f"grad_u[{l}]"))
        symbol = Partial(s.slope("x_hat", l, [i]).of, at(s.sym("x_hat", l, [i]), j))
        return line(s.label([i]), [symbol], [made, s.num(value[i, j], id)], entry_id(id, (i, j)))

    def build(cols: Cols) -> tuple[list[Expr], list[Expr]]:
        return [s.slope("x_hat", l, cols)], [s.columns(value, cols, id)]

    return Step(
        id,
        equation,
        "Back through the scale",
        Had(Sym("gamma", str(l)), s.slope("u", l)),
        "The scale γ multiplies on the way down as on the way up.",
        "backward",
        lines(s, build),
        entries(s, id, value.shape, entry),
        value=value,
    )


def through_moments(s: Scene, l: int, equation: str, batch: bool) -> Step:
    """δ = (g − mean g − x̂ mean(x̂ g)) / √(σ² + ε)."""
    id, norm = f"delta[{l}]", s.trace.norm[l]
    g = s.params.gamma[l] * s.grad.u[l]
    mean, along = g.mean(norm.axis, keepdims=True), (norm.x_hat * g).mean(norm.axis, keepdims=True)
    eps = constant(s.layer(l).eps)

    def entry(s: Scene, i: int, j: int) -> Line:
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
            Neg(s.num(mean.ravel()[k])),
            Neg(Mul(s.num(norm.x_hat[i, j], f"x_hat[{l}]"), s.num(along.ravel()[k]))),
        )
        root = Root(Add(s.num(norm.variance.ravel()[k], f"sigma2[{l}]"), eps))
        numbers = [Frac(top, root), Frac(means, root), s.num(s.grad.delta[l][i, j], id)]
        return line(s.label([i]), [at(s.sym("delta", l, [i]), j)], numbers, entry_id(id, (i, j)))

    def build(cols: Cols) -> tuple[list[Expr], list[Expr]]:
        return [s.sym("delta", l, cols)], [s.columns(s.grad.delta[l], cols, id)]

    x, slope_x = Sym("x_hat", str(l)), s.slope("x_hat", l)
    over = "the batch" if batch else "the units of its example"
    return Step(
        id,
        equation,
        f"Error of layer {l}",
        Frac(
            Add(slope_x, Neg(Mean(slope_x)), Neg(Had(x, Mean(Had(x, slope_x))))),
            Root(Add(Sym("sigma2", str(l)), Sym("eps"))),
        ),
        f"Each z moves its own x̂ and, through μ and σ, the others: two means over {over} (the bars) are taken off, "
        "so the δ of a group sum to 0.",
        "backward",
        lines(s, build),
        entries(s, id, s.grad.delta[l].shape, entry),
        ((Sym("delta", str(l)), f"{s.net.n[l]}×1"),),
        value=s.grad.delta[l],
        checks=s.checked(id),
        hidden=hidden(s.grad.delta[l].shape, id),
    )


def norm_parameter(s: Scene, l: int, name: str, equation: str) -> Step:
    """∂C/∂γ or ∂C/∂β."""
    id = f"grad_{name}[{l}]"
    value = getattr(s.grad, name)[l]
    shown = range(min(len(value), 8))
    made = []
    for j in shown:
        factors: list[list[Expr]] = [[s.num(v, f"grad_u[{l}]")] for v in s.grad.u[l][:, j]]
        if name == "gamma":
            factors = [[*f, s.num(x, f"x_hat[{l}]")] for f, x in zip(factors, s.trace.norm[l].x_hat[:, j], strict=True)]
        made.append(
            line(
                "",
                [at(s.cost_slope(name, l), j)],
                [shared_sum(s, factors), s.num(value[j], id)],
                entry_id(id, (j,)),
            )
        )
    x = s.slope("u", l)
    body: Expr = Had(x, Sym("x_hat", str(l))) if name == "gamma" else x
    return Step(
        id,
        equation,
        f"Gradient of {'the scale' if name == 'gamma' else 'the shift'}",
        share_symbol(s, body),
        "Summed over the examples, each with its share.",
        "backward",
        tuple(made),
        value=value,
        checks=s.checked(id),
        hidden="" if len(value) <= 8 else f"{len(value) - 8} more units are left out here.",
    )


# --- the gradients of a layer -----------------------------------------------------------------------------------------


def total(terms: tuple[Expr, ...]) -> Expr:
    """A sum, where there is more than one term."""
    return Add(*terms) if len(terms) > 1 else terms[0]


def even(s: Scene) -> bool:
    """Whether every example has the same share in the gradients."""
    return bool(np.all(s.delta_shares == s.delta_shares[0]))


def share_symbol(s: Scene, body: Expr) -> Expr:
    """Σ over the examples, each with its share, in symbols."""
    if s.m == 1 and s.delta_shares[0] == 1:
        return body
    if even(s) and s.delta_shares[0] == 1:
        return BigSum("i", body)
    if even(s):
        return MatMul(Frac(ONE, Sym("m")), BigSum("i", body))
    return BigSum("i", MatMul(Sym("omega", "i"), body))


def shared_sum(s: Scene, factors: list[list[Expr]]) -> Expr:
    """Σ_i share_i · Π factors_i, in numbers; factors has a list for each example."""
    share = s.delta_shares
    if even(s):
        summed = total(s.terms([Mul(*f) if len(f) > 1 else f[0] for f in factors]))
        if share[0] == 1:
            return summed
        if abs(share[0] * s.m - 1) < 1e-12:
            return Frac(summed, constant(s.m))
        return Mul(s.num(share[0], "given-weight"), summed)
    weighted = [Mul(s.num(w, "given-weight"), *f) for w, f in zip(share, factors, strict=True)]
    return total(s.terms(weighted))


def share_factor(s: Scene) -> tuple[list[Expr], list[Expr]]:
    """1/m in front of a batch product, as symbols and as numbers; nothing where each share is 1."""
    if not even(s) or s.delta_shares[0] == 1:
        return [], []
    if abs(s.delta_shares[0] * s.m - 1) < 1e-12:
        return [Frac(ONE, Sym("m"))], [Frac(ONE, constant(s.m))]
    return [Sym("omega")], [s.num(s.delta_shares[0], "given-weight")]


def weighted_columns(s: Scene, l: int, cols: Cols) -> tuple[Expr, Mat]:
    """Δ, or Δ with each column times its example's share where the shares differ."""
    delta = s.grad.delta[l]
    if even(s) or len(cols) == 1:
        return s.sym("delta", l, cols), s.columns(delta, cols, f"delta[{l}]")
    scaled = delta * s.delta_shares[:, None]
    return MatMul(s.sym("delta", l, cols), Sym("diag-omega")), s.columns(scaled, cols, f"delta[{l}]")


def bias_gradient(s: Scene, l: int) -> Step:
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
    return Step(
        id,
        "BP3",
        f"Gradient of the biases of layer {l}",
        share_symbol(s, Sym("delta", str(l), "i" if s.m > 1 else "")),
        "A bias adds 1 to its sum for each 1 of its own, so its gradient is δ"
        + (" itself." if s.m == 1 else ", averaged over the examples." if s.net.reduction == "mean" else ", summed."),
        "backward",
        (chain,),
        tuple(entry_b(s, l, *index) for index in entry_indices(s, (n,), 8)) if s.m > 1 or s.only else (),
        ((symbol, f"{n}×1"), (Sym("delta", str(l)), f"{n}×1")),
        tuple(notes),
        value,
        s.checked(id),
    )


def entry_b(s: Scene, l: int, j: int) -> Line:
    """One bias."""
    id = f"grad_b[{l}]"
    factors: list[list[Expr]] = [[s.num(v, f"delta[{l}]")] for v in s.grad.delta[l][:, j]]
    symbol = Partial(Sym("C"), at(Sym("b", str(l)), j))
    return line("", [symbol], [shared_sum(s, factors), s.num(s.grad.b[l][j], id)], entry_id(id, (j,)))


def weight_gradient(s: Scene, l: int) -> Step:
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


def outer(s: Scene, l: int, i: int) -> Line:
    """One example's part, δ aᵀ."""
    d, a = s.grad.delta[l][i], s.trace.a[l - 1][i]
    symbols = [MatMul(s.sym("delta", l, [i]), Transpose(s.sym("a", l - 1, [i])))]
    row = s.mat(a[None, :], below(l - 1))
    return line(s.label([i]), symbols, [MatMul(s.vector(d, f"delta[{l}]"), row), s.mat(np.outer(d, a), f"grad_W[{l}]")])


def batch_product(s: Scene, l: int) -> Line:
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
        lam = constant(s.net.l2)
        product = Add(product, MatMul(lam, s.mat(s.params.W[l], f"given-W[{l}]")))
        formula = Add(formula, MatMul(Sym("lambda"), Sym("W", str(l))))
    label = "" if s.m == 1 else s.label(cols)
    return line(label, [s.cost_slope("W", l), formula], [product, s.mat(s.grad.W[l], f"grad_W[{l}]")])


def entry_W(s: Scene, l: int, j: int, k: int) -> Line:
    """One weight, its contributions over the batch."""
    id = f"grad_W[{l}]"
    factors: list[list[Expr]] = [
        [s.num(d, f"delta[{l}]"), s.num(a, below(l - 1))]
        for d, a in zip(s.grad.delta[l][:, j], s.trace.a[l - 1][:, k], strict=True)
    ]
    made = shared_sum(s, factors)
    if s.net.l2:
        made = Add(made, Mul(constant(s.net.l2), s.num(s.params.W[l][j, k], f"given-W[{l}]")))
    symbol = Partial(Sym("C"), at(Sym("W", str(l)), j, k))
    return line("", [symbol], [made, s.num(s.grad.W[l][j, k], id)], entry_id(id, (j, k)))


def down(s: Scene, l: int) -> Step:
    """[BP5], with [SK2]: ∂ℓ/∂a_{l−1}."""
    k = l - 1
    id, n, n_in = f"grad_a[{k}]", s.net.n[l], s.net.n[k]
    skips = [(top, constant(s.layer(top).skip_scale)) for top in range(1, s.net.L + 1) if s.layer(top).skip_from == k]
    W_T = s.mat(s.params.W[l].T, f"given-W[{l}]")

    def build(cols: Cols) -> tuple[list[Expr], list[Expr]]:
        product = MatMul(W_T, s.columns(s.grad.delta[l], cols, f"delta[{l}]"))
        symbol: Expr = MatMul(Transpose(Sym("W", str(l))), s.sym("delta", l, cols))
        made: Expr = product
        if skips:
            symbol = Add(symbol, *(times(scale, s.slope("a", top, cols)) for top, scale in skips))
            made = Add(made, *(times(c, s.columns(s.grad.a[t], cols, f"grad_a[{t}]")) for t, c in skips))
        return [s.slope("a", k, cols), symbol], [made, s.columns(s.grad.a[k], cols, id)]

    def entry(s: Scene, i: int, j: int) -> Line:
        terms: list[Expr] = [
            Mul(s.num(w, f"given-W[{l}]"), s.num(d, f"delta[{l}]"))
            for w, d in zip(s.params.W[l][:, j], s.grad.delta[l][i], strict=True)
        ]
        more: list[Expr] = [Mul(c, s.num(s.grad.a[t][i, j], f"grad_a[{t}]")) for t, c in skips]
        symbol = Partial(s.slope("a", k, [i]).of, at(s.sym("a", k, [i]), j))
        body: list[Expr] = [Mul(index_row(Sym("W", str(l)), j), index_k(s.sym("delta", l, [i])))]
        formula: Expr = BigSum("k", body[0])
        if skips:
            formula = Add(
                formula, *(Mul(c, Partial(s.slope("a", t, [i]).of, at(s.sym("a", t, [i]), j))) for t, c in skips)
            )
        numbers = [total((*s.terms(terms), *more)), s.num(s.grad.a[k][i, j], id)]
        return line(s.label([i]), [symbol, formula], numbers, entry_id(id, (i, j)))

    formula: Expr = MatMul(Transpose(Sym("W", str(l))), Sym("delta", str(l)))
    notes: list[Text] = []
    if skips:
        formula = Add(formula, *(times(c, s.slope("a", t)) for t, c in skips))
        notes.append(("The skip adds its own path (SK2): the gradient of its upper end comes straight down.",))
    place = "the inputs" if k == 0 else f"layer {k}"
    return Step(
        id,
        "BP5",
        f"Slope at {'the inputs' if k == 0 else f'the activations of layer {k}'}",
        formula,
        f"The same weights, transposed, carry δ of layer {l} down to {place}.",
        "backward",
        lines(s, build),
        entries(s, id, s.grad.a[k].shape, entry),
        (
            (s.slope("a", k), f"{n_in}×1"),
            (Transpose(Sym("W", str(l))), f"{n_in}×{n}"),
            (Sym("delta", str(l)), f"{n}×1"),
        ),
        (
            *notes,
            (
                f"W is {n}×{n_in} and sums over {n_in} numbers on the way up; its transpose, {n_in}×{n}, sums over the "
                f"{n} units above.",
            ),
        ),
        s.grad.a[k],
        s.checked(id),
        hidden(s.grad.a[k].shape, id),
    )


def index_row(of: Expr, column: int) -> Expr:
    """An entry whose row index is the k that is summed over."""
    return At(of, ("k", str(column + 1)))
