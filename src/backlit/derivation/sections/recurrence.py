"""The recurrence in general: from the chain rule to the gradients, δ, and what lies between δ of two layers.

Put into itself it is a product of Jacobians, of which is told what it does to δ here.
"""

from collections.abc import Iterator

import numpy as np

from backlit.core.norms import NORMS, Norm
from backlit.derivation.context import Context, as_float, worked
from backlit.derivation.document import Block, BulletList, Formula, Paragraph, Section, Table, Text
from backlit.derivation.expressions import (
    Add,
    At,
    BigProd,
    BigSum,
    Chain,
    Dots,
    Expr,
    Fn,
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
from backlit.derivation.functions import ONE, applied, constant, fn
from backlit.derivation.numbers import power
from backlit.derivation.sections.helpers import entry, equal, length, shown

SMALL = 4  # units of a layer up to which a product prints as many matrices as it prints terms of a sum
FACTORS = 4  # matrices that it prints of larger layers
SYMBOLS = 6  # symbols that stand for its matrices
FADES = 1e-3  # what ten layers may leave of δ before remedies are named
STEADY = 1e-9  # a factor a layer this near to 1 neither shrinks nor grows


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


# --- the product of Jacobians -----------------------------------------------------------------------------------------


def product_section(s: Context) -> Section:
    """The product from δ_L down where there is one, with its numbers where they are few, and the lengths."""
    blocks = one_layer() if s.net.L == 1 else product(s) if is_product(s) else no_product(s)
    return Section("jacobian", "Does the gradient shrink or grow?", (*blocks, *lengths(s)))


def is_product(s: Context) -> bool:
    """Whether δ_l is a product of one example's matrices: hidden units that work alone, and one way down."""
    alone = all(not layer.norm and layer.activation.elementwise for layer in s.net.layers[:-1])
    return alone and all(layer.skip_from is None for layer in s.net.layers)


def one_layer() -> list[Block]:
    """Nothing to go through."""
    return [Paragraph(("With one layer there is no way down: δ at the output is all the δ there is.",))]


def product(s: Context) -> list[Block]:
    """δ_l = ∏ diag φ'(z_k) W_{k+1}ᵀ δ_L, in general and for the first example."""
    masked = any(mask is not None for mask in s.trace.mask[1:-1])
    factors = factor(fn("phi_l'", Sym("z", "k-1")), Sym("mask", "k-1") if masked else None, "k")
    *first, _ = factor(fn("phi_l'", Sym("z", "l")), Sym("mask", "l") if masked else None, "l+1")
    above = MatMul(Transpose(Sym("W", "l+1")), Sym("delta", "l+1"))
    delta_L = Sym("delta", str(s.net.L))
    return [
        Paragraph(("Put into one another, the steps down are a product of Jacobians, from δ of the output on:",)),
        Formula(equal(Sym("delta", "l"), MatMul(BigProd("k=l+1", MatMul(*factors), "L"), delta_L))),
        Paragraph(
            (
                "What stands in front, ",
                MatMul(*first),
                ", makes δ, the slope at z, of the slope at a; texts often leave it out. The slope at a is",
            )
        ),
        Formula(equal(Partial(s.loss_symbol, Sym("a", "l")), above)),
        Paragraph(("For the first example, down to layer 1:",)),
        Formula(numbers(s)),
    ]


def factor(slope: Expr, mask: Expr | None, above: str) -> list[Expr]:
    """diag φ'(z_k) W_{k+1}ᵀ, with the dropout mask between them where there is one."""
    return [fn("diag", slope), *([] if mask is None else [fn("diag", mask)]), Transpose(Sym("W", above))]


def numbers(s: Context) -> Chain:
    """δ_1 of the first example as that product."""
    symbols: list[Expr] = []
    matrices: list[Expr] = []
    for l in range(1, s.net.L):
        phi, mask = s.layer(l).activation, s.trace.mask[l]
        slope = applied(phi, s.sym("z", l, [0]), slope=True)
        symbols += factor(slope, None if mask is None else s.sym("mask", l, [0]), str(l + 1))
        matrices.append(s.mat(np.diag(s.slopes(l)[0]), f"slope[{l}]"))
        matrices += [] if mask is None else [s.mat(np.diag(mask[0]), f"a[{l}]")]
        matrices.append(s.mat(s.params.W[l + 1].T, f"given-W[{l + 1}]"))
    last, result = (s.columns(s.grad.delta[l], [0], f"delta[{l}]") for l in (s.net.L, 1))
    product = MatMul(*elided(symbols, SYMBOLS), s.sym("delta", s.net.L, [0]))
    if max(s.net.n) > SMALL:
        matrices = elided(matrices, FACTORS)
    return worked([s.sym("delta", 1, [0]), product], [MatMul(*s.terms(matrices), last), result])


def elided(factors: list[Expr], most: int) -> list[Expr]:
    """A product with its middle left out where it is long."""
    return factors if len(factors) <= most else [*factors[: most - 1], Dots(len(factors) - most), factors[-1]]


def no_product(s: Context) -> list[Block]:
    """Why the plain product isn't this network's formula, and what is."""
    hidden = s.net.layers[:-1]
    found: list[Text] = []
    if any(layer.norm == "layer" for layer in hidden):
        found.append(("A layer norm adds its own Jacobian between z and φ, and that mixes the units (LN6).",))
    if any(layer.norm == "batch" for layer in hidden):
        found.append(
            ("Batch norm mixes the examples, so no product of one example's matrices gives its δ (BN8).",)
            if s.problem.statistics is None
            else ("Batch norm by running moments divides by √(σ² + ε) and multiplies by γ (BN8).",)
        )
    if any(layer.skip_from is not None for layer in s.net.layers):
        found.append(("A skip is a second way down, so δ is a sum over paths, each with a product of its own (SK2).",))
    if any(not layer.activation.elementwise for layer in hidden):
        found.append(("An activation that mixes its units has a full Jacobian where others have diag φ′.",))
    said = (
        "In a plain network the steps down can be put into one another: δ of a layer is a product of the matrices "
        "diag φ′ and Wᵀ, times δ of the output. That product isn't this network's formula:"
    )
    so = "What holds are the steps above, one after another."
    return [Paragraph((said,)), BulletList(tuple(found)), Paragraph((so,))]


def lengths(s: Context) -> list[Block]:
    """A table of root-mean-square lengths, from the output down."""
    rows: list[tuple[Text, ...]] = []
    delta = {l: length(s.grad.delta[l]) for l in range(1, s.net.L + 1)}
    for l in range(s.net.L, -1, -1):
        ratio = shown(s, delta[l] / delta[l + 1]) if 0 < l < s.net.L and delta[l + 1] else "–"
        own = shown(s, delta[l]) if l else "–"
        rows.append(((str(l),), (own,), (ratio,), (shown(s, length(s.grad.a[l])),), *factors(s, l)))
    head: tuple[Text, ...] = (
        ("Layer",),
        (Fn("norm", (Sym("delta", "l"),)),),
        ("Times above",),
        (Fn("norm", (Partial(s.loss_symbol, Sym("a", "l")),)),),
        ("Largest |φ′|",),
        ("Singular values of ", Sym("W", "l+1")),
    )
    table = Table("Lengths, root mean square over the examples", head, tuple(rows))
    said = [text for text in outcome(s, delta) if text]
    return [table, *(Paragraph(text) for text in said)]


def factors(s: Context, l: int) -> tuple[Text, Text]:
    """What a step down to layer l multiplies by: the largest slope of its units, and the stretches of W above it."""
    alone = l > 0 and s.layer(l).activation.elementwise and not (l == s.net.L and s.net.has_short_form)
    slope = shown(s, float(np.abs(as_float(s.slopes(l))).max())) if alone else "–"
    if l == s.net.L:
        return (slope,), ("–",)
    values = np.linalg.svd(as_float(s.params.W[l + 1]), compute_uv=False)
    low, high = (shown(s, float(value)) for value in (values.min(), values.max()))
    return (slope,), (low if len(values) == 1 else f"{low} to {high}",)


def outcome(s: Context, delta: dict[int, float]) -> Iterator[Text]:
    """What becomes of δ from layer L to layer 1, and where there is none."""
    zero = [l for l in delta if not delta[l]]
    where = f"layer {zero[0]}" if len(zero) == 1 else "layers " + ", ".join(map(str, zero))
    said = f"δ is 0 in {where}: the weights and biases there get no slope from these examples."
    yield s.claim("delta_is_zero", zero, said)
    gaps = len(delta) - 1
    factor = (delta[1] / delta[gaps + 1]) ** (1 / gaps) if gaps and not zero else 1.0
    mean = f" (geometric mean of {gaps})" if gaps > 1 else ""
    ten = power(factor, 10)
    made = f"{ten:.3g} of it" if ten < np.inf else "more of it than float64 holds"
    for name, holds, word in (("shrinks", factor < 1 - STEADY, "shrinks"), ("grows", factor > 1 + STEADY, "grows")):
        said = (
            f"From the output down to layer 1 δ {word}, by a factor of {factor:.3g} a layer{mean}. Ten layers at this "
            f"rate would make {made}."
        )
        yield s.claim(f"delta_{name}", gaps and not zero and holds, said)
    cures = "an initialization that keeps lengths (Xavier's, He's), a norm, skips"
    said = f"Against that: {cures}, and an activation whose slope is not small, such as ReLU."
    yield s.claim("fades_in_ten_layers", gaps and not zero and ten < FADES, said)
    yield s.claim(
        "explodes_in_ten_layers", gaps and not zero and ten > 1 / FADES, f"Against that: {cures}, and clipping."
    )
    steady = gaps and not zero and abs(factor - 1) <= STEADY
    yield s.claim("delta_keeps_its_length", steady, "From the output down to layer 1 δ keeps its length.")
