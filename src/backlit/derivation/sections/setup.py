"""The network as it is: notation, layers, the drawing, the numbers that are given, and what is sought."""

from dataclasses import replace

import numpy as np

from backlit.core.network import Dense
from backlit.derivation.context import EXAMPLES, Context, at
from backlit.derivation.document import Block, Diagram, Edge, Formula, Node, Paragraph, Section, Table, Text
from backlit.derivation.expressions import Chain, Expr, Partial, Sym, Transpose
from backlit.derivation.functions import applied, loss_of, loss_over
from backlit.derivation.sections.helpers import LOWERED, cost_of, index_k, said

NAMED = 40  # inputs that are listed by name
MANY, DEEP = 6, 24  # units of a layer, and columns, that are drawn
FEW = 3  # units of the largest layer for which the lines carry their weights
WIDE = 16  # characters of an input's name in the drawing


def setup(s: Context, *, drawn: bool = True) -> Section:
    """The network as it is.  drawn : with its picture, which needs the numbers of both passes."""
    blocks: list[Block] = [
        Paragraph(notation(s)),
        Paragraph(symbols(s)),
        layers(s),
        *([network(s)] if drawn else []),
        Paragraph(("The numbers that are given:",)),
        *given(s),
    ]
    return Section("setup", "The network and its notation", tuple(blocks))


def introduction(s: Context) -> str:
    """One sentence about this network."""
    sizes = "-".join(map(str, s.net.n))
    examples = "one example" if s.m == 1 else f"{s.m} examples"
    weighted = "weighted " if s.weights is not None else ""
    pull = f", L2 regularization with λ = {s.net.l2:g}" if s.net.l2 else ""
    return (
        f"A {sizes} network with {s.net.n_parameters:,} parameters, the loss {s.net.loss.name.replace('_', ' ')} "
        f"({weighted}{'mean' if s.net.reduction == 'mean' else 'sum'} over the examples){pull} and {examples}."
    )


def notation(s: Context) -> Text:
    """How to read the formulas."""
    example: Text = ()
    if s.m > 1:
        example = ("A raised ", Sym("z", "1", "2"), " is that of example 2; capitals, ", Sym("z", "1", batch=True))
        example += (", hold all examples, one a column. ",)
    return (
        "Layer l makes ",
        Sym("z", "l"),
        " (weighted sums) and ",
        Sym("a", "l"),
        " (activations); ",
        Sym("a", "0"),
        " is the input. Examples stand in columns, as in books; in code each is a row. ",
        *example,
        *error_words(s),
        " Formulas count entries from 1, ids such as grad_W[2][0,1] from 0, as NumPy does. "
        "= means that the printed figures give the printed result; where it takes that, the factors of a line have "
        "more digits than its result. ≈ means that the figures agree up to their last places.",
    )


