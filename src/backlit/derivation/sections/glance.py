"""The whole derivation on half a page: what came out, how each layer stands, and what the optimizer's step brought."""

from typing import Any

from backlit.derivation.context import Context, as_float
from backlit.derivation.document import Paragraph, Section, Table, Text
from backlit.derivation.expressions import Partial, Sym
from backlit.derivation.sections.drawing import said
from backlit.derivation.update import Updated, optimizer_of
from backlit.optim.clipping import norm

FEW = 4  # numbers of a layer that are written out; of more, the least and the largest


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
