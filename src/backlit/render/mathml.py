"""Formulas in MathML Core, which browsers show by themselves.

A matrix is an HTML table with one cell a `<math>`, so that each number can be a link to the step that made it; a line
is a row of pieces.  Within a fraction or a power, where no link may stand, numbers are plain, and the links to the
steps that made them follow the line.
"""

from html import escape

from backlit.derivation import expressions as tree
from backlit.derivation.expressions import Expr, Num
from backlit.render.notation import ATOM, Writer, function, symbol
from backlit.render.unicode_math import number_text

CUT = "\0"  # around a piece that is HTML, not MathML


class MathmlWriter(Writer[str]):
    """Token by token; `depth` counts the elements around, in which only MathML may stand."""

    def __init__(self, links: bool = True):
        self.depth = 0 if links else 1
        self.plain: dict[str, None] = {}  # the sources of numbers that could not be links, in order
        self.links = links

    def row(self, parts: list[str]) -> str:
        """One after the other."""
        return "".join(parts)

    def inner(self, expr: Expr) -> str:
        """An operand of an element, as one child of it."""
        self.depth += 1
        made = self.write(expr)
        self.depth -= 1
        return f"<mrow>{made}</mrow>"

    def digits(self, num: Num) -> str:
        """−1.5×10⁻⁷."""
        mantissa, _, exponent = num.text.partition("e")
        sign, mantissa = ('<mo form="prefix">−</mo>', mantissa[1:]) if num.negative else ("", mantissa)
        if num.over:
            return sign + "<mfrac>" + "".join(f"<mn>{part}</mn>" for part in num.over) + "</mfrac>"
        made = f"{sign}<mn>{mantissa}</mn>"
        if exponent:
            minus = exponent.startswith("-")
            power = (
                '<mrow><mo form="prefix">−</mo>' if minus else "<mrow>"
            ) + f"<mn>{exponent.lstrip('-')}</mn></mrow>"
            made += f"<mo>×</mo><msup><mn>10</mn>{power}</msup>"
        return made

    def number(self, num: Num) -> str:
        """A number, linked to its step where it has one and a link may stand here."""
        if num.source is None or not self.links:
            return self.digits(num)
        if self.depth:
            self.plain[num.source] = None
            return self.digits(num)
        href = escape(num.source)
        spoken = escape(f"{number_text(num.text)}, {origin(num.source)}")
        return f'{CUT}<a href="#{href}" aria-label="{spoken}"><math>{self.digits(num)}</math></a>{CUT}'

    def sym(self, sym: tree.Sym) -> str:
        """z₁⁽²⁾."""
        base = identifier(symbol(sym).text)
        below = f"<mtext>{escape(sym.layer)}</mtext>" if not sym.layer.isdigit() else f"<mn>{sym.layer}</mn>"
        below = f"<mi>{sym.layer}</mi>" if sym.layer.isalpha() else below
        above = f'<mrow><mo form="prefix">(</mo><mi>{escape(sym.example)}</mi><mo form="postfix">)</mo></mrow>'
        if sym.layer and sym.example:
            return f"<msubsup>{base}{below}{above}</msubsup>"
        if sym.layer:
            return f"<msub>{base}{below}</msub>"
        return f"<msup>{base}{above}</msup>" if sym.example else base

    def at(self, at: tree.At) -> str:
        """[W₁]₂,₁."""
        index = '<mo separator="true">,</mo>'.join(f"<mi>{i}</mi>" for i in at.index)
        return f"<msub><mrow>{fenced('[', self.inner(at.of), ']')}</mrow><mrow>{index}</mrow></msub>"

    def partial(self, partial: tree.Partial) -> str:
        """∂ℓ/∂a."""
        d = '<mo form="prefix">∂</mo>'
        return f"<mfrac><mrow>{d}{self.inner(partial.of)}</mrow><mrow>{d}{self.inner(partial.by)}</mrow></mfrac>"

    def mark(self, sign: str, *, prefix: bool = False) -> str:
        """An operator; its form is written, because a piece may begin with it."""
        if sign == "⋯":
            return "<mo>⋯</mo>"
        if sign == ",":
            return '<mo separator="true">,</mo>'
        return f'<mo form="{"prefix" if prefix else "infix"}">{escape(sign)}</mo>'

    def thin(self) -> str:
        """Between the factors of a matrix product."""
        return '<mspace width="0.17em"></mspace>'

    def matrix(self, mat: tree.Mat) -> str:
        """A table of linked numbers; within another element, MathML's own."""
        if self.depth:
            rows = "".join("<mtr>" + "".join(f"<mtd>{self.write(c)}</mtd>" for c in row) + "</mtr>" for row in mat.rows)
            return fenced("[", f"<mtable>{rows}</mtable>", "]", stretchy="true")
        rows = "".join("<tr>" + "".join(f"<td>{self.cell(c)}" for c in row) for row in mat.rows)
        return f'{CUT}<table class="m"><tbody>{rows}</tbody></table>{CUT}'

    def cell(self, cell: Expr) -> str:
        """One entry: a link or a number, one `<math>`."""
        made = self.write(cell)
        return made.replace(CUT, "") if CUT in made else f"<math>{made}</math>"

    def fence(self, left: str, inner: list[str], right: str) -> str:
        """Between two signs; around a matrix they are drawn as tall as it is."""
        body = "".join(inner)
        if CUT + "<table" in body:
            return f'{CUT}<span class="fence">{assembled(body)}</span>{CUT}'
        return fenced(left, body, right)

    def fraction(self, top: Expr, bottom: Expr) -> str:
        """A fraction."""
        return f"<mfrac>{self.inner(top)}{self.inner(bottom)}</mfrac>"

    def power(self, base: Expr, exponent: Expr) -> str:
        """A power."""
        self.depth += 1
        made = self.operand(base, ATOM)
        self.depth -= 1
        return f"<msup><mrow>{made}</mrow>{self.inner(exponent)}</msup>"

    def exponential(self, exponent: Expr) -> str:
        """e to a power."""
        return f"<msup><mi>e</mi>{self.inner(exponent)}</msup>"

    def root(self, of: Expr) -> str:
        """A square root."""
        return f"<msqrt>{self.inner(of)}</msqrt>"

    def transpose(self, of: Expr) -> str:
        """Wᵀ."""
        self.depth += 1
        made = self.operand(of, ATOM)
        self.depth -= 1
        return f"<msup><mrow>{made}</mrow><mo>⊤</mo></msup>"

    def function(self, name: str) -> str:
        """σ, σ′."""
        look, prime = function(name)
        made = identifier(look.text)
        # as a superscript the prime, which is raised by itself, would be a speck
        return (
            f'<mrow>{made}<mo form="postfix" lspace="0" rspace="0">′</mo></mrow>' if prime else made
        ) + '<mo form="infix" lspace="0" rspace="0">&#x2061;</mo>'

    def big(self, sign: str, index: str, upper: str, body: Expr) -> str:
        """A sum or a product over an index."""
        made = self.operand(body, 1)
        operator = f'<mo form="prefix" movablelimits="false">{sign}</mo>'
        if upper:
            return f"<munderover>{operator}<mrow>{lower(index)}</mrow><mi>{upper}</mi></munderover>{made}"
        return f"<munder>{operator}<mrow>{lower(index)}</mrow></munder>{made}"

    def mean(self, of: Expr) -> str:
        """A bar over it."""
        # a border, for a ¯ stretches in few fonts
        return f'<mrow style="border-top:.06em solid;padding-top:.12em">{self.inner(of)}</mrow>'


