"""The derivative of each activation that occurs, with a small plot of the places that this network visits."""

import numpy as np

from backlit.core.activations import Activation
from backlit.core.groups import groups_of, is_softmax
from backlit.derivation.document import Block, Formula, Paragraph, Plot, Section
from backlit.derivation.expressions import At, Chain, Iverson, MatMul, Partial, Sym
from backlit.derivation.functions import applied, known, meaning_of, minus, slope_of
from backlit.derivation.scene import Scene, as_float


def section(s: Scene) -> Section:
    """One part for each activation."""
    blocks: list[Block] = []
    seen: dict[Activation, list[int]] = {}
    for l, layer in s.net.numbered():
        seen.setdefault(layer.activation, []).append(l)
    for phi, layers in seen.items():
        blocks += part(s, phi, layers)
    return Section("slopes", "The slope of each activation", tuple(blocks))


def part(s: Scene, phi: Activation, layers: list[int]) -> list[Block]:
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


def plot(s: Scene, phi: Activation, layers: list[int]) -> Plot:
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
