"""What a derivation is: sections of blocks, of which the steps are the heart.  Renderers read it and add nothing."""

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from backlit.derivation.expressions import Expr

Text = tuple["str | Expr", ...]  # words with formulas between them


@dataclass(frozen=True)
class Check:
    """What an independent computation gave for a step: `kind` (complex step, central difference), its largest error.

    error : largest |difference| / largest |value|, over a tensor's entries.
    ok : whether it is within what the method can do.
    """

    kind: str
    error: float
    ok: bool


@dataclass(frozen=True)
class Line:
    """One worked line: what it is about ("example 1", an entry's id), and the chain of formulas."""

    label: str
    chain: Expr
    id: str = ""


@dataclass(frozen=True)
class Step:
    """One quantity: where it comes from, with numbers.

    id : stable, as `grad_W[2]`.  equation : its number in the registry.  formula : for this layer, in symbols.
    lines : with numbers, an example each (columns).  entries : single entries, each with its id (`grad_W[2][0,1]`).
    shapes : under each factor, (symbol, rows × columns).  value : the quantity as arrays with one row an example.
    way : "forward", "backward" or "update".
    """

    id: str
    equation: str
    title: str
    formula: Expr
    sentence: str
    way: str
    lines: tuple[Line, ...]
    entries: tuple[Line, ...] = ()
    shapes: tuple[tuple[Expr, str], ...] = ()
    notes: tuple[Text, ...] = ()
    value: Any = None
    checks: tuple[Check, ...] = ()
    hidden: str = ""


@dataclass(frozen=True)
class Paragraph:
    """Words with formulas between them."""

    parts: Text


@dataclass(frozen=True)
class Formula:
    """A displayed formula, with its number in the registry where it has one; an id where numbers link to it."""

    chain: Expr
    equation: str = ""
    id: str = ""


@dataclass(frozen=True)
class Table:
    """Rows of cells, each of words and formulas; the first cell of a row heads it."""

    caption: str
    header: tuple[Text, ...]
    rows: tuple[tuple[Text, ...], ...]


@dataclass(frozen=True)
class Points:
    """A list of statements; `numbered` where their order matters."""

    items: tuple[Text, ...]
    numbered: bool = False


@dataclass(frozen=True)
class Node:
    """A box or a circle of a drawing, at a column and a row, with one line of text in it and one below."""

    id: str
    column: float
    row: float
    label: str
    below: str = ""
    kind: str = "unit"
    link: str = ""


@dataclass(frozen=True)
class Edge:
    """An arrow; `weight` in [−1, 1] gives its width and, by its sign, whether it is dashed."""

    start: str
    end: str
    label: str = ""
    weight: float = 0.5
    kind: str = "plain"


@dataclass(frozen=True)
class Diagram:
    """Nodes in columns and arrows between them.  shape : "circle" or "box"."""

    caption: str
    description: str
    nodes: tuple[Node, ...]
    edges: tuple[Edge, ...]
    shape: str = "circle"


@dataclass(frozen=True)
class Plot:
    """Curves over x, and points on them that this network visits."""

    caption: str
    description: str
    x: tuple[float, ...]
    curves: tuple[tuple[str, tuple[float, ...]], ...]
    points: tuple[tuple[float, float], ...]


Block = Paragraph | Formula | Table | Points | Diagram | Plot | Step


@dataclass(frozen=True)
class Section:
    """One part of the document."""

    id: str
    title: str
    blocks: tuple[Block, ...]


@dataclass(frozen=True)
class Derivation:
    """The whole: sections in reading order, and the plain numbers by name (`quantities`, as CONTRACT's JSON has them).

    stopped : the first quantity that is not finite, where the derivation ends; None where all are finite.
    """

    title: str
    subtitle: str
    sections: tuple[Section, ...]
    quantities: dict[str, Any] = field(compare=False)
    digits: int = 5
    stopped: str | None = None

    def steps(self) -> Iterator[Step]:
        """All steps, in reading order."""
        for section in self.sections:
            for block in section.blocks:
                if isinstance(block, Step):
                    yield block

    def step(self, id: str) -> Step:
        """The step of that id; KeyError where there is none."""
        for step in self.steps():
            if step.id == id:
                return step
        raise KeyError(id)


def listed(value: Any) -> Any:
    """Arrays as nested lists."""
    return np.asarray(value).tolist() if value is not None else None
