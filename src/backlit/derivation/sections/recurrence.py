"""The recurrence in general: from the chain rule to the gradients, δ, and what lies between δ of two layers."""

from collections.abc import Iterator

import numpy as np

from backlit.core.norms import NORMS, Norm
from backlit.derivation.context import Context, as_float
from backlit.derivation.document import Block, Formula, Paragraph, Section, Text
from backlit.derivation.expressions import (
    Add,
    At,
    BigSum,
    Expr,
    Frac,
    Hadamard,
    Iverson,
    MatMul,
    Mul,
    Neg,
    Partial,
    Root,
    Sym,
    Transpose,
)
from backlit.derivation.functions import ONE, constant, fn
from backlit.derivation.sections.helpers import entry, equal, length, shown


def section(s: Context) -> Section:
    """From one weight to all of them, in the words of this network."""
    blocks = [*to_parameters(s), *down(s), *through_activations(s)]
    extra = additions(s)
    if extra:
        blocks.append(Paragraph((extra,)))
    return Section("recurrence", "The recurrence, from the chain rule", tuple(blocks))


def to_parameters(s: Context) -> list[Block]:
    """∂ℓ/∂W and ∂ℓ/∂b; sums over the batch where the slopes are of the whole batch's losses."""
    example = "i" if s.coupled else ""
    loss, W, b = s.loss_symbol, entry("W", "l", "j", "k"), entry("b", "l", "j")
    z, a, d = (
        At(Sym(name, layer, example), (index,))
        for name, layer, index in (("z", "l", "j"), ("a", "l-1", "k"), ("delta", "l", "j"))
    )
    of_W: list[Expr] = [Mul(Partial(loss, z), Partial(z, W)), Mul(d, a)]
    of_b: Expr = d
    ways = [Formula(equal(Partial(loss, W), *of_W), "BP4")]
    if s.coupled:  # one a line, for they are long
        of_b, sums = BigSum("i", d), [BigSum("i", term) for term in of_W]
        ways = [Formula(equal(Partial(loss, W), sums[0])), Formula(equal(Partial(loss, W), sums[1]), "BP4")]
    through = "one weighted sum of each example" if s.coupled else "one weighted sum alone"
    itself = "the sum of δ" if s.coupled else "δ itself"
    return [
        Paragraph((f"A weight acts on the loss through {through}, the one that it stands in. So",)),
        *ways,
        Paragraph((f"and, since a bias is a weight on the number 1, its slope is {itself}:",)),
        Formula(equal(Partial(loss, b), of_b), "BP3"),
    ]


def down(s: Context) -> list[Block]:
    """∂ℓ/∂a of the layer below."""
    loss, z, a = s.loss_symbol, entry("z", "l", "j"), entry("a", "l-1", "k")
    ways = BigSum("j", Mul(Partial(loss, z), Partial(z, a))), BigSum("j", Mul(entry("W", "l", "j", "k"), delta_j()))
    return [
        Paragraph(
            ("An activation acts on every weighted sum of the next layer; the chain rule adds up all these ways:",)
        ),
        Formula(equal(Partial(loss, a), *ways), "BP5"),
        *two_paths(s),
    ]


def two_paths(s: Context) -> list[Block]:
    """∂ℓ/∂a at the lower end of each skip: through the layers, and straight; with the lengths of both here."""
    blocks: list[Block] = []
    for top, layer in s.net.numbered():
        if layer.skip_from is None:
            continue
        k, scale = layer.skip_from, layer.skip_scale
        others = [l for l in range(1, s.net.L + 1) if s.layer(l).skip_from == k and l != top]
        a, above, up = At(Sym("a", str(k)), ("j",)), At(Sym("a", str(top)), ("j",)), str(k + 1)
        inner = BigSum("i", Mul(At(Sym("W", up), ("i", "j")), At(Sym("delta", up), ("i",))))
        straight: Expr = Partial(s.loss_symbol, above)
        straight = straight if scale == 1 else Mul(constant(scale), straight)
        words = (
            "The skip gives ",
            Sym("a", str(k)),
            f" a second way to the loss: through layer {k + 1}, and straight to ",
            Sym("a", str(top)),
            ". The chain rule adds up both:",
        )
        blocks += [Paragraph(words), Formula(equal(Partial(s.loss_symbol, a), Add(inner, straight)), "SK2")]
        if not others:
            blocks += [Paragraph(text) for text in path_lengths(s, k, scale * as_float(s.grad.a[top])) if text]
    return blocks


def path_lengths(s: Context, k: int, straight: np.ndarray) -> Iterator[Text]:
    """Which of both ways brings more, by length over the examples."""
    through = as_float(s.grad.a[k]) - straight
    longer, shorter = length(straight), length(through)
    ways = f"straight a slope of length {shown(s, longer)}, through the layers one of {shown(s, shorter)}"
    yield s.claim(f"straight_way_is_longer[{k}]", longer > shorter, f"Here the skip brings more: {ways}.")
    yield s.claim(f"way_through_is_longer[{k}]", shorter > longer, f"Here the layers bring more: {ways}.")


def delta_j() -> At:
    """[δ_l]_j."""
    return entry("delta", "l", "j")