def lower(index: str) -> str:
    """k, or k = l + 1."""
    made = []
    for c in index.replace(" ", ""):
        made.append(f"<mi>{c}</mi>" if c.isalpha() else f"<mn>{c}</mn>" if c.isdigit() else f"<mo>{c}</mo>")
    return "".join(made)


def identifier(text: str) -> str:
    """A letter or a word; a hat is an accent of its own."""
    if text.endswith("̂"):
        return f'<mover accent="true"><mi>{text[:-1]}</mi><mo>^</mo></mover>'
    if text.endswith("²"):
        return f"<msup><mi>{text[:-1]}</mi><mn>2</mn></msup>"
    if text.endswith("ᵀ"):
        return f"<msup><mn>{text[:-1]}</mn><mo>⊤</mo></msup>"
    return f"<mi>{escape(text)}</mi>"


def fenced(left: str, inner: str, right: str, stretchy: str = "false") -> str:
    """Between two signs."""
    tall = f'stretchy="{stretchy}"'
    return f'<mo form="prefix" {tall}>{left}</mo>{inner}<mo form="postfix" {tall}>{right}</mo>'


def origin(source: str) -> str:
    """What is said of a link: the step that it leads to, or the entry that it is.

    >>> origin("z[1]"), origin("grad_W[2][0,1]")
    ('from z[1]', 'entry grad_W[2][0,1]')
    """
    return f"{'entry' if source.count('[') > 1 else 'from'} {source}"


def mathml(expr: Expr) -> str:
    """The formula as one `<math>` without links."""
    return f"<math>{MathmlWriter(links=False).write(expr)}</math>"


def pieces(expr: Expr) -> str:
    """The formula as a row of pieces: `<math>` where it is plain, tables and links where numbers can be followed.

    Of a chain the left side stands by itself, and each sign with what follows it, so that lines break before a sign and
    signs stand one below the other.
    """
    writer = MathmlWriter()
    if isinstance(expr, tree.Chain):
        first, *rest = expr.parts
        head = assembled(writer.write(first))
        parts = (writer.mark(sign) + writer.write(part) for sign, part in zip(expr.relations, rest, strict=True))
        made = f'<span class="lhs">{head}</span>' + "".join(
            f'<span class="piece">{assembled(part)}</span>' for part in parts
        )
    else:
        made = f'<span class="piece">{assembled(writer.write(expr))}</span>'
    led = ", ".join(f'<a href="#{escape(source)}">{escape(source)}</a>' for source in writer.plain)
    return made + (f'<span class="from">with {led}</span>' if led else "")


def assembled(made: str) -> str:
    """MathML between the cuts becomes `<math>`; what stands between them is HTML already."""
    parts = made.split(CUT)
    return "".join(part if n % 2 else (f"<math>{part}</math>" if part else "") for n, part in enumerate(parts))
