"""What came out, on half a page: each layer, and what the optimizer's step brought; and why, for a row of a table.

A row's prediction is explained by the columns that moved it, the units they went through, and one of these in numbers.
"""

from collections import defaultdict
from typing import Any

import numpy as np

from backlit.derivation.context import Context, as_float, at
from backlit.derivation.document import Block, Formula, Paragraph, Section, Table, Text
from backlit.derivation.expressions import Add, Chain, Mul, Partial, Sym
from backlit.derivation.reasons import Moves, moves
from backlit.derivation.sections.drawing import said
from backlit.derivation.update import Updated, optimizer_of
from backlit.optim.optimizers.base import norm

FEW = 4  # numbers of a layer that are written out; of more, the least and the largest
COLUMNS, UNITS, WAYS, TERMS = 8, 5, 2, 4  # that are listed: columns, units of a layer, ways of each, terms of a sum


def section(s: Context, updates: list[Updated]) -> Section:
    """One paragraph and one table."""
    return Section("glance", "At a glance", (Paragraph((story(s, updates[0]),)), layers(s)))


def story(s: Context, first: Updated) -> str:
    """Forward, backward, update, in a sentence each."""
    which = "" if s.m == 1 else " for example 1"
    output, target = (numbers(s, values[0]) for values in (s.trace.a[-1], s.y))
    cost, later = said(s.num(first.loss_before)), said(s.num(first.loss_after))
    return (
        f"Forward, the network gives {output}{which} where {target} is wanted, and the cost C is {cost}. Backward, "
        "each layer is told how fast C grows with its numbers. Moved against that by one step of "
        f"{optimizer_of(s.problem).name}, the same network costs {later}."
    )


def numbers(s: Context, values: Any) -> str:
    """A few numbers as they are; of many, the least and the largest."""
    if len(values) <= FEW:
        return ", ".join(said(s.num(v)) for v in values)
    return f"{said(s.num(min(values)))} … {said(s.num(max(values)))}"


def layers(s: Context) -> Table:
    """A row for each layer: what went up, what came back, and how steep the cost is in its parameters."""
    rows: list[tuple[Text, ...]] = []
    for l in range(s.net.L + 1):
        up, name = numbers(s, s.trace.a[l][0]), "inputs" if l == 0 else f"{l}, {s.layer(l).activation.name}"
        back = numbers(s, s.grad.delta[l][0]) if l else ""
        steep = [length(s, getattr(s.grad, p)[l]) if l else "" for p in ("W", "b")]
        rows.append(((name,), (up,), (back,), *((text,) for text in steep)))
    which = "" if s.m == 1 else " of example 1"
    header: tuple[Text, ...] = (
        ("Layer",),
        ("▲ activations ", Sym("a", "l")),
        ("▼ errors ", Sym("delta", "l")),
        ("‖", Partial(Sym("C"), Sym("W", "l")), "‖"),
        ("‖", Partial(Sym("C"), Sym("b", "l")), "‖"),
    )
    return Table(f"Each layer{which}; of more than {FEW} units the least and the largest number", header, tuple(rows))


def length(s: Context, gradient: Any) -> str:
    """The root of the sum of squares."""
    return s.words(norm(as_float(gradient)))


# --- why a row gets its prediction -----------------------------------------------------------------------------------


def why_section(s: Context) -> Section | None:
    """The section; None where the example is no row of a table whose typical row is known."""
    if s.problem.row is None or s.m != 1 or s.net.L < 2:
        return None
    found = moves(s.problem)
    return Section("why", "Why this row gets this prediction", tuple(blocks(s, found)))


def blocks(s: Context, found: Moves) -> list[Block]:
    """What moved, through what, and the unit that moved most."""
    effects = by_column(s, found.inputs)
    moved = found.score - found.base
    return [
        Paragraph((answer(s, found, effects),)),
        columns(s, found, effects),
        units(s, found),
        *busiest(s, found),
        Paragraph((
            "An effect is what the difference to the typical row moves on the straight way between the two, "
            f"summed along it (integrated gradients): together the columns move {signed(s, sum(effects.values()))} of "
            f"{signed(s, moved)}. A unit's effect is what it passes on of that; its ways are weight × difference of "
            "the input × the unit's mean error signal on the way. A unit that stays at 0 passes nothing on.",
        )),
    ]  # fmt: skip


def meant(s: Context, found: Moves) -> str:
    """What is moved: the number, or the log-odds of the predicted class."""
    row = s.problem.row
    assert row is not None
    return f"the log-odds of “{row.classes[found.chosen]}”" if row.classes else f"the predicted {row.target}"


