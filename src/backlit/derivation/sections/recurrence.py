"""The chain-rule recurrence, derived in general."""

from backlit.core.groups import is_softmax
from backlit.derivation.document import Block, Formula, Paragraph, Section
from backlit.derivation.expressions import At, BigSum, Chain, Expr, Had, MatMul, Mul, Partial, Sym, Transpose
from backlit.derivation.functions import fn
from backlit.derivation.scene import Scene

ELL = Sym("ell")


def entry(name: str, layer: str, *index: str) -> At:
    """[z_l]_j."""
    return At(Sym(name, layer), index)


def equal(*parts: Expr) -> Chain:
    """a = b = c."""
    return Chain(parts, ("=",) * (len(parts) - 1))


def section(s: Scene) -> Section:
    """From one weight to all of them."""
    z, a = entry("z", "l", "j"), entry("a", "l-1", "k")
    W = entry("W", "l", "j", "k")
    d = entry("delta", "l", "j")
    slope = fn("phi_l'", entry("z", "l", "j"))
    blocks: list[Block] = [
        Paragraph(("A weight acts on the loss through one weighted sum alone, the one that it stands in. So",)),
        Formula(equal(Partial(ELL, W), Mul(Partial(ELL, z), Partial(z, W)), Mul(d, a)), "BP4"),
        Paragraph((f"and, since a bias is a weight on the number 1, its slope is {'δ itself'}:",)),
        Formula(equal(Partial(ELL, entry("b", "l", "j")), d), "BP3"),
        Paragraph(
            ("An activation acts on every weighted sum of the next layer; the chain rule adds up all these ways:",)
        ),
        Formula(
            equal(
                Partial(ELL, a),
                BigSum("j", Mul(Partial(ELL, z), Partial(z, a))),
                BigSum("j", Mul(W, d)),
            ),
            "BP5",
        ),
        Paragraph(("Each unit's activation depends on its own sum alone, so one factor leads on to δ:",)),
        Formula(equal(d, Mul(Partial(ELL, entry("a", "l", "j")), slope)), "BP2"),
        Paragraph(("In matrices, for one example, the recurrence is",)),
        Formula(
            equal(
                Sym("delta", "l"),
                Had(MatMul(Transpose(Sym("W", "l+1")), Sym("delta", "l+1")), fn("phi_l'", Sym("z", "l"))),
            )
        ),
        Paragraph(("It begins at the output and ends at layer 1: one pass, whatever the number of weights.",)),
    ]
    extra = additions(s)
    if extra:
        blocks.append(Paragraph((extra,)))
    return Section("recurrence", "The recurrence, from the chain rule", tuple(blocks))


def additions(s: Scene) -> str:
    """What this network has on the way besides."""
    found = []
    if any(layer.norm for layer in s.net.layers):
        found.append("a norm stands between z and φ (φ' is then taken at u, and δ goes back through the norm)")
    if any(layer.dropout for layer in s.net.layers):
        found.append("a dropout mask multiplies on both ways")
    if any(layer.skip_from is not None for layer in s.net.layers):
        found.append("a skip adds its own path to ∂ℓ/∂a")
    if is_softmax(s.net.layers[-1].activation):
        found.append("softmax mixes its units, so its Jacobian takes the place of φ'")
    return "In this network, besides: " + "; ".join(found) + "." if found else ""
