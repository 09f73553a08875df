"""Back through a normalization, and the gradients of its scale and shift."""

from collections.abc import Callable

from backlit.core.norms import norm_of
from backlit.derivation.context import Cols, Context, at, entry_id, hidden, line
from backlit.derivation.document import Line, Step
from backlit.derivation.expressions import Add, Expr, Frac, Hadamard, Mean, Mul, Neg, Partial, Root, Sym, constant
from backlit.derivation.sections.forward_norms import group
from backlit.derivation.sections.helpers import entries, lines, share_symbol, shared_sum, total


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
