"""What a derivation is: sections of blocks, of which the steps are the heart.  Renderers read it and add nothing."""

import re
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np

from backlit.derivation.expressions import Chain, Expr, Num, Partial, Sym, nodes

Text = tuple["str | Expr", ...]  # words with formulas between them
VERDICTS = ("disagrees", "agrees")  # what is said of a check, by whether it is ok


@dataclass(frozen=True)
class Check:
    """What an independent computation gave for a step.

    kind : its method, complex step or central difference.  error : largest |difference| over largest |value| of a
    tensor's entries.  ok : whether the error is within what the method can do.
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

    @property
    def example(self) -> str:
        """The example that it is about, "1", "all" for the batch, or "" for a line that is about none."""
        one = re.fullmatch(r"example (\d+)", self.label)
        return one[1] if one else "all" if self.label.startswith("all ") else ""


@dataclass(frozen=True)
class Step:
    """One quantity: where it comes from, with numbers.

    Parameters
    ----------
    id : str
        A name that stays, such as `grad_W[2]`.
    equation : str
        Number of its equation, such as "BP4".
    title : str
        What it is.
    formula : Expr
        The equation for this layer, in symbols.
    sentence : str
        The equation in words.
    way : {"forward", "backward", "update"}
        The pass that it belongs to.
    lines : tuple of Line
        The formula with numbers, one line for each example or tensor.
    entries : tuple of Line, default ()
        Single entries, each with an id such as `grad_W[2][0,1]`.
    shapes : tuple of (Expr, str), default ()
        Each factor with its shape, rows × columns.
    notes : tuple of Text, default ()
        Remarks.
    value : array, optional
        The quantity in full precision, one row an example.
    checks : tuple of Check, default ()
        Independent computations of the same quantity.
    hidden : str, default ''
        Why there are no lines, if there are too many numbers to print.

    Examples
    --------
    >>> from backlit import explain
    >>> step = explain(example="worked").derivation.step("delta[2]")
    >>> step.equation, step.way
    ('BP1S', 'backward')
    >>> [line.id for line in step.in_brief]
    ['', 'delta[2][0,0]']
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

    @property
    def symbol(self) -> Expr | None:
        """What the step makes, δ₂: what its last line begins with, of no example; None where that is no symbol."""
        lines = self.lines or self.entries
        chain = lines[-1].chain if lines else None
        first = chain.parts[0] if isinstance(chain, Chain) else None
        if isinstance(first, Sym):
            return replace(first, example="", batch=False)
        if isinstance(first, Partial) and isinstance(first.of, Sym) and isinstance(first.by, Sym):
            of, by = (replace(one, example="", batch=False) for one in (first.of, first.by))
            return Partial(of, by)
        return None

    @property
    def law(self) -> Expr:
        """What the step makes, and how: δ₂ = a₂ − y."""
        if self.symbol is None or self.symbol == self.formula:
            return self.formula
        return Chain((self.symbol, self.formula), ("←" if self.way == "update" else "=",))

    @property
    def entry_repeats_line(self) -> bool:
        """Whether the one entry has no number that the one line has not."""
        if not len(self.lines) == len(self.entries) == 1:
            return False
        line, entry = (
            Counter(node.text for node in nodes(one.chain) if isinstance(node, Num))
            for one in (self.lines[0], self.entries[0])
        )
        return entry <= line

    @property
    def in_brief(self) -> list[Line]:
        """The lines that a slide has room for: of the first example and of all, and then an entry."""
        ends = self.lines if len(self.lines) < 3 else (self.lines[0], self.lines[-1])
        return [*ends, *self.entries[:1]]


@dataclass(frozen=True)
class Paragraph:
    """Words with formulas between them."""

    parts: Text


@dataclass(frozen=True)
class Formula:
    """A displayed formula, with its equation's number if it has one, and an id if numbers link to it."""

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
class BulletList:
    """A list of statements; `numbered` if their order matters."""

    items: tuple[Text, ...]
    numbered: bool = False


@dataclass(frozen=True)
class Node:
    """A box or a circle of a drawing, at a column and a row, with one line of text in it and one below.

    kind : unit, dropped, input, op, loss; dots for what is left out; name and tag below a column of units.
    """

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
    link: str = ""


@dataclass(frozen=True)
class Diagram:
    """Nodes in columns and arrows between them.

    shape : "circle" or "box".  others : the same for further examples, of which a page shows one at a time.
    """

    caption: str
    description: str
    nodes: tuple[Node, ...]
    edges: tuple[Edge, ...]
    shape: str = "circle"
    others: tuple["Diagram", ...] = ()


@dataclass(frozen=True)
class Plot:
    """Curves over x, and points on them that this network visits; `reach` is from the lowest y to the highest."""

    caption: str
    description: str
    x: tuple[float, ...]
    curves: tuple[tuple[str, tuple[float, ...]], ...]
    points: tuple[tuple[float, float], ...]
    reach: tuple[float, float]


Block = Paragraph | Formula | Table | BulletList | Diagram | Plot | Step


@dataclass(frozen=True)
class Section:
    """One part of a derivation.

    Parameters
    ----------
    id : str
        A name that stays, such as "forward".
    title : str
        Its heading.
    blocks : tuple of Step, Paragraph, Formula, Table, Points, Diagram or Plot
        What stands in it, in reading order.

    Examples
    --------
    >>> from backlit import explain
    >>> [section.id for section in explain(example="worked").derivation.sections][:3]
    ['glance', 'setup', 'sought']
    """

    id: str
    title: str
    blocks: tuple[Block, ...]


@dataclass(frozen=True)
class Derivation:
    """A worked derivation: sections in reading order, and the plain numbers by name.

    Parameters
    ----------
    title : str
        Heads the document.
    subtitle : str
        What it is about, in a sentence.
    sections : tuple of Section
        The parts.
    quantities : dict
        loss, z, u, a, delta, grad_W, … as `backlit explain --format json` prints them: by name, then by layer as text.
    digits : int, default 5
        Significant digits that are printed.
    stopped : str, optional
        The first quantity that is not finite, if there is one; the derivation ends there.
    claims : dict of str to bool, optional
        The sentences about numbers by name: each was printed if it holds, and only then.

    Examples
    --------
    >>> from backlit import explain
    >>> derivation = explain(example="worked").derivation
    >>> derivation.step("z[1]").equation, sorted(derivation.quantities)[:2]
    ('F1', ['a', 'delta'])
    """

    title: str
    subtitle: str
    sections: tuple[Section, ...]
    quantities: dict[str, Any] = field(compare=False)
    digits: int = 5
    stopped: str | None = None
    claims: dict[str, bool] = field(default_factory=dict, compare=False)

    @property
    def network(self) -> Diagram | None:
        """The drawing of the network, if there is one."""
        blocks = (block for section in self.sections for block in section.blocks)
        return next((b for b in blocks if isinstance(b, Diagram) and b.shape == "circle"), None)

    def steps(self) -> Iterator[Step]:
        """All steps, in reading order."""
        for section in self.sections:
            for block in section.blocks:
                if isinstance(block, Step):
                    yield block

    def step(self, id: str) -> Step:
        """The step of that id; KeyError if there is none."""
        for step in self.steps():
            if step.id == id:
                return step
        raise KeyError(id)


def listed(value: Any) -> Any:
    """Arrays as nested lists."""
    return np.asarray(value).tolist() if value is not None else None
