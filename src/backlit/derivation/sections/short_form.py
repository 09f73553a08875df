"""The output's short form, δ = p − y, proved from the general rule where it applies."""

from backlit.core.groups import groups_of, softmax_units
from backlit.derivation.document import Block, Formula, Paragraph, Section
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
    Partial,
    Sym,
    constant,
)
from backlit.derivation.functions import loss_slope_of, minus, slope_at_output, slope_of
from backlit.derivation.scene import Scene, worked

P, Y, U, ELL = Sym("p"), Sym("y"), Sym("u"), Sym("ell")


def section(s: Scene) -> Section | None:
    """None if the output goes through the general rule."""
    if not s.net.has_short_form:
        return None
    phi, loss = s.net.layers[-1].activation, s.net.loss.name.replace("_", " ")
    proof = elementwise(s) if phi.elementwise else softmax()
    sums = "" if groups_of(phi) is None else ", sums running over the outputs of j's own softmax"
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


def at(of: Sym, index: str) -> At:
    """An entry with a letter."""
    return At(of, (index,))


def softmax() -> Chain:
    """Σ_k −y_k/p_k · p_k([k = j] − p_j) = p_j Σ y_k − y_j = p_j − y_j."""
    k, j = Sym("k"), Sym("j")
    jacobian = MatMul(at(P, "k"), minus(Iverson(k, "=", j), at(P, "j")))
    parts: tuple[Expr, ...] = (
        Partial(ELL, at(U, "j")),
        BigSum("k", Mul(Neg(Frac(at(Y, "k"), at(P, "k"))), jacobian)),
        minus(Mul(at(P, "j"), BigSum("k", at(Y, "k"))), at(Y, "j")),
        minus(at(P, "j"), at(Y, "j")),
    )
    return Chain(parts, ("=",) * 3)


def elementwise(s: Scene) -> Chain:
    """∂ℓ/∂p · dp/du = p − y, with dp/du in terms of p."""
    general = Mul(loss_slope_of(s.net.loss, P, Y, 1), slope_at_output(s.net.layers[-1].activation, P))
    return Chain((Partial(ELL, U), general, minus(P, Y)), ("=",) * 2)


def numbers(s: Scene) -> Chain:
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
    return worked([], [made, short, result])


def constant_if(same: bool) -> Expr:
    """[k = j] as a number."""
    return constant(int(same))