def symbols(s: Context) -> Text:
    """The other symbols of this document, each before its use."""
    L, m = ((f"{n} {word}" if n == 1 else f"{n} {word}s") for n, word in ((s.net.L, "layer"), (s.m, "example")))
    told: list[str | Expr] = [f"There are L = {L}, ", Sym("n", "l"), f" units in layer l, and m = {m}. "]
    told += ["φ is a layer's activation, ⊙ the product entry by entry, ", Sym("ell")]
    told += [" the loss of one example, ", Sym("C"), " the cost"]
    if s.weights is not None:
        told += [", ", Sym("omega", "i"), " the share of example i in C by its weight"]
    if s.net.l2:
        told += [", ", Sym("lambda"), " the strength of L2"]
    norms = {str(layer.norm) for layer in s.net.layers if layer.norm}
    if norms:
        told += [", ", Sym("u", "l"), " what a norm makes of ", Sym("z", "l"), ", ", Sym("mu", "l"), " and "]
        told += [
            Sym("sigma2", "l"),
            " the mean and the variance that it takes, ",
            Sym("eps"),
            " the small number that ",
        ]
        told += ["it adds to the variance, ", Sym("x_hat", "l"), " what it makes with these, ", Sym("gamma", "l")]
        told += [" and ", Sym("beta", "l"), " its scale and shift"]
    if any(layer.dropout or layer.skip_from is not None for layer in s.net.layers):
        told += [", ", Sym("h", "l"), " what φ gives where dropout or a skip follows"]
    if any(layer.dropout and layer.skip_from is not None for layer in s.net.layers):
        told += [", ", Sym("r", "l"), " what dropout leaves of it"]
    names = {layer.activation.name for layer in s.net.layers}
    if names & {"relu", "leaky_relu", "elu", "selu", "hard_tanh"}:
        told += [", [u > 0] the number 1 if u > 0 and 0 if not"]
    if "gelu" in names:
        told += [", Φ and Φ′ the distribution function and the density of a standard normal number"]
    if s.net.loss.name == "huber":
        d = s.net.loss.parameters["delta"]
        told += [f"; huber is half the square up to the size {d:g}, and {d:g} times (the size − {d / 2:g}) beyond it"]
    return (*told, ".")


def error_words(s: Context) -> Text:
    """What δ is the slope of."""
    delta, z = Sym("delta", "l"), Sym("z", "l")
    if not s.coupled:
        return delta, " is the slope of one example's loss at ", z, ", with no 1/m in it."
    S = "S = m C" if s.net.reduction == "mean" else "S = C"
    return (
        "Batch norm couples the examples: what one of them has at a layer moves the losses of all. So ",
        delta,
        f" is the slope of all of them together, {S} (without L2), at one example's ",
        z,
        ".",
    )


def layers(s: Context) -> Table:
    """A row for each layer."""
    rows: list[tuple[Text, ...]] = []
    for l, layer in s.net.numbered():
        rows.append(
            (
                (str(l),),
                (str(layer.units),),
                (applied(layer.activation, Sym("u" if layer.norm else "z", str(l))),),
                (Sym("W", str(l)), f" {s.net.n[l]}×{s.net.n[l - 1]}, ", Sym("b", str(l)), f" {s.net.n[l]}×1"),
                (extras(layer),),
            )
        )
    return Table("Layers", (("Layer",), ("Units",), ("Activation",), ("Parameters",), ("More",)), tuple(rows))


def extras(layer: Dense) -> str:
    """What a layer has besides its weights and its activation."""
    found = [f"{layer.norm} norm"] if layer.norm else []
    found += [f"dropout {layer.dropout:g}"] if layer.dropout else []
    found += [f"skip from layer {layer.skip_from} × {layer.skip_scale:g}"] if layer.skip_from is not None else []
    found += [] if layer.train_bias else ["bias stays as it is"]
    return ", ".join(found) or "none"


def inputs(s: Context) -> list[Block]:
    """Of a row of a table: what each input is called, and which cell it came from."""
    row = s.problem.row
    if row is None:
        return []
    named = zip(row.features, row.columns, s.trace.a[0][0], row.typical, strict=True)
    rows = [
        ((str(k),), (feature,), (row.values[column],), (s.words(a),), (s.words(typical),))
        for k, (feature, column, a, typical) in enumerate(named, start=1)
    ]
    dots = [(("⋮",), (f"{len(rows) - NAMED} more",), ("",), ("",), ("",))] if len(rows) > NAMED else []
    header = (("Input",), ("Name",), ("Cell",), ("As the network sees it",), ("Of a typical row",))
    return [Table("The inputs by name", header, tuple(rows[:NAMED] + dots))]


