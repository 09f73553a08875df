"""Formulas in a terminal: matrices are drawn over several lines, all else stands on the line through their middle."""

from dataclasses import dataclass

from backlit.derivation import expressions as tree
from backlit.derivation.expressions import Expr
from backlit.render.inline import INLINE, inline
from backlit.render.notation import has_matrix

WIDTH = 110


@dataclass(frozen=True)
class Box:
    """Lines of equal width; `middle` is the line that others stand beside."""

    lines: tuple[str, ...]
    middle: int = 0

    @property
    def width(self) -> int:
        """Columns that it takes."""
        return width_of(self.lines[0])


def width_of(text: str) -> int:
    """Columns of a terminal; combining marks take none."""
    import unicodedata

    return sum(not unicodedata.combining(c) for c in text)


def padded(text: str, width: int) -> str:
    """Right-aligned."""
    return " " * (width - width_of(text)) + text


def beside(boxes: list[Box]) -> Box:
    """Boxes in a row, their middles on one line."""
    top = max(box.middle for box in boxes)
    bottom = max(len(box.lines) - box.middle for box in boxes)
    made = [""] * (top + bottom)
    for box in boxes:
        for n in range(top + bottom):
            k = n - top + box.middle
            made[n] += box.lines[k] if 0 <= k < len(box.lines) else " " * box.width
    return Box(tuple(made), top)


def text(line: str) -> Box:
    """One line."""
    return Box((line,))


def box(expr: Expr) -> Box:
    """A formula as a box."""
    if not has_matrix(expr):
        return text(inline(expr))
    match expr:
        case tree.Mat():
            return matrix(expr)
        case tree.Add():
            return joined(expr.items, " + ")
        case tree.MatMul():
            return joined(expr.items, "")
        case tree.Had():
            return joined(expr.items, " ⊙ ")
        case tree.Neg():
            return beside([text("−"), box(expr.of)])
        case tree.Transpose():
            return beside([box(expr.of), text("ᵀ")])
        case tree.Fn():
            inside = [part for arg in expr.args for part in (text(", "), box(arg))][1:]
            return beside([text(INLINE.function(expr.name)), fenced(beside(inside))])
    return text(inline(expr))


def joined(items: tuple[Expr, ...], sign: str) -> Box:
    """Operands with a sign between them."""
    made: list[Box] = []
    for n, item in enumerate(items):
        minus = sign == " + " and isinstance(item, tree.Neg)
        shown = item.of if minus and isinstance(item, tree.Neg) else item
        made += [text(" − " if minus else sign or (" " if not isinstance(item, tree.Mat) else ""))] if n else []
        loose = isinstance(shown, tree.Add | tree.Neg) if sign != " + " else minus and isinstance(shown, tree.Add)
        inner = box(shown)
        negative = isinstance(shown, tree.Num) and shown.negative
        made.append(fenced(inner) if loose or negative else inner)
    return beside(made)


def fenced(inner: Box) -> Box:
    """In parentheses, tall where the inside is."""
    if len(inner.lines) == 1:
        return text(f"({inner.lines[0]})")
    last = len(inner.lines) - 1
    left = ["⎛" if n == 0 else "⎝" if n == last else "⎜" for n in range(last + 1)]
    right = ["⎞" if n == 0 else "⎠" if n == last else "⎟" for n in range(last + 1)]
    return Box(tuple(f"{a}{line}{b}" for a, line, b in zip(left, inner.lines, right, strict=True)), inner.middle)


def matrix(mat: tree.Mat) -> Box:
    """A matrix with drawn brackets and aligned columns."""
    cells = [[inline(cell) for cell in row] for row in mat.rows]
    widths = [max(width_of(row[k]) for row in cells) for k in range(len(cells[0]))]
    rows = ["  ".join(padded(cell, width) for cell, width in zip(row, widths, strict=True)) for row in cells]
    last = len(rows) - 1
    if last == 0:
        return text(f"[{rows[0]}]")
    left = ["⎡" if n == 0 else "⎣" if n == last else "⎢" for n in range(last + 1)]
    right = ["⎤" if n == 0 else "⎦" if n == last else "⎥" for n in range(last + 1)]
    return Box(tuple(f"{a}{row}{b}" for a, row, b in zip(left, rows, right, strict=True)), len(rows) // 2)


def chain(expr: tree.Chain, width: int = WIDTH) -> list[str]:
    """An equation chain, broken before a relation where the line would be longer than `width`."""
    rows: list[list[Box]] = [[box(expr.parts[0])]]
    indent = rows[0][0].width if rows[0][0].width < width // 3 else 4
    for sign, part in zip(expr.relations, expr.parts[1:], strict=True):
        made = [text(f" {sign} "), box(part)]
        used = sum(b.width for b in rows[-1])
        if used + sum(b.width for b in made) > width and len(rows[-1]) > 1:
            rows.append([text(" " * indent), *made])
        else:
            rows[-1] += made
    return [line.rstrip() for row in rows for line in beside(row).lines]
