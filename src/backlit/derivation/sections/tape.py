"""What automatic differentiation sees: the network as a graph and as a tape of single numbers; and one weight moved.

Tape and nudge are two ways to see that the slopes are so.
"""

from collections.abc import Iterator
from dataclasses import dataclass, field
from itertools import pairwise
from typing import Any

import numpy as np

from backlit.core.activations import Activation
from backlit.core.parameters import Parameters
from backlit.core.passes import example_losses, total_loss
from backlit.derivation.context import Context, as_float, at
from backlit.derivation.document import Block, Diagram, Edge, Node, Paragraph, Section, Table, Text
from backlit.derivation.expressions import Add, Expr, Mul, Sym
from backlit.derivation.functions import applied, fn
from backlit.derivation.sections.helpers import LOWERED, said

LONGEST = 24  # lines of a tape that is shown
BOX_WIDE, BOX_TALL = 20, 4  # characters of a line of numbers in a box of the graph, and lines
GRAPH_DEEP = 4  # layers of the graph that are drawn before those in the middle are left out
EPSILON = 1e-3  # by how much the weight is moved
NEAR = 0.01  # how far the change may be from what the slope foretells, relative
SAME = 1e-9  # how far the tape's slopes may be from those of the passes


@dataclass
class Entry:
    """One line of the tape: a name, how it is made, its value; users : (line, how fast that grows with this one)."""

    symbol: Expr
    made: Expr
    value: float
    id: str = ""
    users: list[tuple["Entry", float]] = field(default_factory=list)
    slope: float = 0.0


class Tape(list[Entry]):
    """The lines in the order of computation."""

    def put(self, symbol: Expr, made: Expr, value: float, operands: list[tuple[Entry, float]], id: str = "") -> Entry:
        """Note a line, and at each operand that this line uses it."""
        line = Entry(symbol, made, float(value), id)
        for operand, slope in operands:
            operand.users.append((line, float(slope)))
        self.append(line)
        return line

    def play_back(self) -> None:
        """From the last line, whose slope is 1, to the first: each adds up what its users hand back."""
        self[-1].slope = 1.0
        for line in reversed(self[:-1]):
            line.slope = sum(user.slope * slope for user, slope in line.users)


def tape_section(s: Context) -> Section | None:
    """The tape of the first example, where it is short; None for norms, and for hidden units that are mixed."""
    n = s.net.n
    length = sum(n[l] * (n[l - 1] + 2) for l in range(1, s.net.L + 1)) + n[0] + 1
    alone = all(not layer.norm for layer in s.net.layers) and all(x.activation.elementwise for x in s.net.layers[:-1])
    top = s.net.layers[-1]
    if length > LONGEST or not alone or not (top.activation.elementwise or s.net.has_short_form):
        return None
    tape = record(s)
    tape.play_back()
    blocks: list[Block] = [Paragraph(("The first example as single numbers, each noted on a tape as it is made:",))]
    header: tuple[Text, ...] = (("Line",), ("Made of",), ("Value ▲",), ("Slope ▼",), ("Handed back by its users",))
    blocks.append(Table("The tape", header, tuple(row(s, line, line is tape[-1]) for line in tape)))
    return Section("tape", "The same on a tape", (*blocks, *(Paragraph(text) for text in words(s, tape) if text)))


def record(s: Context) -> Tape:
    """The first example: inputs, products, sums, activations and the loss are lines; parameters are given."""
    tape, i, products = Tape(), 0, 0
    below = [tape.put(symbol(s, "a", 0, k), symbol(s, "a", 0, k), v, [], "grad_a[0]") for k, v in enumerate(x_of(s))]
    layers = [below]
    for l, layer in s.net.numbered():
        W, made, top = as_float(s.params.W[l]), [], l == s.net.L
        for j in range(layer.units):
            terms = []
            for k, line in enumerate(layers[-1]):
                products += 1
                name, factors = Sym("q", str(products)), Mul(at(Sym("W", str(l)), j, k), line.symbol)
                terms.append(tape.put(name, factors, W[j, k] * line.value, [(line, W[j, k])]))
            total = Add(*(term.symbol for term in terms), at(Sym("b", str(l)), j))
            z = tape.put(symbol(s, "z", l, j), total, s.trace.z[l][i, j], [(t, 1.0) for t in terms], f"delta[{l}]")
            made.append(z if top and layer.activation.is_softmax else activated(s, tape, layers, z, l, j))
        layers.append(made)
    out = layers[-1]
    tape.put(Sym("ell"), fn("loss", *(line.symbol for line in out)), s.losses[i], loss_slopes(s, out), "ell")
    return tape