def answer(s: Context, found: Moves, effects: dict[str, float]) -> str:
    """One sentence that answers."""
    row = s.problem.row
    assert row is not None
    up, down = ([(name, e) for name, e in effects.items() if sign * e > 0][:2] for sign in (1, -1))
    said = f"For this row {meant(s, found)} is {s.words(found.score)}; for a typical row {s.words(found.base)}. "
    for pairs, way in ((up, "up"), (down, "down")):
        told = ", ".join(f"{name} = {row.values[name]} ({signed(s, e)})" for name, e in pairs)
        said += f"What moves it {way} most: {told}. " if told else f"Nothing moves it {way}. "
    return said.strip()


def signed(s: Context, value: float) -> str:
    """+0.31, −0.2."""
    return ("+" if value >= 0 else "") + s.words(value)


def by_column(s: Context, inputs: np.ndarray) -> dict[str, float]:
    """The effects of the columns, largest first; a column is the sum of the inputs that it became."""
    row = s.problem.row
    assert row is not None
    sums: dict[str, float] = defaultdict(float)
    for name, effect in zip(row.columns, inputs, strict=True):
        sums[name] += float(effect)
    return dict(sorted(sums.items(), key=lambda pair: -abs(pair[1])))


def columns(s: Context, found: Moves, effects: dict[str, float]) -> Table:
    """The columns that moved most, each with the units of layer 1 that it went through."""
    row = s.problem.row
    assert row is not None
    names = np.array(row.columns)
    rows: list[tuple[Text, ...]] = []
    for name in list(effects)[:COLUMNS]:
        way = found.through[:, names == name].sum(axis=1)
        best = [j for j in np.argsort(-np.abs(way), kind="stable")[:WAYS] if way[j] != 0]
        ways = ", ".join(f"{j + 1} ({signed(s, way[j])})" for j in best) or "none"
        rows.append(((name,), (row.values[name],), (row.typical_values[name],), (signed(s, effects[name]),), (ways,)))
    left = list(effects.values())[COLUMNS:]
    if left:
        rows.append(((f"{len(left)} more",), ("",), ("",), (signed(s, sum(left)),), ("",)))
    header = (("Column",), ("This row",), ("Typical",), ("Moves it by",), ("Mostly through units of layer 1",))
    return Table(f"The columns that moved {meant(s, found)}", header, tuple(rows))


def units(s: Context, found: Moves) -> Table:
    """The units of each hidden layer that passed most on."""
    row = s.problem.row
    assert row is not None
    rows: list[tuple[Text, ...]] = []
    for l, effects in enumerate(found.units):
        if effects is None:
            continue
        for j in np.argsort(-np.abs(effects), kind="stable")[:UNITS]:
            from_columns = by_column(s, found.through[j]) if l == 1 else {}
            ways = ", ".join(f"{name} ({signed(s, e)})" for name, e in list(from_columns.items())[:WAYS] if e)
            now, typical = (s.words(float(values[j])) for values in (s.trace.a[l][0], found.typical[l]))
            rows.append(((f"{l}",), (f"{j + 1}",), (now,), (typical,), (signed(s, effects[j]),), (ways,)))
    header = (("Layer",), ("Unit",), ("a",), ("a, typical row",), ("Passes on",), ("Mostly from",))
    return Table(f"The units through which {meant(s, found)} was moved", header, tuple(rows))


def busiest(s: Context, found: Moves) -> list[Block]:
    """The unit of layer 1 that passed most on, its weighted sum in numbers with the columns' names."""
    row = s.problem.row
    first = found.units[1]
    if row is None or first is None:
        return []
    j = int(np.argmax(np.abs(first)))
    W, x = s.params.W[1][j], s.trace.a[0][0]
    order = np.argsort(-np.abs(np.asarray(W * x, np.float64)), kind="stable")[:TERMS]
    terms = [Mul(s.num(W[k]), s.num(x[k], "given-x")) for k in order]
    rest = s.trace.z[1][0, j] - sum(W[k] * x[k] for k in order) - s.params.b[1][j]
    told = Add(*terms, s.num(s.params.b[1][j], "given-b[1]"), *([s.num(rest)] if len(x) > TERMS else []))
    named = ", ".join(f"{row.features[k]}" for k in order)
    chain = Chain((at(Sym("z", "1"), j), told, s.num(s.trace.z[1][0, j], "z[1]")), ("≈", "≈"))
    return [
        Paragraph((
            f"Unit {j + 1} of layer 1 passes most on. Its weighted sum is made of {named}, and of the bias"
            + (", and of what all other inputs add together, in this order:" if len(x) > TERMS else ", in this order:"),
        )),
        Formula(chain),
    ]  # fmt: skip
