"""What the way down multiplies by: φ' of each activation, and the product of Jacobians with what it does to δ here."""

from collections.abc import Iterator

import numpy as np

from backlit.core.activations import Activation
from backlit.derivation.context import Context, as_float, worked
from backlit.derivation.document import Block, BulletList, Formula, Paragraph, Plot, Section, Table, Text
from backlit.derivation.expressions import (
    At,
    BigProd,
    Chain,
    Dots,
    Expr,
    Fn,
    Iverson,
    MatMul,
    Mul,
    Neg,
    Partial,
    Sym,
    Transpose,
)
from backlit.derivation.functions import ONE, applied, fn, known, meaning_of, minus, slope_of
from backlit.derivation.numbers import power
from backlit.derivation.sections.helpers import equal, length, shown

SMALL = 4  # units of a layer up to which a product prints as many matrices as it prints terms of a sum
FACTORS = 4  # matrices that it prints of larger layers
SYMBOLS = 6  # symbols that stand for its matrices


def section(s: Context) -> Section:
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


FADES = 1e-3  # what ten layers may leave of δ before remedies are named
STEADY = 1e-9  # a factor a layer this near to 1 neither shrinks nor grows


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
    u = Sym("u")
    where = f"layer {layers[0]}" if len(layers) == 1 else "layers " + ", ".join(map(str, layers))
    name = phi.name.replace("_", " ")
    if phi.is_softmax:
        p, j, k = Sym("p"), Sym("j"), Sym("k")
        jacobian = MatMul(at_letter(p, "k"), minus(Iverson(k, "=", j), at_letter(p, "j")))
        mixed = "the units" if phi.groups is None else "the units of each group"
        return [
            Paragraph((f"{name}, in {where}, mixes {mixed}, so its slope is a matrix, with p = softmax(u):",)),
            Formula(Chain((Partial(at_letter(p, "k"), at_letter(u, "j")), jacobian), ("=",))),
            Paragraph(("For the score of its own output, k = j, and for that of another, this is",)),
            Formula(equal(*cases(p, "j"))),
            Formula(equal(*cases(p, "k"))),
        ]
    if not known(phi):
        own = f"{name}, in {where}, is an activation of your own: its values and its slopes are its functions' own."
        return [Paragraph((own,)), *([plot(s, phi, layers)] if phi.elementwise else [])]
    made: list[Block] = [Paragraph((f"{name}, in {where}:",))]
    if phi.name != "identity":
        made.append(Formula(Chain((applied(phi, u), meaning_of(phi, u)), ("=",))))
    made.append(Formula(Chain((applied(phi, u, slope=True), slope_of(phi, u)), ("=",))))
    return [*made, plot(s, phi, layers)] if phi.name != "identity" else made


def cases(p: Sym, k: str) -> tuple[Expr, Expr]:
    """∂p_j/∂u_j = p_j (1 − p_j), and ∂p_k/∂u_j = −p_k p_j."""
    own = at_letter(p, "j")
    slope = Partial(at_letter(p, k), at_letter(Sym("u"), "j"))
    return slope, Mul(own, minus(ONE, own)) if k == "j" else Neg(Mul(at_letter(p, k), own))


def at_letter(of: Sym, index: str) -> At:
    """An entry with a letter for its index."""
    return At(of, (index,))


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
