"""The chain rule in general: the recurrence, its factors φ', and the product of Jacobians with what it does here."""

import numpy as np

from backlit.core.activations import Activation
from backlit.core.groups import groups_of, is_softmax
from backlit.derivation.context import Context, as_float, worked
from backlit.derivation.document import Block, Formula, Paragraph, Plot, Section, Table, Text
from backlit.derivation.expressions import (
    At,
    BigProd,
    BigSum,
    Chain,
    Expr,
    Fn,
    Hadamard,
    Iverson,
    MatMul,
    Mul,
    Partial,
    Sym,
    Transpose,
)
from backlit.derivation.functions import applied, fn, known, meaning_of, minus, slope_of

ELL = Sym("ell")


def entry(name: str, layer: str, *index: str) -> At:
    """[z_l]_j."""
    return At(Sym(name, layer), index)


def equal(*parts: Expr) -> Chain:
    """a = b = c."""
    return Chain(parts, ("=",) * (len(parts) - 1))


def recurrence_section(s: Context) -> Section:
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
                Hadamard(MatMul(Transpose(Sym("W", "l+1")), Sym("delta", "l+1")), fn("phi_l'", Sym("z", "l"))),
            )
        ),
        Paragraph(("It begins at the output and ends at layer 1: one pass, whatever the number of weights.",)),
    ]
    extra = additions(s)
    if extra:
        blocks.append(Paragraph((extra,)))
    return Section("recurrence", "The recurrence, from the chain rule", tuple(blocks))


def additions(s: Context) -> str:
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


def jacobian_section(s: Context) -> Section:
    """The formula, the numbers where they are few, and the lengths."""
    k = Sym("W", "k")
    factor = MatMul(Transpose(k), fn("diag", fn("phi_l'", Sym("z", "k"))))
    product = MatMul(BigProd("k=l+1", factor, "L"), s.slope("a", s.net.L))
    blocks: list[Block] = [
        Paragraph(("Put into one another, the steps down are a product of Jacobians:",)),
        Formula(Chain((s.slope("a", 0).__class__(Sym("ell"), Sym("a", "l")), product), ("=",))),
        Paragraph(
            ("That is the slope at the activation. δ has one more factor in front, which texts often leave out:",)
        ),
        Formula(
            Chain(
                (
                    Sym("delta", "l"),
                    MatMul(
                        fn("diag", fn("phi_l'", Sym("z", "l"))), s.slope("a", 0).__class__(Sym("ell"), Sym("a", "l"))
                    ),
                ),
                ("=",),
            )
        ),
    ]
    if plain(s):
        blocks += [Paragraph(("For the first example, down to the inputs:",)), Formula(numbers(s))]
    else:
        blocks.append(
            Paragraph(
                ("Here a norm, a mask, a skip or an activation that mixes its units adds its own factor or path.",)
            )
        )
    return Section("jacobian", "Does the gradient shrink or grow?", (*blocks, *lengths(s)))


def plain(s: Context) -> bool:
    """Whether the product is all there is, and small enough to print."""
    simple = all(not layer.norm and layer.skip_from is None and layer.activation.elementwise for layer in s.net.layers)
    return simple and all(mask is None for mask in s.trace.mask) and max(s.net.n) <= 4 and s.net.L <= 3


def numbers(s: Context) -> Chain:
    """W_1ᵀ diag φ'(z_1) ⋯ ∂ℓ/∂a_L in numbers."""
    symbols: list[Expr] = []
    factors: list[Expr] = []
    for l, layer in s.net.numbered():
        slope = f"slope[{l}]"
        symbols += [Transpose(Sym("W", str(l))), fn("diag", applied(layer.activation, s.sym("z", l, [0]), slope=True))]
        source = None if l == s.net.L and s.net.has_short_form else slope
        factors += [s.mat(s.params.W[l].T, f"given-W[{l}]"), s.mat(np.diag(s.slopes(l)[0]), source)]
    last = s.columns(s.grad.a[s.net.L], [0], f"grad_a[{s.net.L}]")
    result = s.columns(s.grad.a[0], [0], "grad_a[0]")
    return worked(
        [s.slope("a", 0, [0]), MatMul(*symbols, s.slope("a", s.net.L, [0]))], [MatMul(*factors, last), result]
    )