def through_activations(s: Context) -> list[Block]:
    """From ∂ℓ/∂a to δ: by φ'(z), or by φ'(u) and the norm."""
    loss, a = s.loss_symbol, entry("a", "l", "j")
    alone = [layer for layer in s.net.layers if layer.activation.elementwise]
    plain, normed = [layer for layer in alone if not layer.norm], [layer for layer in alone if layer.norm]
    everywhere = len(plain) == s.net.L
    blocks: list[Block] = []
    where = "Each unit's" if everywhere else "Where a layer has no norm and mixes no units, each unit's"
    said = f"{where} activation depends on no sum of its layer but its own, so one factor leads on to δ:"
    own = {s.reach(l, activated=True) for l, layer in s.net.numbered() if layer in plain}
    if text := s.claim("own_sum_alone", own == {frozenset({"own"})}, said):
        factor = fn("phi_l'", entry("z", "l", "j"))
        blocks += [Paragraph(text), Formula(equal(delta_j(), Mul(Partial(loss, a), factor)), "BP2")]
    if normed:
        u = entry("u", "l", "j")
        blocks += [
            Paragraph(
                ("Where a norm makes u of z, φ takes u, so the factor is φ′ at u, and leads to the slope at u:",)
            ),
            Formula(equal(Partial(loss, u), Mul(Partial(loss, a), fn("phi_l'", u))), "BP2"),
            *(Paragraph(text) for text in norm_words(s) if text),
            *(block for kind in NORMS.values() for block in norm_jacobian(s, kind)),
        ]
    inner = [layer for layer in s.net.layers[:-1] if layer.activation.elementwise]
    kinds = sorted({bool(layer.norm) for layer in inner or alone})
    for has_norm in kinds:
        blocks += in_matrices(s, has_norm, alone=len(kinds) == 1)
    blocks.append(
        Paragraph(("It begins at the output and ends at layer 1: one pass, whatever the number of weights.",))
    )
    blocks.append(
        Paragraph(
            (
                "The numbers beside Nielsen's, whose δ starts at z: his BP1 is BP1 with BP2 here, his BP2 is BP5 with "
                "BP2; BP3 and BP4 are the same.",
            )
        )
    )
    return blocks


def norm_jacobian(s: Context, kind: Norm) -> list[Block]:
    """∂x̂/∂z under a norm that takes its moments from z, and δ as the sum over it."""
    here = any(layer.norm == kind.name for layer in s.net.layers)
    if not here or (kind.running and s.problem.statistics is not None):
        return []
    count = Sym("m") if kind.axis == 0 else Sym("n", "l")
    z, x_hat = entry("z", "l", "j"), entry("x_hat", "l", "i")
    root = Root(Add(Sym("sigma2", "l"), Sym("eps")))
    own = Iverson(Sym("i"), "=", Sym("j"))
    jacobian = Add(own, Neg(Frac(ONE, count)), Neg(Frac(Mul(x_hat, entry("x_hat", "l", "j")), count)))
    whole = BigSum("i", Mul(Partial(s.loss_symbol, x_hat), Partial(x_hat, z)))
    said = (
        f"Among the {kind.among}, here numbered i and j, each x̂ depends on its own z directly, and on every z by μ "
        f"and σ²."
    )
    return [
        Paragraph((said,)),
        Formula(equal(Partial(x_hat, z), Frac(jacobian, root))),
        Paragraph(
            (
                "The sum over it is δ: the slope at x̂ less its mean and less x̂ times the mean of x̂ times the slope, "
                "all over √(σ² + ε).",
            )
        ),
        Formula(equal(entry("delta", "l", "j"), whole), kind.equations["delta"]),
    ]


def norm_words(s: Context) -> Iterator[Text]:
    """What each u depends on, found by moving one z."""
    for kind, record in NORMS.items():
        found = {s.reach(l, activated=False) for l, layer in s.net.numbered() if layer.norm == kind}
        so = f"; δ, the slope at z, is made of the slope at u accordingly ({record.equations['delta']}, below)."
        under = f"Each u depends under {kind} norm on "
        mixed = frozenset({"own", {"batch": "batch", "layer": "units"}[kind]})
        others = {"batch": "its unit's z in every example", "layer": "every z of its example"}[kind]
        yield s.claim(f"{kind}_norm_mixes", mixed in found, f"{under}{others}{so}")
        own = f"{under}its own z, by running moments{so}"
        if record.running:
            yield s.claim(f"{kind}_norm_of_own", frozenset({"own"}) in found, own)
        one = {"batch": "one example", "layer": "one unit"}[kind]
        said = f"Of {one} {kind} norm leaves nothing: z is its own mean, so x̂ is 0 and δ is 0, whatever z is."
        yield s.claim(f"{kind}_norm_of_one", frozenset() in found, said)


def in_matrices(s: Context, has_norm: bool, alone: bool) -> list[Block]:
    """δ_l, or under a norm ∂ℓ/∂u_l, from δ of the layer above; alone where all hidden layers are of this kind."""
    made = Partial(s.loss_symbol, Sym("u", "l")) if has_norm else Sym("delta", "l")
    where = "" if alone else "where layer l has a norm, " if has_norm else "where layer l has no norm, "
    above = MatMul(Transpose(Sym("W", "l+1")), Sym("delta", "l+1"))
    return [
        Paragraph((f"In matrices, {where}for one example, the recurrence is",)),
        Formula(equal(made, Hadamard(above, fn("phi_l'", Sym("u" if has_norm else "z", "l"))))),
    ]


def additions(s: Context) -> str:
    """What this network has on the way besides."""
    found = []
    if any(layer.norm for layer in s.net.layers):
        found.append("δ goes back through the norm between z and φ")
    if any(layer.dropout for layer in s.net.layers):
        found.append("a dropout mask multiplies on both ways")
    if any(layer.skip_from is not None for layer in s.net.layers):
        found.append("a skip adds its own path to ∂ℓ/∂a")
    if s.net.layers[-1].activation.is_softmax:
        found.append("softmax mixes its units, so its Jacobian takes the place of φ'")
    return "In this network, besides: " + "; ".join(found) + "." if found else ""