def activated(s: Context, tape: Tape, layers: list[list[Entry]], z: Entry, l: int, j: int) -> Entry:
    """φ of a sum, times its mask, and with the skip's share."""
    layer, mask = s.layer(l), s.trace.mask[l]
    factor = 1.0 if mask is None else float(mask[0, j])
    made: Expr = applied(layer.activation, z.symbol)
    made = made if mask is None else Mul(s.num(factor), made)
    operands = [(z, factor * float(as_float(s.slopes(l))[0, j]))]
    if layer.skip_from is not None:
        other = layers[layer.skip_from][j]
        share = Mul(s.setting(layer.skip_scale), other.symbol) if layer.skip_scale != 1 else other.symbol
        made, operands = Add(made, share), [*operands, (other, layer.skip_scale)]
    return tape.put(symbol(s, "a", l, j), made, s.trace.a[l][0, j], operands, f"grad_a[{l}]")


def loss_slopes(s: Context, outputs: list[Entry]) -> list[tuple[Entry, float]]:
    """How fast ℓ grows with each output, or with each score of a softmax."""
    a, y = as_float(s.trace.a[s.net.L][:1]), as_float(s.y[:1])
    scores = s.layer(s.net.L).activation.is_softmax
    slopes = (a - y)[0] if scores else s.net.loss.gradient(a, y)[0]
    return list(zip(outputs, map(float, slopes), strict=True))


def symbol(s: Context, name: str, l: int, j: int) -> Expr:
    """[z_1]_2 of the first example."""
    return at(Sym(name, str(l)), j)


def x_of(s: Context) -> Any:
    """The first example's inputs."""
    return as_float(s.trace.a[0])[0]


def row(s: Context, line: Entry, last: bool) -> tuple[Text, ...]:
    """A line with its value, its slope and what that is made of."""
    handed = [s.num(user.slope) if slope == 1 else Mul(s.num(slope), s.num(user.slope)) for user, slope in line.users]
    back: Text = ("1, where it begins",) if last else ("–",)
    if handed:
        back = (Add(*handed) if len(handed) > 1 else handed[0],)
    made: Text = ("given",) if line.made == line.symbol else (line.made,)
    return (line.symbol,), made, (s.num(line.value),), (s.num(line.slope),), back


def words(s: Context, tape: Tape) -> Iterator[Text]:
    """How a tape is played, and what came of it."""
    yield (
        "Up, each line is computed from those above it. Down, the last line's slope is 1, and each line hands its own "
        "to what it is made of, times how fast it grows with that: a sum hands it on as it is, a product times the "
        "other factor, φ times φ′, the loss times its slope. A line needs its own slope for that, and no other line's.",
    )
    shared = [line for line in tape if len(line.users) > 1]
    several = "a number that several lines use adds what they hand back (a fan-out)"
    yield s.claim("fan_out", shared, f"Here {several}, as ", shared[0].symbol if shared else "", ".")
    right = {id: np.ravel(as_float(value)[:1]) for id, value in passes(s)}
    agree = all(close([line.slope for line in tape if line.id == id], value) for id, value in right.items())
    yield s.claim("tape_agrees", agree, "The slopes of z and a on the tape are those of the backward pass.")


def passes(s: Context) -> Iterator[tuple[str, Any]]:
    """The slopes that core gave, for the lines that the tape has."""
    for l in range(s.net.L + 1):
        mixed = l == s.net.L and s.layer(l).activation.is_softmax
        yield from [] if mixed else [(f"grad_a[{l}]", s.grad.a[l])]
        yield from [(f"delta[{l}]", s.grad.delta[l])] if l else []


def close(found: list[float], right: Any) -> bool:
    """Whether slopes agree but for rounding."""
    return bool(np.all(np.abs(np.array(found) - right) <= SAME * np.abs(right).max(initial=1e-300)))


# --- the computational graph ------------------------------------------------------------------------------------------


