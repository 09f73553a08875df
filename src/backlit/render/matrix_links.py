"""Which cell of a printed matrix is which entry of the quantity, though the middle of a large one is left out.

Quantities of examples have one row an example in code and one column an example in print; parameters stand alike.
"""

import re
from dataclasses import replace

from backlit.derivation.document import Line, Step
from backlit.derivation.expressions import Chain, Dots, Expr, Mat, Num, nodes

TRANSPOSED = ("grad_W", "update_W")  # not these
ONE = re.compile(r"example (\d+)")


def places(printed: list[Expr], size: int) -> list[int]:
    """The index of each printed row or column, of `size`; what comes after the dots is counted from the end.

    >>> places([Num(0, "0", True), Dots(3), Num(1, "1", True)], 5)
    [0, -1, 4]
    """
    if len(printed) == size:
        return list(range(size))
    gap = next((k for k, cell in enumerate(printed) if isinstance(cell, Dots)), len(printed))
    return [k if k < gap else -1 if k == gap else size - len(printed) + k for k in range(len(printed))]


def with_entries(step: Step, line: Line) -> Expr:
    """The line's chain, the numbers of its result leading to the entries that the step works out."""
    chain = line.chain
    last = chain.parts[-1] if isinstance(chain, Chain) else None
    known = {entry.id: {n.text for n in nodes(entry.chain) if isinstance(n, Num)} for entry in step.entries}
    if not (isinstance(chain, Chain) and isinstance(last, Mat) and known):
        return chain
    rows = places([row[0] for row in last.rows], last.shape[0])
    columns = places(list(last.rows[0]), last.shape[1])
    made = tuple(
        tuple(led(cell, entry(step, line, rows[r], columns[c]), known) for c, cell in enumerate(row))
        for r, row in enumerate(last.rows)
    )
    return replace(chain, parts=(*chain.parts[:-1], replace(last, rows=made))) if made != last.rows else chain


def led(cell: Expr, id: str, known: dict[str, set[str]]) -> Expr:
    """The number with its entry's id as its source, where that entry is worked out and gives this number."""
    return replace(cell, source=id) if isinstance(cell, Num) and cell.text in known.get(id, ()) else cell


def entry(step: Step, line: Line, row: int, column: int) -> str:
    """The id of the entry that a cell shows; "" where the line shows a share of it only."""
    one = ONE.fullmatch(line.label)
    shape = getattr(step.value, "shape", ())
    if len(shape) == 1:
        return "" if one else f"{step.id}[{max(row, column)}]"  # a column, or a row of losses
    if step.id.startswith(TRANSPOSED):
        return "" if one else f"{step.id}[{row},{column}]"
    example = int(one[1]) - 1 if one else column
    return f"{step.id}[{example},{row}]"
