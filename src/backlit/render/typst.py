"""Formulas in Typst's mathematics."""

from backlit.derivation import expressions as tree
from backlit.derivation.expressions import Expr, Num
from backlit.render.notation import ATOM, Writer, function, symbol

SIGNS = {"·": "dot", "−": "-", "≈": "approx", "←": "arrow.l", "→": "arrow.r", "⋯": "dots.c", "∑": "sum", "∏": "product"}


class TypstWriter(Writer[str]):
    """Words are parted by spaces, so that no two become one name."""

    def row(self, parts: list[str]) -> str:
        """One after the other."""
        return " ".join(part for part in parts if part)

    def number(self, num: Num) -> str:
        """1.5e-7 as 1.5 times 10^(-7)."""
        if num.over:
            return ("-" if num.negative else "") + f"frac({', '.join(num.over)})"
        mantissa, _, exponent = num.text.replace("NaN", '"NaN"').partition("e")
        return mantissa + (f" times 10^({exponent})" if exponent else "")

    def sym(self, sym: tree.Sym) -> str:
        """z_(1)^((2))."""
        below = f"_({sym.layer})" if sym.layer else ""
        above = f"^(({sym.example}))" if sym.example else ""
        return symbol(sym).typst + below + above

    def at(self, at: tree.At) -> str:
        """[W_1]_(2,1)."""
        return f"[{self.write(at.of)}]_({','.join(at.index)})"

    def partial(self, partial: tree.Partial) -> str:
        """frac(partial ell, partial a)."""
        return f"frac(partial {self.write(partial.of)}, partial {self.write(partial.by)})"

    def mark(self, sign: str, *, prefix: bool = False) -> str:
        """A sign."""
        return SIGNS.get(sign, sign)

    def thin(self) -> str:
        """Between the factors of a matrix product."""
        return "thin"

    def matrix(self, mat: tree.Mat) -> str:
        """mat(…)."""
        return f'mat(delim: "[", {"; ".join(", ".join(self.write(cell) for cell in row) for row in mat.rows)})'

    def fence(self, left: str, inner: list[str], right: str) -> str:
        """Between two signs that grow."""
        body = " ".join(inner)
        if left in "|‖":
            return f"{'abs' if left == '|' else 'norm'}({body})"
        return f"lr({left} {body} {right})" if left == "(" else f"[{body}]"

    def fraction(self, top: Expr, bottom: Expr) -> str:
        """frac(a, b)."""
        return f"frac({self.write(top)}, {self.write(bottom)})"

    def power(self, base: Expr, exponent: Expr) -> str:
        """x^(2)."""
        return f"{self.operand(base, ATOM)}^({self.write(exponent)})"

    def exponential(self, exponent: Expr) -> str:
        """e^(u)."""
        return f"e^({self.write(exponent)})"

    def root(self, of: Expr) -> str:
        """sqrt(x)."""
        return f"sqrt({self.write(of)})"

    def transpose(self, of: Expr) -> str:
        """W^top."""
        if isinstance(of, tree.Sym) and of.example:
            return f"attach({self.write(of)}, tr: top)"
        return f"{self.operand(of, ATOM)}^top"

    def function(self, name: str) -> str:
        """sigma'."""
        look, prime = function(name)
        return look.typst + ("'" if prime else "")

    def big(self, sign: str, index: str, upper: str, body: Expr) -> str:
        """sum_(k) …."""
        above = f"^({upper})" if upper else ""
        return f"{SIGNS[sign]}_({index}){above} {self.operand(body, 1)}"

    def mean(self, of: Expr) -> str:
        """overline(g)."""
        return f"overline({self.write(of)})"


TYPST = TypstWriter()


def typst(expr: Expr) -> str:
    """The formula in Typst, without dollars."""
    return TYPST.write(expr)


def aligned(chain: tree.Chain) -> str:
    """A chain with a row for each relation."""
    first, *rest = chain.parts
    made = typst(first)
    for n, (sign, part) in enumerate(zip(chain.relations, rest, strict=True)):
        made += f"{' ' + chr(92) if n else ''} &{TYPST.mark(sign)} {typst(part)}"
    return made