def graph_section(s: Context) -> Section:
    """The graph with a word before it."""
    losses = "losses of the batch" if s.coupled else "loss"
    words = (
        "Automatic differentiation records each operation as it is done and walks the record backward. It finds the "
        f"same numbers: each box holds the value that went up (▲) and the slope of the {losses} that came down "
        "(▼), for the first example."
    )
    return Section("graph", "The computational graph", (Paragraph((words,)), graph(s)))


def written(s: Context, values: Any) -> list[str]:
    """The numbers in up to `BOX_TALL` lines, a matrix by its rows; larger ones are counted."""
    rows = np.atleast_2d(values)
    texts = [[said(s.num(v)) for v in row] for row in rows]
    lines = [line for row in texts for line in packed(row)]
    fits = len(lines) <= BOX_TALL and all(len(line) <= BOX_WIDE for line in lines)
    return lines if fits else [" × ".join(map(str, values.shape)) + " numbers"]


def packed(texts: list[str]) -> list[str]:
    """Numbers parted by commas, in as many lines as they need."""
    lines: list[str] = []
    for text in texts:
        if lines and len(lines[-1]) + len(text) + 2 <= BOX_WIDE:
            lines[-1] += f", {text}"
        else:
            lines.append(text)
    return lines


def node(
    s: Context, id: str, at: tuple[int, int], label: str, value: Any, slope: Any, link: str, kind: str = "op"
) -> Node:
    """A box with its value and its slope, at a column (how far up) and a row (0 left, 1 middle, 2 right)."""
    under = signed("▲", written(s, value)) + (signed("▼", written(s, slope)) if slope is not None else [])
    return Node(id, *at, label.translate(LOWERED), "\n".join(under), kind, link)


def signed(sign: str, lines: list[str]) -> list[str]:
    """The sign before each line, so that none is taken for the other way."""
    return [f"{sign} {line}" for line in lines]


def drawn_layers(L: int) -> list[int | None]:
    """The layers that are drawn; None if some are left out.

    >>> drawn_layers(3), drawn_layers(9)
    ([1, 2, 3], [1, 2, None, 9])
    """
    return list(range(1, L + 1)) if L <= GRAPH_DEEP else [1, 2, None, L]


def graph(s: Context) -> Diagram:
    """Operations one above the other in the middle, the parameters at their sides."""
    x = node(s, "x", (0, 1), "a0 = x", s.trace.a[0][0], s.grad.a[0][0], kind="input", link="given-x")
    nodes, edges, column, previous, lower = [x], [], 0, {0: "x"}, "x"
    for l in drawn_layers(s.net.L):
        column += 1
        if l is None:
            left = f"layers 3 to {s.net.L - 1}" if s.net.L > 4 else "layer 3"
            nodes.append(Node("dots", column, 1, "⋮", left, "dots"))
            edges.append(Edge(lower, "dots"))
            lower = "dots"
            continue
        made = layer_nodes(s, l, column)
        nodes += made
        sides = [n.id for n in made if n.kind == "input"]
        way = [n.id for n in made if n.kind == "op"]
        edges += [Edge(start, way[0]) for start in (lower, *sides)]
        edges += [Edge(a, b) for a, b in pairwise(way)]
        skip = s.layer(l).skip_from
        if skip is not None:
            edges.append(Edge(previous.get(skip, "dots"), way[-1], "skip", 0.5, "skip"))
        column, lower = column + len(way) - 1, way[-1]
        previous[l] = lower
    nodes.append(node(s, "loss", (column + 1, 1), "ℓ", s.losses[:1], None, kind="loss", link="ell"))
    edges.append(Edge(lower, "loss"))
    batch = "" if s.m == 1 else " W and b carry the slope of the cost over the whole batch."
    return Diagram(
        "Values up and slopes down on the graph, inputs at the foot, loss at the top." + batch,
        f"From the inputs through {s.net.L} layers to the loss; weights and biases enter each weighted sum.",
        tuple(nodes),
        tuple(edges),
        "box",
    )


