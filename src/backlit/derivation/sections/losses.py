"""ℓ of each example and C; the slope of each activation; and both together at the output.

There the short form δ = p − y is proved from the general rule where it applies.
"""

from collections.abc import Sequence

import numpy as np

from backlit.core.activations import Activation
from backlit.core.activations.softmax import softmax_units
from backlit.derivation.context import Context, as_float, at, entry_id, hidden, line, worked
from backlit.derivation.document import Block, Formula, Line, Paragraph, Plot, Section, Step
from backlit.derivation.expressions import (
    Add,
    At,
    BigSum,
    Chain,
    Expr,
    Frac,
    Iverson,
    MatMul,
    Mul,
    Neg,
    Num,
    Partial,
    Sym,
    constant,
)
from backlit.derivation.functions import (
    ONE,
    TWO,
    applied,
    fn,
    known,
    known_value,
    loss_of,
    loss_over,
    loss_slope_of,
    meaning_of,
    minus,
    slope_at_output,
    slope_of,
    summed,
    vanishes,
)
from backlit.derivation.sections.helpers import OTHER_NUMBERS, before_activation, below, cost_of, equal, index_k

LOSSES = 6  # examples whose loss is worked
OVERFLOW = 700  # a score whose power is too large for a float
DROWNED = 30  # and one whose power is lost beside 1
P, Y, U, ELL = Sym("p"), Sym("y"), Sym("u"), Sym("ell")


def losses(s: Context) -> list[Step]:
    """ℓ of each example and, from them, C."""
    return [example_loss(s), cost(s)]


def example_loss(s: Context) -> Step:
    """ℓ, example by example."""
    L, loss, n = s.net.L, s.net.loss, s.net.n[s.net.L]
    shown = s.only if s.only is not None and len(s.only) == 1 and s.only[0] < s.m else range(min(s.m, LOSSES))
    a_L, y_ = Sym("a", str(L)), Sym("y")
    symbolic = loss_of(loss, [at(a_L, k) for k in range(n)], [at(y_, k) for k in range(n)])
    if n > 4:
        symbolic = loss_over(loss, [index_k(a_L)], [index_k(y_)], n)
    u_L = s.sym(before_activation(s, L), L)
    scores = from_scores(s, [at(u_L, k) for k in range(n)], [at(y_, k) for k in range(n)])
    if scores is not None and n > 2 and s.layer(L).activation.groups is None:
        scores = over_scores(s, index_k(u_L), index_k(y_))
    written = OTHER_NUMBERS if loss in s.false else ""
    written += "" if scores is None else " The numbers take it from the scores, for an output may be rounded to 0 or 1."
    return Step(
        "ell",
        "",
        "Loss of each example",
        scores or symbolic,
        f"How far each output is from its target, by {loss.name.replace('_', ' ')}.{written}",
        "forward",
        (line("", [Sym("ell")], [s.columns(s.losses[:, None], range(s.m), "ell")]),) if s.m > 1 else (),
        tuple(entry_loss(s, i) for i in shown),
        value=s.losses,
        hidden=hidden((s.m,), "ell", LOSSES),
    )


def entry_loss(s: Context, i: int) -> Line:
    """ℓ of one example; terms of a long sum are left out."""
    L = s.net.L
    a = [s.num(v, below(L)) for v in s.trace.a[L][i]]
    y = [s.num(v, "given-y") for v in s.y[i]]
    symbol = Sym("ell", "", example=str(i + 1) if s.m > 1 else "")
    u = [s.num(v, f"{before_activation(s, L)}[{L}]") for v in s.trace.u[L][i]]
    made = from_scores(s, u, y) or elided(s, loss_of(s.net.loss, a, y))
    return line(s.label([i]), [symbol], [made, s.num(s.losses[i], "ell")], entry_id("ell", (i,)))


