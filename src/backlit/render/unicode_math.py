"""Formulas in Unicode: on one line, for JSON and for screen readers, and over several lines, for a terminal.

In a terminal matrices are drawn over several lines, all else stands on the line through their middle.  Text carries
marks of its style, which take no width: a number that of the way that made it.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache

from backlit.derivation import expressions as tree
from backlit.derivation.expressions import Expr, Num
from backlit.render.notation import ATOM, POWER, PRODUCT, Writer, function, has_matrix, level, symbol

SUBSCRIPT = str.maketrans("0123456789ijklmn-+=", "₀₁₂₃₄₅₆₇₈₉ᵢⱼₖₗₘₙ₋₊₌")
SUPERSCRIPT = str.maketrans("0123456789-−()ijklmnL", "⁰¹²³⁴⁵⁶⁷⁸⁹⁻⁻⁽⁾ⁱʲᵏˡᵐⁿᴸ")


def number_text(text: str) -> str:
    """-1.5e-7 as −1.5×10⁻⁷."""
    mantissa, _, exponent = text.replace("-", "−").partition("e")
    return mantissa + (f"×10{exponent.translate(SUPERSCRIPT)}" if exponent else "")


def short(value: float) -> str:
    """Three digits, with a true minus."""
    return f"{value:.3g}".replace("-", "−")


class InlineWriter(Writer[str]):
    """Matrices in brackets, rows parted by semicolons."""

    def row(self, parts: list[str]) -> str:
        """One after the other."""
        return "".join(parts)

    def number(self, num: Num) -> str:
        """A number with a true minus."""
        return number_text(num.text)

    def sym(self, sym: tree.Sym) -> str:
        """z₁⁽²⁾."""
        above = f"({sym.example})".translate(SUPERSCRIPT) if sym.example else ""
        return symbol(sym).text + sym.layer.translate(SUBSCRIPT) + above

    def at(self, index: tuple[str, ...], of: str) -> str:
        """[W₁]₂,₁."""
        return f"[{of}]" + ",".join(index).translate(SUBSCRIPT)

    def partial(self, of: str, by: str) -> str:
        """∂ℓ/∂a₁."""
        return f"∂{of}/∂{by}"

    def mark(self, sign: str, *, prefix: bool = False) -> str:
        """A sign with the room that it needs."""
        if prefix or sign in "⋯":
            return sign
        return {"·": "·", ",": ", ", ":": ": "}.get(sign, f" {sign} ")

    def thin(self) -> str:
        """Between the factors of a matrix product."""
        return " "

    def matrix(self, rows: list[Sequence[str]]) -> str:
        """[1, 2; 3, 4]."""
        return "[" + "; ".join(map(", ".join, rows)) + "]"

    def fence(self, left: str, inner: list[str], right: str) -> str:
        """Between two signs."""
        return left + "".join(inner) + right

    def fraction(self, of: tree.Frac, top: str, bottom: str) -> str:
        """a/b, with parentheses where they are needed."""
        above = self.operand(of.top, top, POWER if level(of.top) < ATOM else PRODUCT)
        return f"{above}/{self.operand(of.bottom, bottom, POWER)}"

    def power(self, base: str, exponent: str) -> str:
        """x²."""
        raised = all(c in "0123456789−" for c in exponent)
        return base + (exponent.translate(SUPERSCRIPT) if raised else f"^({exponent})")

    def exponential(self, exponent: str) -> str:
        """e^(u)."""
        return f"e^({exponent})"

    def root(self, of: str) -> str:
        """√(x)."""
        return f"√({of})"

    def transpose(self, of: Expr, part: str) -> str:
        """Wᵀ."""
        return part + "ᵀ"

    def function(self, name: str) -> str:
        """σ, σ′."""
        look, prime = function(name)
        return look.text + ("′" if prime else "")

    def big(self, sign: str, index: str, upper: str, body: str) -> str:
        """∑ₖ."""
        return f"{sign}{index.translate(SUBSCRIPT)}{upper.translate(SUPERSCRIPT)} {body}"

    def mean(self, of: str) -> str:
        """mean(g)."""
        return f"mean({of})"


inline = InlineWriter().write  # the formula on one line

# --- styles ----------------------------------------------------------------------------------------------------------

STYLES = ("forward", "backward", "update", "strong", "faint", "wrong")
OPEN = {style: chr(0xE000 + k) for k, style in enumerate(STYLES)}
CLOSE = chr(0xE00F)
MARKS = dict.fromkeys([*map(ord, OPEN.values()), ord(CLOSE)])
BACKWARD = ("grad_", "delta", "slope")


def way_of(source: str | None) -> str:
    """The way of the step that made a number; "" where it was given.

    >>> way_of("z[1]"), way_of("grad_W[2][0,1]"), way_of("given-W[1]"), way_of(None)
    ('forward', 'backward', '', '')
    """
    if not source or source.startswith("given"):
        return ""
    if source.startswith(("update", "clip")):
        return "update"
    return "backward" if source.startswith(BACKWARD) else "forward"


def styled(text: str, style: str) -> str:
    """Text between the marks of a style; as it is where there is none."""
    return f"{OPEN[style]}{text}{CLOSE}" if style and text else text


def plain(text: str) -> str:
    """Text without marks."""
    return text.translate(MARKS)


class MarkedWriter(InlineWriter):
    """Inline formulas whose numbers are marked."""

    def number(self, num: Num) -> str:
        """A number in the style of the way that made it."""
        return styled(number_text(num.text), way_of(num.source))


MARKED = MarkedWriter()
line_of = MARKED.write  # the formula on one line, its numbers marked


# --- over several lines -----------------------------------------------------------------------------------------------

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
    """Columns of a terminal; combining marks and marks of a style take none.

    >>> width_of("x̂"), len("x̂")
    (1, 2)
    """
    return len(text) if text.isascii() else sum(map(columns, text))


@cache
def columns(character: str) -> bool:
    """How many columns a character takes: 1 or none."""
    import unicodedata

    return not unicodedata.combining(character) and ord(character) not in MARKS


def padded(text: str, width: int) -> str:
    """Right-aligned."""
    return " " * (width - width_of(text)) + text


def beside(boxes: list[Box]) -> Box:
    """Boxes in a row, their middles on one line."""
    top = max(box.middle for box in boxes)
    bottom = max(len(box.lines) - box.middle for box in boxes)
    made = [""] * (top + bottom)
    for box in boxes:
        width = box.width
        for n in range(top + bottom):
            k = n - top + box.middle
            made[n] += box.lines[k] if 0 <= k < len(box.lines) else " " * width
    return Box(tuple(made), top)


def text(line: str) -> Box:
    """One line."""
    return Box((line,))


def box(expr: Expr, gap: int = 2) -> Box:
    """A formula as a box; `gap` spaces part the columns of a matrix."""
    return beside(operands(expr, gap))


def operands(expr: Expr, gap: int, room: int = 10**6) -> list[Box]:
    """The boxes that a formula can be broken between, each with the sign before it; `room` columns are there."""
    if not has_matrix(expr):
        return [text(line_of(expr))]
    match expr:
        case tree.Mat():
            return [matrix(expr, gap)]
        case tree.Add():
            return joined(expr.items, " + ", gap, room)
        case tree.MatMul():
            return joined(expr.items, "", gap, room)
        case tree.Hadamard():
            return joined(expr.items, " ⊙ ", gap, room)
        case tree.Neg():
            return [beside([text("−"), box(expr.of, gap)])]
        case tree.Transpose():
            return [beside([box(expr.of, gap), text("ᵀ")])]
        case tree.Fn():
            inside = [part for arg in expr.args for part in (text(", "), box(arg, gap))][1:]
            return [beside([text(MARKED.function(expr.name)), fenced(beside(inside))])]
    return [text(line_of(expr))]


def joined(items: tuple[Expr, ...], sign: str, gap: int, room: int) -> list[Box]:
    """Operands, each but the first with its sign before it."""
    made: list[Box] = []
    for n, item in enumerate(items):
        minus = sign == " + " and isinstance(item, tree.Neg)
        shown = item.of if minus and isinstance(item, tree.Neg) else item
        before = " − " if minus else sign or (" " if not isinstance(item, tree.Mat) else "")
        loose = isinstance(shown, tree.Add | tree.Neg) if sign != " + " else minus and isinstance(shown, tree.Add)
        negative = isinstance(shown, tree.Num) and shown.negative
        first, *rest = in_parentheses(shown, gap, room) if loose or negative else operands(shown, gap, room)
        made += [beside([text(before), first]) if n and before else first, *rest]
    return made


def in_parentheses(expr: Expr, gap: int, room: int) -> list[Box]:
    """One tall box, or the operands between a parenthesis before the first and one after the last."""
    whole = fenced(box(expr, gap))
    if whole.width <= room:
        return [whole]
    first, *between, last = operands(expr, gap, room)
    return [beside([text("("), first]), *between, beside([last, text(")")])]


def fenced(inner: Box) -> Box:
    """In parentheses, tall where the inside is."""
    if len(inner.lines) == 1:
        return text(f"({inner.lines[0]})")
    last = len(inner.lines) - 1
    left = ["⎛" if n == 0 else "⎝" if n == last else "⎜" for n in range(last + 1)]
    right = ["⎞" if n == 0 else "⎠" if n == last else "⎟" for n in range(last + 1)]
    return Box(tuple(f"{a}{line}{b}" for a, line, b in zip(left, inner.lines, right, strict=True)), inner.middle)


def matrix(mat: tree.Mat, gap: int = 2) -> Box:
    """A matrix with drawn brackets and aligned columns."""
    cells = [[line_of(cell) for cell in row] for row in mat.rows]
    widths = [max(width_of(row[k]) for row in cells) for k in range(len(cells[0]))]
    between = " " * gap
    rows = [between.join(padded(cell, width) for cell, width in zip(row, widths, strict=True)) for row in cells]
    last = len(rows) - 1
    if last == 0:
        return text(f"[{rows[0]}]")
    left = ["⎡" if n == 0 else "⎣" if n == last else "⎢" for n in range(last + 1)]
    right = ["⎤" if n == 0 else "⎦" if n == last else "⎥" for n in range(last + 1)]
    return Box(tuple(f"{a}{row}{b}" for a, row, b in zip(left, rows, right, strict=True)), len(rows) // 2)


def chain(expr: tree.Chain, width: int = WIDTH) -> list[str]:
    """An equation chain without marks, broken before a relation where the line would be longer than `width`."""
    return [plain(line) for line in marked_chain(expr, width)]


def marked_chain(expr: tree.Chain, width: int = WIDTH, *, tight: bool = False) -> list[str]:
    """An equation chain with marks; `tight` breaks a part too, between its operands, where it alone is too long."""
    first = box(expr.parts[0])
    for indent in (first.width if first.width < width // 3 else 4, 4):
        parts = [fitted(part, width - indent - 3) if tight else [box(part)] for part in expr.parts[1:]]
        if max((b.width for pieces in parts for b in pieces), default=0) + indent + 3 <= width:
            break
        if not tight:
            break
    rows = [[first]]
    for sign, pieces in zip(expr.relations, parts, strict=True):
        for n, piece in enumerate(pieces):
            made = [text(f" {sign} "), piece] if n == 0 else [piece]
            used = sum(b.width for b in rows[-1])
            if used + sum(b.width for b in made) > width and (len(rows[-1]) > 1 or (tight and used > indent)):
                lead = "" if n == 0 else "   × " if bare(piece) else " "
                rows.append([text(" " * indent + lead), *made])
            else:
                rows[-1] += made
    return [line.rstrip() for row in rows for line in beside(row).lines]


def bare(piece: Box) -> bool:
    """Whether a factor has no sign before it, so that one is needed where a line begins with it."""
    return piece.lines[piece.middle][:1] in "⎡⎢⎣["


def fitted(expr: Expr, room: int) -> list[Box]:
    """The formula as it is, or its operands, their columns closer together where one alone is too wide."""
    whole = box(expr)
    if whole.width <= room:
        return [whole]
    made = operands(expr, 2, room)
    if max(b.width for b in made) > room:
        made = operands(expr, 1, room)
    return [piece for b in made for piece in (broken(b, room) if len(b.lines) == 1 else [b])]


def broken(line: Box, room: int) -> list[Box]:
    """A long line of numbers in pieces, cut before a plus or a minus, outside of parentheses where that is enough."""
    return [text(piece) for piece in cut(line.lines[0], room, 0)]


def cut(whole: str, room: int, deepest: int) -> list[str]:
    """Pieces of at most `room` columns, where cuts within `deepest` parentheses give them."""
    if width_of(whole) <= room or deepest > 4:
        return [whole]
    pieces, depth, start = [], 0, 0
    for n, c in enumerate(whole):
        depth += (c in "([") - (c in ")]")
        if depth <= deepest and whole[n : n + 3] in (" + ", " − ") and n > start:
            pieces.append(whole[start:n])
            start = n
    return [part for piece in [*pieces, whole[start:]] for part in cut(piece, room, deepest + 1)]
