"""The product of Jacobians of this network, layer by layer, and whether it shrinks or grows."""

import numpy as np

from backlit.derivation.document import Block, Formula, Paragraph, Section, Table, Text
from backlit.derivation.expressions import BigProd, Chain, Expr, Fn, MatMul, Sym, Transpose
from backlit.derivation.functions import applied, fn
from backlit.derivation.scene import Scene, as_float, worked


def section(s: Scene) -> Section:
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


def plain(s: Scene) -> bool:
    """Whether the product is all there is, and small enough to print."""
    simple = all(not layer.norm and layer.skip_from is None and layer.activation.elementwise for layer in s.net.layers)
    return simple and all(mask is None for mask in s.trace.mask) and max(s.net.n) <= 4 and s.net.L <= 3


def numbers(s: Scene) -> Chain:
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


def lengths(s: Scene) -> list[Block]:
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


def shown(s: Scene, value: float) -> str:
    """A number in words."""
    return s.num(value).text.replace("-", "−")


def length(rows: np.ndarray) -> float:
    """√ of the mean squared length of rows."""
    return float(np.sqrt((as_float(rows) ** 2).sum(axis=1).mean()))


def verdict(s: Scene, a: dict[int, float]) -> str:
    """Shrinks or grows, by how much a layer."""
    if not a[s.net.L] or not a[0]:
        return "The slope is 0 at one end: nothing is learned from these examples."
    per_layer = (a[0] / a[s.net.L]) ** (1 / s.net.L)
    word = "shrinks" if per_layer < 1 else "grows"
    return (
        f"From the output to the inputs the slope {word}, by a factor of {per_layer:.3g} a layer (geometric mean of "
        f"{s.net.L}). Ten such layers would make {per_layer**10:.3g} of it."
    )