def from_scores(s: Context, u: Sequence[Expr], y: Sequence[Expr]) -> Expr | None:
    """ℓ without the logarithm of an output, which may be rounded to 0: as core computes it; None where it doesn't."""
    phi, loss = s.layer(s.net.L).activation, s.net.loss.name
    if not s.net.has_short_form or loss not in ("cross_entropy", "binary_cross_entropy"):
        return None
    products: list[Expr] = [made for made in map(Mul, y, u) if not vanishes(made)]
    if loss == "cross_entropy":
        groups = phi.groups
        parts: list[Sequence[Expr]] = (
            [u] if groups is None else [list(part[0]) for part in groups.split(np.array([[*u]], object))]
        )
        sums = [log_sum_exp(s, list(part)) for part in parts]
    else:
        sums = [softplus_of(score) for score in u]
    return Add(*s.terms(sums), *([Neg(summed(s.terms(products)))] if products else []))


def over_scores(s: Context, u: Expr, y: Expr) -> Expr:
    """The same as sums over k, of the k-th score and target."""
    product = Mul(y, u)
    if s.net.loss.name == "cross_entropy":
        return minus(fn("ln", BigSum("k", fn("exp", u))), BigSum("k", product))
    return BigSum("k", minus(softplus_of(u), product))


def log_sum_exp(s: Context, u: Sequence[Expr]) -> Expr:
    """ln Σ e^u, or max + ln Σ e^(u − max) where a power would overflow."""
    if all(isinstance(score, Num) and abs(score.value) < OVERFLOW for score in u) or isinstance(u[0], At):
        return fn("ln", summed(s.terms([fn("exp", score) for score in u])))
    top = max(u, key=known_value)
    return Add(top, fn("ln", summed(s.terms([fn("exp", minus(score, top)) for score in u]))))


def softplus_of(u: Expr) -> Expr:
    """ln(1 + e^u), which is u where e^u would overflow, and e^u where 1 + e^u would be 1, to all digits of a float."""
    if isinstance(u, Num) and u.value > OVERFLOW:
        return u
    return fn("exp", u) if isinstance(u, Num) and u.value < -DROWNED else fn("ln", Add(ONE, fn("exp", u)))


def elided(s: Context, expr: Expr) -> Expr:
    """A formula whose long sums are left out in part."""
    if isinstance(expr, Add) and len(expr.items) > s.longest:
        return Add(*s.terms(expr.items))
    if isinstance(expr, Mul):
        return Mul(*(elided(s, item) for item in expr.items))
    return Neg(elided(s, expr.of)) if isinstance(expr, Neg) else expr


def cost(s: Context) -> Step:
    """[C1] and [L2]."""
    ells: list[Expr] = [s.num(v, "ell") for v in s.losses]
    share = s.cost_shares
    even = s.problem.sample_weight is None
    if even and s.net.reduction == "mean":
        total: Expr = Frac(Add(*s.terms(ells)), constant(s.m)) if s.m > 1 else ells[0]
    elif even:
        total = Add(*s.terms(ells)) if s.m > 1 else ells[0]
    else:
        products = [Mul(s.num(w, "given-weight"), ell) for w, ell in zip(share, ells, strict=True)]
        total = Add(*s.terms(products)) if s.m > 1 else products[0]
    notes = []
    if s.net.l2:
        lengths = [(W**2).sum() for W in s.params.W[1:]]
        lam = s.setting(s.net.l2)
        squares: list[Expr] = [s.num(v, "loss") for v in lengths]
        inner = Add(*s.terms(squares)) if len(squares) > 1 else squares[0]
        total = Add(total, Mul(Frac(lam, TWO), inner))
        notes.append(("The last numbers are the squared lengths of the weight matrices; biases are not counted.",))
    numbers = [total, s.num(s.grad.loss, "loss")] if s.m > 1 or s.net.l2 or not even else [s.num(s.grad.loss, "loss")]
    return Step(
        "loss",
        "C1",
        "Cost",
        cost_of(s),
        "The number whose gradient is sought.",
        "forward",
        (line("", [Sym("C")], numbers),),
        notes=tuple(notes),
        value=s.grad.loss,
    )


