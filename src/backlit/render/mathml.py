"""Formulas in MathML Core, which browsers show by themselves.

A matrix is an HTML table with one cell a `<math>`, so that each number can be a link to the step that made it; a line
is a row of pieces.  Within a fraction or a power, where no link may stand, numbers are plain, and the links to the
steps that made them follow the line.
"""

from collections.abc import Sequence
from html import escape
from typing import NamedTuple

from backlit.derivation import expressions as tree
from backlit.derivation.expressions import Expr, Num
from backlit.render.notation import Writer, function, symbol
from backlit.render.unicode_math import number_text

CUT = "\0"  # around a piece that is HTML, not MathML
Sources = tuple[str, ...]


class Piece(NamedTuple):
    """A piece of a formula, as it looks in a line and within an element, in which only MathML may stand.

    line : MathML, and HTML between cuts.  sources : of its numbers.  unlinked : of those that `line` does not link.
    """

    line: str
    math: str
    sources: Sources = ()
    unlinked: Sources = ()


def token(made: str) -> Piece:
    """MathML that holds no number of a step."""
    return Piece(made, made)


def element(start: str, *inner: Piece, end: str) -> Piece:
    """An element, each piece within it one child."""
    made = start + "".join(f"<mrow>{piece.math}</mrow>" for piece in inner) + end
    sources = tuple(source for piece in inner for source in piece.sources)
    return Piece(made, made, sources, sources)


def around(line: str, math: str, inner: Sequence[Piece]) -> Piece:
    """Both looks of what is made of some pieces."""
    sources = tuple(source for piece in inner for source in piece.sources)
    return Piece(line, math, sources, tuple(source for piece in inner for source in piece.unlinked))


class MathmlWriter(Writer[Piece]):
    """Token by token."""

    def row(self, parts: list[Piece]) -> Piece:
        """One after the other."""
        return around("".join(part.line for part in parts), "".join(part.math for part in parts), parts)

    def number(self, num: Num) -> Piece:
        """A number, linked to its step where it has one and a link may stand here."""
        made = digits(num)
        if num.source is None:
            return token(made)
        href, spoken = escape(num.source), escape(f"{number_text(num.text)}, {origin(num.source)}")
        return Piece(f'{CUT}<a href="#{href}" aria-label="{spoken}"><math>{made}</math></a>{CUT}', made, (num.source,))

    def sym(self, sym: tree.Sym) -> Piece:
        """z₁⁽²⁾."""
        base = identifier(symbol(sym).text)
        below = f"<mtext>{escape(sym.layer)}</mtext>" if not sym.layer.isdigit() else f"<mn>{sym.layer}</mn>"
        below = f"<mi>{sym.layer}</mi>" if sym.layer.isalpha() else below
        above = f'<mrow><mo form="prefix">(</mo><mi>{escape(sym.example)}</mi><mo form="postfix">)</mo></mrow>'
        if sym.layer and sym.example:
            return token(f"<msubsup>{base}{below}{above}</msubsup>")
        if sym.layer:
            return token(f"<msub>{base}{below}</msub>")
        return token(f"<msup>{base}{above}</msup>" if sym.example else base)

    def at(self, index: tuple[str, ...], of: Piece) -> Piece:
        """[W₁]₂,₁."""
        below = '<mo separator="true">,</mo>'.join(f"<mi>{i}</mi>" for i in index)
        left, right = fenced("[", CUT, "]").split(CUT)
        return element(f"<msub><mrow>{left}", of, end=f"{right}</mrow><mrow>{below}</mrow></msub>")

    def partial(self, of: Piece, by: Piece) -> Piece:
        """∂ℓ/∂a."""
        d = token('<mo form="prefix">∂</mo>')
        grouped = [element("", piece, end="") for piece in (of, by)]
        return element("<mfrac>", *(self.row([d, piece]) for piece in grouped), end="</mfrac>")

    def mark(self, sign: str, *, prefix: bool = False) -> Piece:
        """An operator; its form is written, because a piece may begin with it."""
        if sign == "⋯":
            return token("<mo>⋯</mo>")
        if sign == ",":
            return token('<mo separator="true">,</mo>')
        return token(f'<mo form="{"prefix" if prefix else "infix"}">{escape(sign)}</mo>')

    def thin(self) -> Piece:
        """Between the factors of a matrix product."""
        return token('<mspace width="0.17em"></mspace>')

    def matrix(self, rows: list[Sequence[Piece]]) -> Piece:
        """A table of linked numbers; within another element, MathML's own."""
        inside = "".join("<mtr>" + "".join(f"<mtd>{c.math}</mtd>" for c in row) + "</mtr>" for row in rows)
        linked = "".join("<tr>" + "".join(f"<td>{cell(c)}" for c in row) for row in rows)
        return around(
            f'{CUT}<table class="m"><tbody>{linked}</tbody></table>{CUT}',
            fenced("[", f"<mtable>{inside}</mtable>", "]", stretchy="true"),
            [c for row in rows for c in row],
        )

    def fence(self, left: str, inner: list[Piece], right: str) -> Piece:
        """Between two signs; around a matrix they are drawn as tall as it is."""
        body = self.row(inner)
        line = fenced(left, body.line, right)
        if CUT + "<table" in body.line:
            line = f'{CUT}<span class="fence">{assembled(body.line)}</span>{CUT}'
        return around(line, fenced(left, body.math, right), inner)

    def fraction(self, of: tree.Frac, top: Piece, bottom: Piece) -> Piece:
        """A fraction."""
        return element("<mfrac>", top, bottom, end="</mfrac>")

    def power(self, base: Piece, exponent: Piece) -> Piece:
        """A power."""
        return element("<msup>", base, exponent, end="</msup>")

    def exponential(self, exponent: Piece) -> Piece:
        """e to a power."""
        return element("<msup><mi>e</mi>", exponent, end="</msup>")

    def root(self, of: Piece) -> Piece:
        """A square root."""
        return element("<msqrt>", of, end="</msqrt>")

    def transpose(self, of: Expr, part: Piece) -> Piece:
        """Wᵀ."""
        return element("<msup>", part, end="<mo>⊤</mo></msup>")

    def function(self, name: str) -> Piece:
        """σ, σ′."""
        look, prime = function(name)
        made = identifier(look.text)
        if prime:  # as a superscript the prime, which is raised by itself, would be a speck
            made = f'<mrow>{made}<mo form="postfix" lspace="0" rspace="0">′</mo></mrow>'
        return token(made + '<mo form="infix" lspace="0" rspace="0">&#x2061;</mo>')

    def big(self, sign: str, index: str, upper: str, body: Piece) -> Piece:
        """A sum or a product over an index."""
        operator = f'<mo form="prefix" movablelimits="false">{sign}</mo><mrow>{lower(index)}</mrow>'
        above = f"<munderover>{operator}<mi>{upper}</mi></munderover>" if upper else f"<munder>{operator}</munder>"
        return self.row([token(above), body])

    def mean(self, of: Piece) -> Piece:
        """A bar over it."""
        # a border, for a ¯ stretches in few fonts
        return element('<mrow style="border-top:.06em solid;padding-top:.12em">', of, end="</mrow>")


