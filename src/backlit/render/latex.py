"""Formulas in LaTeX; amsmath is all that they need."""

from collections.abc import Sequence

from backlit.derivation import expressions as tree
from backlit.derivation.expressions import Expr, Num
from backlit.render.notation import Writer, function, symbol

SIGNS = {
    "−": "-",
    "·": r" \cdot ",
    "⊙": r" \odot ",
    "≈": r" \approx ",
    "←": r" \leftarrow ",
    "→": r" \to ",
    "⋯": r"\cdots ",
    ",": r",\, ",
    "≤": r" \le ",
    "∑": r"\sum",
    "∏": r"\prod",
    "‖": r"\Vert ",
    ":": r":\ ",
}


class LatexWriter(Writer[str]):
    """Amsmath's LaTeX."""

    def row(self, parts: list[str]) -> str:
        """One after the other."""
        return "".join(parts)

    def number(self, num: Num) -> str:
        r"""1.5e-7 as 1.5\times 10^{-7}."""
        if num.over:
            return ("-" if num.negative else "") + r"\frac{{{}}}{{{}}}".format(*num.over)
        mantissa, _, exponent = num.text.replace("∞", r"\infty").replace("NaN", r"\mathrm{NaN}").partition("e")
        return mantissa + (rf" \times 10^{{{exponent}}}" if exponent else "")

    def sym(self, sym: tree.Sym) -> str:
        """z_{1}^{(2)}."""
        base = symbol(sym).latex
        base = rf"{{{base}}}" if sym.layer or sym.example else base
        below = f"_{{{sym.layer}}}" if sym.layer else ""
        above = f"^{{({sym.example})}}" if sym.example else ""
        return base + below + above

    def at(self, index: tuple[str, ...], of: str) -> str:
        """[W_1]_{2,1}."""
        return f"[{of}]_{{{','.join(index)}}}"

    def partial(self, of: str, by: str) -> str:
        r"""\frac{\partial \ell}{\partial a}."""
        return rf"\frac{{\partial {of}}}{{\partial {by}}}"

    def mark(self, sign: str, *, prefix: bool = False) -> str:
        """A sign; in front of a number it takes no room."""
        made = SIGNS.get(sign, sign)
        return made if prefix or (sign in SIGNS and sign != "−") else f" {made} "

    def thin(self) -> str:
        """Between the factors of a matrix product."""
        return r"\, "

    def matrix(self, rows: list[Sequence[str]]) -> str:
        """A bmatrix."""
        return r"\begin{bmatrix} " + r" \\ ".join(map(" & ".join, rows)) + r" \end{bmatrix}"

    def fence(self, left: str, inner: list[str], right: str) -> str:
        """Between two signs that grow."""
        signs = {"‖": (r"\lVert ", r" \rVert"), "|": (r"\lvert ", r" \rvert")}
        if left in signs:
            left, right = signs[left]
        body = "".join(inner)
        if r"\frac" in body or r"\begin" in body or r"\sqrt" in body:
            return rf"\left{left} {body} \right{right}"
        return f"{left}{body}{right}"

    def fraction(self, of: tree.Frac, top: str, bottom: str) -> str:
        r"""\frac{a}{b}."""
        return rf"\frac{{{top}}}{{{bottom}}}"

    def power(self, base: str, exponent: str) -> str:
        """x^{2}."""
        return f"{{{base}}}^{{{exponent}}}"

    def exponential(self, exponent: str) -> str:
        """e^{u}."""
        return f"e^{{{exponent}}}"

    def root(self, of: str) -> str:
        r"""\sqrt{x}."""
        return rf"\sqrt{{{of}}}"

    def transpose(self, of: Expr, part: str) -> str:
        r"""W^{\mathsf T}."""
        return rf"{{{part}}}^{{\mathsf T}}"

    def function(self, name: str) -> str:
        r"""\sigma'."""
        look, prime = function(name)
        return look.latex + ("'" if prime else "")

    def big(self, sign: str, index: str, upper: str, body: str) -> str:
        r"""\sum_{k} …."""
        above = f"^{{{upper}}}" if upper else ""
        return f"{SIGNS[sign]}_{{{index}}}{above} {body}"

    def mean(self, of: str) -> str:
        r"""\overline{g}."""
        return rf"\overline{{{of}}}"


LATEX = LatexWriter()
latex = LATEX.write  # the formula without dollars


def aligned(chain: tree.Chain) -> str:
    """A chain in an aligned environment, a row for each relation."""
    first, *rest = chain.parts
    rows = [latex(first)]
    for n, (sign, part) in enumerate(zip(chain.relations, rest, strict=True)):
        row = f"&{LATEX.mark(sign)}{latex(part)}"
        if n:
            rows.append(row)
        else:
            rows[0] += row
    return "\\begin{aligned}\n" + " \\\\\n".join(rows) + "\n\\end{aligned}"