# --- the slope of each activation -------------------------------------------------------------------------------------


def slopes_section(s: Context) -> Section:
    """One part for each activation."""
    blocks: list[Block] = []
    seen: dict[Activation, list[int]] = {}
    for l, layer in s.net.numbered():
        seen.setdefault(layer.activation, []).append(l)
    for phi, layers in seen.items():
        blocks += part(s, phi, layers)
    return Section("slopes", "The slope of each activation", tuple(blocks))


def part(s: Context, phi: Activation, layers: list[int]) -> list[Block]:
    """Formula, slope and plot."""
    where = f"layer {layers[0]}" if len(layers) == 1 else "layers " + ", ".join(map(str, layers))
    name = phi.name.replace("_", " ")
    if phi.is_softmax:
        mixed = "the units" if phi.groups is None else "the units of each group"
        return [
            Paragraph((f"{name}, in {where}, mixes {mixed}, so its slope is a matrix, with p = softmax(u):",)),
            Formula(Chain((Partial(lettered(P, "k"), lettered(U, "j")), softmax_jacobian()), ("=",))),
            Paragraph(("For the score of its own output, k = j, and for that of another, this is",)),
            Formula(equal(*cases("j"))),
            Formula(equal(*cases("k"))),
        ]
    if not known(phi):
        own = f"{name}, in {where}, is an activation of your own: its values and its slopes are its functions' own."
        own += OTHER_NUMBERS if phi in s.false else ""
        return [Paragraph((own,)), *([plot(s, phi, layers)] if phi.elementwise else [])]
    made: list[Block] = [Paragraph((f"{name}, in {where}:",))]
    if phi.name != "identity":
        made.append(Formula(Chain((applied(phi, U), meaning_of(phi, U)), ("=",))))
    made.append(Formula(Chain((applied(phi, U, slope=True), slope_of(phi, U)), ("=",))))
    return [*made, plot(s, phi, layers)] if phi.name != "identity" else made


def lettered(of: Sym, index: str) -> At:
    """An entry with a letter for its index."""
    return At(of, (index,))


def softmax_jacobian() -> Expr:
    """∂p_k/∂u_j = p_k ([k = j] − p_j)."""
    return MatMul(lettered(P, "k"), minus(Iverson(Sym("k"), "=", Sym("j")), lettered(P, "j")))


def cases(k: str) -> tuple[Expr, Expr]:
    """∂p_j/∂u_j = p_j (1 − p_j), and ∂p_k/∂u_j = −p_k p_j."""
    own = lettered(P, "j")
    slope = Partial(lettered(P, k), lettered(U, "j"))
    return slope, Mul(own, minus(ONE, own)) if k == "j" else Neg(Mul(lettered(P, k), own))


def plot(s: Context, phi: Activation, layers: list[int]) -> Plot:
    """φ and φ' over the range that is visited, and φ' at up to 40 of the visited places."""
    visited = as_float(np.concatenate([s.trace.u[l].ravel() for l in layers])[:40])
    reach = float(np.clip(np.abs(visited).max() * 1.2, 3, 8))
    x = np.linspace(-reach, reach, 81)
    inside = visited[np.abs(visited) <= reach]
    slope, slopes = phi.derivative(inside), phi.derivative(visited)
    curves = {"φ": phi.function(x), "φ′": phi.derivative(x)}
    return Plot(
        f"{phi.name.replace('_', ' ')}, its slope (dashed), and the slope at the sums of this network (dots)",
        f"Slopes visited lie between {s.words(slopes.min())} and {s.words(slopes.max())}.",
        tuple(map(float, x)),
        tuple((name, tuple(map(float, curve))) for name, curve in curves.items()),
        tuple((float(a), float(b)) for a, b in zip(inside, slope, strict=True)),
        (float(min(0, *map(np.min, curves.values()))), float(max(1, *map(np.max, curves.values())))),
    )


# --- the short form at the output -------------------------------------------------------------------------------------