WRITER = MathmlWriter()


def digits(num: Num) -> str:
    """−1.5×10⁻⁷."""
    mantissa, _, exponent = num.text.partition("e")
    sign, mantissa = ('<mo form="prefix">−</mo>', mantissa[1:]) if num.negative else ("", mantissa)
    if num.over:
        return sign + "<mfrac>" + "".join(f"<mn>{part}</mn>" for part in num.over) + "</mfrac>"
    made = f"{sign}<mn>{mantissa}</mn>"
    if exponent:
        minus = '<mo form="prefix">−</mo>' if exponent.startswith("-") else ""
        made += f"<mo>×</mo><msup><mn>10</mn><mrow>{minus}<mn>{exponent.lstrip('-')}</mn></mrow></msup>"
    return made


def cell(piece: Piece) -> str:
    """One entry of a table: a link or a number, one `<math>`."""
    return piece.line.replace(CUT, "") if CUT in piece.line else f"<math>{piece.line}</math>"


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
    return f"<math>{WRITER.write(expr).math}</math>"


def pieces(expr: Expr) -> str:
    """The formula as a row of pieces: `<math>` where it is plain, tables and links where numbers can be followed.

    Of a chain the left side stands by itself, and each sign with what follows it, so that lines break before a sign and
    signs stand one below the other.
    """
    first, *rest = expr.parts if isinstance(expr, tree.Chain) else (expr,)
    signs = map(WRITER.mark, expr.relations) if isinstance(expr, tree.Chain) else ()
    head = WRITER.write(first)
    parts = [WRITER.row([sign, WRITER.write(part)]) for sign, part in zip(signs, rest, strict=True)]
    kinds = ["lhs" if isinstance(expr, tree.Chain) else "piece", *("piece" for _ in parts)]
    spans = zip(kinds, (head, *parts), strict=True)
    made = "".join(f'<span class="{kind}">{assembled(part.line)}</span>' for kind, part in spans)
    unlinked = dict.fromkeys(source for part in (head, *parts) for source in part.unlinked)
    led = ", ".join(f'<a href="#{escape(source)}">{escape(source)}</a>' for source in unlinked)
    return made + (f'<span class="from">with {led}</span>' if led else "")


def assembled(made: str) -> str:
    """MathML between the cuts becomes `<math>`; what stands between them is HTML already."""
    parts = made.split(CUT)
    return "".join(part if n % 2 else (f"<math>{part}</math>" if part else "") for n, part in enumerate(parts))
