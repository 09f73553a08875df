"""A formula on one line of Unicode: for JSON, for screen readers and for a terminal."""

from backlit.derivation import expressions as tree
from backlit.derivation.expressions import Expr, Num
from backlit.render.notation import ATOM, POWER, PRODUCT, Writer, function, level, symbol

SUBSCRIPT = str.maketrans("0123456789ijklmn-+=", "₀₁₂₃₄₅₆₇₈₉ᵢⱼₖₗₘₙ₋₊₌")
SUPERSCRIPT = str.maketrans("0123456789-−()ijklmnL", "⁰¹²³⁴⁵⁶⁷⁸⁹⁻⁻⁽⁾ⁱʲᵏˡᵐⁿᴸ")


def number_text(text: str) -> str:
    """-1.5e-7 as −1.5×10⁻⁷."""
    mantissa, _, exponent = text.replace("-", "−").partition("e")
    return mantissa + (f"×10{exponent.translate(SUPERSCRIPT)}" if exponent else "")


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

    def at(self, at: tree.At) -> str:
        """[W₁]₂,₁."""
        return f"[{self.write(at.of)}]" + ",".join(at.index).translate(SUBSCRIPT)

    def partial(self, partial: tree.Partial) -> str:
        """∂ℓ/∂a₁."""
        return f"∂{self.write(partial.of)}/∂{self.write(partial.by)}"

    def mark(self, sign: str, *, prefix: bool = False) -> str:
        """A sign with the room that it needs."""
        if prefix or sign in "⋯":
            return sign
        return {"·": "·", ",": ", ", ":": ": "}.get(sign, f" {sign} ")

    def thin(self) -> str:
        """Between the factors of a matrix product."""
        return " "

    def matrix(self, mat: tree.Mat) -> str:
        """[1, 2; 3, 4]."""
        return "[" + "; ".join(", ".join(self.write(cell) for cell in row) for row in mat.rows) + "]"

    def fence(self, left: str, inner: list[str], right: str) -> str:
        """Between two signs."""
        return left + "".join(inner) + right

    def fraction(self, top: Expr, bottom: Expr) -> str:
        """a/b, with parentheses where they are needed."""
        below = self.operand(bottom, POWER)
        return f"{self.operand(top, POWER if level(top) < ATOM else PRODUCT)}/{below}"

    def power(self, base: Expr, exponent: Expr) -> str:
        """x²."""
        text = self.write(exponent)
        if all(c in "0123456789−" for c in text):
            return self.operand(base, ATOM) + text.translate(SUPERSCRIPT)
        return f"{self.operand(base, ATOM)}^({text})"

    def exponential(self, exponent: Expr) -> str:
        """e^(u)."""
        return f"e^({self.write(exponent)})"

    def root(self, of: Expr) -> str:
        """√(x)."""
        return f"√({self.write(of)})"

    def transpose(self, of: Expr) -> str:
        """Wᵀ."""
        return self.operand(of, ATOM) + "ᵀ"

    def function(self, name: str) -> str:
        """σ, σ′."""
        look, prime = function(name)
        return look.text + ("′" if prime else "")

    def big(self, sign: str, index: str, upper: str, body: Expr) -> str:
        """∑ₖ."""
        above = upper.translate(SUPERSCRIPT)
        return f"{sign}{index.translate(SUBSCRIPT)}{above} {self.operand(body, PRODUCT)}"

    def mean(self, of: Expr) -> str:
        """mean(g)."""
        return f"mean({self.write(of)})"


INLINE = InlineWriter()


def inline(expr: Expr) -> str:
    """The formula on one line."""
    return INLINE.write(expr)