def given(s: Context) -> list[Block]:
    """The parameters and the data, where every link of a given number leads."""
    found = inputs(s)
    for l in range(1, s.net.L + 1):
        for name in ("W", "b", "gamma", "beta"):
            array = getattr(s.params, name)[l]
            if array is not None:
                matrix = s.mat(array) if name == "W" else s.vector(array)
                found.append(Formula(Chain((Sym(name, str(l)), matrix), ("=",)), "", f"given-{name}[{l}]"))
    cols = range(s.m)
    found.append(Formula(Chain((s.sym("a", 0, list(cols)), s.columns(s.trace.a[0], cols)), ("=",)), "", "given-x"))
    found.append(Formula(Chain((s.sym("y", None, list(cols)), s.columns(s.y, cols)), ("=",)), "", "given-y"))
    if s.problem.sample_weight is not None:
        shares = s.mat(s.cost_shares[None, :])
        found.append(Formula(Chain((Transpose(Sym("omega")), shares), ("=",)), "", "given-weight"))
    return found


def sought(s: Context) -> Section:
    """The quantities that are sought."""
    L = str(s.net.L)
    a, y = Sym("a", L), Sym("y")
    n = s.net.n[-1]
    ell: Expr = loss_of(s.net.loss, [at(a, k) for k in range(n)], [at(y, k) for k in range(n)])
    if n > 4:
        ell = loss_over(s.net.loss, [index_k(a)], [index_k(y)], n)
    wanted: list[Expr] = [s.cost_slope("W", 1), s.cost_slope("b", 1)]
    blocks: tuple[Block, ...] = (
        Paragraph(("The loss of one example, and the cost of all, are",)),
        Formula(Chain((Sym("ell"), ell), ("=",))),
        Formula(Chain((Sym("C"), cost_of(s)), ("=",)), "C1"),
        Paragraph(
            (
                "Sought is how fast the cost C grows with every parameter: ",
                wanted[0],
                " and ",
                wanted[1],
                f", and so on up to layer {L}. With them an optimizer can lower C. On the way come ",
                Sym("delta", "l"),
                " and ",
                s.slope("a", 0),
                ", the slope at the inputs.",
            )
        ),
        Formula(Chain((Sym("delta", "l"), Partial(s.loss_symbol, Sym("z", "l"))), ("=",))),
    )
    return Section("sought", "What is sought", blocks)


# --- the drawing ------------------------------------------------------------------------------------------------------


def shown(n: int, most: int, tail: int = 1) -> list[int | None]:
    """The first ones, None for the dots, and the last; all of them where they are few.

    >>> shown(4, 6), shown(784, 6), shown(9, 5, 2)
    ([0, 1, 2, 3], [0, 1, 2, 3, None, 783], [0, 1, None, 7, 8])
    """
    return list(range(n)) if n <= most else [*range(most - 1 - tail), None, *range(n - tail, n)]


def network(s: Context) -> Diagram:
    """The first example's drawing, and behind it those of the other examples that are worked one by one."""
    first, *others = (one_example(s, i) for i in range(min(s.m, EXAMPLES)))
    return replace(first, others=tuple(others))


def one_example(s: Context, i: int) -> Diagram:
    """Units with a of example i in them and δ below, weights on the lines, and what a layer has besides."""
    n = s.net.n
    columns = shown(s.net.L + 1, DEEP, 2)
    tallest = max(min(n[l], MANY) for l in columns if l is not None)
    nodes, edges = [], []
    for column, l in enumerate(columns):
        if l is None:
            between = s.net.L + 1 - len(columns) + 1
            nodes.append(Node("dots", column, (tallest - 1) / 2, "⋯", f"{between} layers", "dots"))
            continue
        units = shown(n[l], MANY)
        nodes += [unit(s, i, l, j, (column, row + (tallest - len(units)) / 2)) for row, j in enumerate(units)]
        nodes += beside(s, l, (column, tallest))
        edges += weights(s, l) if column and columns[column - 1] is not None else []
        edges += skip(s, l, columns)
    in_part = " Large layers and deep networks are drawn in part." if any(n.kind == "dots" for n in nodes) else ""
    which = "the example" if s.m == 1 else "the first example" if i == 0 else f"example {i + 1}"
    return Diagram(
        f"The network: activations of {which} in the units, δ below them, weights on the lines; negative weights are "
        "dashed." + in_part,
        f"{s.net.L + 1} columns of units: {n[0]} inputs, "
        + ", ".join(", ".join([f"{n[l]} in layer {l}", *besides(s, l)]) for l in range(1, s.net.L + 1))
        + ".",
        tuple(nodes),
        tuple(edges),
    )