def short_form_section(s: Context) -> Section | None:
    """None if the output goes through the general rule."""
    if not s.net.has_short_form:
        return None
    phi, loss = s.net.layers[-1].activation, s.net.loss.name.replace("_", " ")
    proof = elementwise(s) if phi.elementwise else softmax()
    sums = "" if phi.groups is None else ", sums running over the outputs of j's own softmax"
    blocks: tuple[Block, ...] = (
        Paragraph(
            (
                f"{phi.name} with {loss} is a matched pair. Write p for the output ",
                Sym("a", str(s.net.L)),
                f"; the general rule gives{sums}",
            )
        ),
        Formula(proof, "BP1S"),
        Paragraph(("With the first output of the first example:",)),
        Formula(numbers(s)),
    )
    return Section("short-form", "The short form at the output", blocks)


def softmax() -> Chain:
    """Σ_k −y_k/p_k · p_k([k = j] − p_j) = p_j Σ y_k − y_j = p_j − y_j."""
    parts: tuple[Expr, ...] = (
        Partial(ELL, lettered(U, "j")),
        BigSum("k", Mul(Neg(Frac(lettered(Y, "k"), lettered(P, "k"))), softmax_jacobian())),
        minus(Mul(lettered(P, "j"), BigSum("k", lettered(Y, "k"))), lettered(Y, "j")),
        minus(lettered(P, "j"), lettered(Y, "j")),
    )
    return Chain(parts, ("=",) * 3)


def elementwise(s: Context) -> Chain:
    """∂ℓ/∂p · dp/du = p − y, with dp/du in terms of p."""
    general = Mul(loss_slope_of(s.net.loss, P, Y, 1), slope_at_output(s.net.layers[-1].activation, P))
    return Chain((Partial(ELL, U), general, minus(P, Y)), ("=",) * 2)


def numbers(s: Context) -> Chain:
    """Both ways in numbers."""
    L = s.net.L
    phi, p, y = s.net.layers[-1].activation, s.trace.a[L][0], s.y[0]
    result = s.num(p[0] - y[0], f"{'grad_u' if s.layer(L).norm else 'delta'}[{L}]")
    short = minus(s.num(p[0], f"a[{L}]"), s.num(y[0], "given-y"))
    if not phi.elementwise:
        terms = []
        for k in softmax_units(phi, 0, len(p)):
            if y[k] == 0 or p[k] == 0:
                continue
            jac = Mul(s.num(p[k], f"a[{L}]"), minus(constant_if(k == 0), s.num(p[0], f"a[{L}]")))
            terms.append(Mul(Neg(Frac(s.num(y[k], "given-y"), s.num(p[k], f"a[{L}]"))), *jac.items))
        made: Expr = Add(*s.terms(terms)) if len(terms) > 1 else terms[0] if terms else short
    else:
        slope = slope_of(phi, s.num(s.trace.u[L][0, 0], f"{'u' if s.layer(L).norm else 'z'}[{L}]"))
        made = Mul(loss_slope_of(s.net.loss, s.num(p[0], f"a[{L}]"), s.num(y[0], "given-y"), len(p)), slope)
    return worked([], [made, short, result] if general_rule_holds(s, 0) else [short, result])


def general_rule_holds(s: Context, i: int | None = None) -> bool:
    """Whether ∂ℓ/∂a · ∂a/∂u gives p − y in numbers (of one example): not where an output is rounded to 0 or to 1."""
    rows = slice(None) if i is None else [i]
    L, phi = s.net.L, s.layer(s.net.L).activation
    u, a, y = (as_float(values)[rows] for values in (s.trace.u[L], s.trace.a[L], s.y))
    g = s.net.loss.gradient(a, y)
    slope = g * phi.derivative(u) if phi.pull_back is None else phi.pull_back(u, g)
    return bool(np.allclose(slope, a - y, rtol=1e-6, atol=1e-9))


def constant_if(same: bool) -> Expr:
    """[k = j] as a number."""
    return constant(int(same))
