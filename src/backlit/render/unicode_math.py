"""A formula on one line of Unicode: for JSON, for screen readers and for a terminal.

For a terminal, text carries marks of its style, which take no width: a number that of the way that made it.
"""

from collections.abc import Sequence

from backlit.derivation import expressions as tree
from backlit.derivation.expressions import Expr, Num
from backlit.render.notation import ATOM, POWER, PRODUCT, Writer, function, level, symbol

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