def unit(s: Context, i: int, l: int, j: int | None, at: tuple[int, float]) -> Node:
    """One unit, or the dots for those between."""
    if j is None:
        return Node(f"{l}.dots", *at, "⋮", f"{s.net.n[l] - MANY + 1} more", "dots")
    value = said(s.num(s.trace.a[l][i, j]))
    if l == 0:
        return Node(f"0.{j}", *at, value, input_name(s, j), "input", "given-x")
    mask = s.trace.mask[l]
    kind = "dropped" if mask is not None and mask[i, j] == 0 else "unit"
    return Node(f"{l}.{j}", *at, value, "δ " + said(s.num(s.grad.delta[l][i, j])), kind, f"a[{l}]")


def input_name(s: Context, j: int) -> str:
    """What an input is called: by its column in a table, else x₁."""
    if s.problem.row is None:
        return f"x{j + 1}".translate(LOWERED)
    name = s.problem.row.features[j]
    return name if len(name) <= WIDE else name[: WIDE - 1] + "…"


def besides(s: Context, l: int) -> list[str]:
    """Norm, dropout and skip of a layer in words.

    A network that predicts drops nothing.
    """
    layer = s.layer(l)
    found = [f"{layer.norm} norm"] if layer.norm else []
    found += [f"dropout {layer.dropout:g}"] if s.trace.mask[l] is not None else []
    return found + ([f"skip from layer {layer.skip_from}"] if layer.skip_from is not None else [])


def beside(s: Context, l: int, at: tuple[int, float]) -> list[Node]:
    """A column's name, and below it a tag for a norm and for dropout."""
    if l == 0:
        return [Node("0.name", *at, "inputs", "", "name", "given-x")]
    name = f"{l} · {s.layer(l).activation.name.replace('_', ' ')}"
    made = [Node(f"{l}.name", *at, name, "", "name", f"a[{l}]")]
    if norm := s.layer(l).norm:
        made.append(Node(f"{l}.norm", *at, f"{norm} norm", "", "tag", f"u[{l}]"))
    if s.trace.mask[l] is not None:
        made.append(Node(f"{l}.dropout", *at, f"dropout {s.layer(l).dropout:g}", "", "tag", f"a[{l}]"))
    return made


def weights(s: Context, l: int) -> list[Edge]:
    """A line for each weight between units that are drawn."""
    W = s.params.W[l]
    largest = float(np.abs(np.asarray(W, np.float64)).max()) or 1.0
    made = []
    for j in shown(s.net.n[l], MANY):
        for k in shown(s.net.n[l - 1], MANY):
            if j is None or k is None:
                continue
            label = said(s.num(W[j, k])) if max(s.net.n) <= FEW else ""
            made.append(Edge(f"{l - 1}.{k}", f"{l}.{j}", label, float(W[j, k]) / largest, link=f"grad_W[{l}]"))
    return made


def skip(s: Context, l: int, columns: list[int | None]) -> list[Edge]:
    """An arc from the layer that is handed on to this one, over the units' heads."""
    layer = s.layer(l) if l else None
    if layer is None or layer.skip_from is None:
        return []
    start = f"{layer.skip_from}.0" if layer.skip_from in columns else "dots"
    scale = "" if layer.skip_scale == 1 else f" × {layer.skip_scale:g}"
    return [Edge(start, f"{l}.0", f"skip{scale}", kind="skip", link=f"a[{l}]")]