def layer_nodes(s: Context, l: int, column: int) -> list[Node]:
    """W and b at the sides of z; u where there is a norm, and a, above it."""
    layer, trace, grad = s.layer(l), s.trace, s.grad
    made = [
        node(s, f"W{l}", (column, 0), f"W{l}", s.params.W[l], grad.W[l], kind="input", link=f"grad_W[{l}]"),
        node(s, f"b{l}", (column, 2), f"b{l}", s.params.b[l], grad.b[l], kind="input", link=f"grad_b[{l}]"),
        node(s, f"z{l}", (column, 1), f"z{l} = W{l}a{l - 1} + b{l}", trace.z[l][0], grad.delta[l][0], link=f"z[{l}]"),
    ]
    last = f"z{l}"
    if layer.norm:
        column += 1
        label = f"u{l} = norm(z{l})"
        made.append(node(s, f"u{l}", (column, 1), label, trace.u[l][0], grad.u[l][0], link=f"u[{l}]"))
        last = f"u{l}"
    name = layer.activation.name.replace("_", " ")
    more = " …" if trace.mask[l] is not None or layer.skip_from is not None else ""
    label = f"a{l} = {name}({last}){more}"
    made.append(node(s, f"a{l}", (column + 1, 1), label, trace.a[l][0], grad.a[l][0], link=f"a[{l}]"))
    return made


# --- the nudge --------------------------------------------------------------------------------------------------------


def nudge_section(s: Context) -> Section:
    """One weight of layer 1 is moved: what then changes, beside ε times the slope."""
    g = as_float(s.grad.W[1])
    j, k = (int(index) for index in np.unravel_index(np.argmax(np.abs(g)), g.shape))
    moved = Parameters(s.net, as_float(s.params.theta).copy())
    moved.W[1][j, k] += EPSILON
    trace = s.problem.passes(moved)[0]
    before, after = as_float(s.grad.loss), total_loss(s.net, moved, trace, s.problem.data()[1], s.weights)
    weight = at(Sym("W", "1"), j, k)
    head: tuple[Text, ...] = (("Quantity",), ("Before",), ("After",), ("Change",), ("ε times its slope",))
    rows = [cells(s, weight, moved.W[1][j, k] - EPSILON, moved.W[1][j, k], EPSILON)]
    x = x_of(s)[k]
    rows.append(cells(s, at(s.sym("z", 1, [0]), j), s.trace.z[1][0, j], trace.z[1][0, j], EPSILON * x))
    if plain(s, s.layer(1).activation):
        slope = as_float(s.slopes(1))[0, j]
        rows.append(cells(s, at(s.sym("a", 1, [0]), j), s.trace.a[1][0, j], trace.a[1][0, j], EPSILON * x * slope))
    if not s.coupled:
        ell, new = Sym("ell", "", example="1" if s.m > 1 else ""), example_losses(s.net, trace, s.problem.data()[1])[0]
        rows.append(cells(s, ell, s.losses[0], new, EPSILON * x * as_float(s.grad.delta[1])[0, j]))
    rows.append(cells(s, Sym("C"), before, after, EPSILON * g[j, k]))
    told: Text = ("A slope foretells what a small move does. Move ", weight, ", whose slope is the largest in ")
    told += (Sym("W", "1"), f", by ε = {EPSILON:g}, and run the way up again:")
    table = Table("One weight moved", head, tuple(rows))
    verdict = [Paragraph(text) for text in foretold(s, float(after - before), EPSILON * float(g[j, k])) if text]
    return Section("nudge", "The nudge", (Paragraph(told), table, *verdict))


def plain(s: Context, phi: Activation) -> bool:
    """Whether a unit of layer 1 is φ of its own sum and nothing else."""
    layer = s.layer(1)
    return phi.elementwise and not layer.norm and s.trace.mask[1] is None and layer.skip_from is None


def cells(s: Context, of: Expr, before: Any, after: Any, predicted: float) -> tuple[Text, ...]:
    """A row of the table."""
    change = float(after) - float(before)
    return (of,), (s.num(float(before)),), (s.num(float(after)),), (s.num(change),), (s.num(predicted),)


def foretold(s: Context, change: float, predicted: float) -> Iterator[Text]:
    """Whether the change of C is what its slope says."""
    off = abs(change - predicted) / abs(predicted) if predicted else 0.0
    far = f"{100 * off:.2g} %"
    told = f"C changes by what its slope foretells, to {far}; the rest is its curve."
    yield s.claim("nudge_foretold", predicted and off <= NEAR, told)
    bent = f"C bends or has a kink within this move, so its slope is {far} off: it is the slope at the start alone."
    yield s.claim("nudge_bent", predicted and off > NEAR, bent)
    yield s.claim("nudge_flat", not predicted, "All slopes of layer 1's weights are 0, so they foretell no change.")