def lengths(s: Context) -> list[Block]:
    """A table of root-mean-square lengths, from the output down."""
    rows: list[tuple[Text, ...]] = []
    a = {l: length(s.grad.a[l]) for l in range(s.net.L + 1)}
    for l in range(s.net.L, -1, -1):
        ratio = "" if l == s.net.L or not a[l + 1] else shown(s, a[l] / a[l + 1])
        delta = shown(s, length(s.grad.delta[l])) if l else ""
        rows.append(((str(l),), (shown(s, a[l]),), (ratio or "–",), (delta or "–",)))
    head: tuple[Text, ...] = (
        ("Layer",),
        (Fn("norm", (s.slope("a", 0).__class__(Sym("ell"), Sym("a", "l")),)),),
        ("Times the layer above",),
        (Fn("norm", (Sym("delta", "l"),)),),
    )
    return [Table("Lengths, root mean square over the examples", head, tuple(rows)), Paragraph((verdict(s, a),))]


def shown(s: Context, value: float) -> str:
    """A number in words."""
    return s.num(value).text.replace("-", "−")


def length(rows: np.ndarray) -> float:
    """√ of the mean squared length of rows."""
    return float(np.sqrt((as_float(rows) ** 2).sum(axis=1).mean()))


def verdict(s: Context, a: dict[int, float]) -> str:
    """Shrinks or grows, by how much a layer."""
    if not a[s.net.L] or not a[0]:
        return "The slope is 0 at one end: nothing is learned from these examples."
    per_layer = (a[0] / a[s.net.L]) ** (1 / s.net.L)
    word = "shrinks" if per_layer < 1 else "grows"
    return (
        f"From the output to the inputs the slope {word}, by a factor of {per_layer:.3g} a layer (geometric mean of "
        f"{s.net.L}). Ten such layers would make {per_layer**10:.3g} of it."
    )


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
    if is_softmax(phi):
        p, j, k = Sym("p"), Sym("j"), Sym("k")
        jacobian = MatMul(at_letter(p, "k"), minus(Iverson(k, "=", j), at_letter(p, "j")))
        mixed = "the units" if groups_of(phi) is None else "the units of each group"
        return [
            Paragraph((f"{name}, in {where}, mixes {mixed}, so its slope is a matrix, with p = softmax(u):",)),
            Formula(Chain((Partial(at_letter(p, "k"), at_letter(u, "j")), jacobian), ("=",))),
        ]
    if not known(phi):
        own = f"{name}, in {where}, is an activation of your own: its values and its slopes are its functions' own."
        return [Paragraph((own,)), *([plot(s, phi, layers)] if phi.elementwise else [])]
    made: list[Block] = [Paragraph((f"{name}, in {where}:",))]
    if phi.name != "identity":
        made.append(Formula(Chain((applied(phi, u), meaning_of(phi, u)), ("=",))))
    made.append(Formula(Chain((applied(phi, u, slope=True), slope_of(phi, u)), ("=",))))
    return [*made, plot(s, phi, layers)] if phi.name != "identity" else made


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
    return Plot(
        f"{phi.name.replace('_', ' ')}, its slope (dashed), and the slope at the sums of this network (dots)",
        f"Slopes visited lie between {s.words(slopes.min())} and {s.words(slopes.max())}.",
        tuple(map(float, x)),
        (("φ", tuple(map(float, phi.function(x)))), ("φ′", tuple(map(float, phi.derivative(x))))),
        tuple((float(a), float(b)) for a, b in zip(inside, slope, strict=True)),
    )
