"""Formulas in MathML Core, which browsers show by themselves.

A matrix is an HTML table with one cell a `<math>`, so that each number can be a link to the step that made it; a line
is a row of pieces.  Within a fraction or a power, where no link may stand, numbers are plain, and the links to the
steps that made them follow the line.
"""

from collections.abc import Iterable, Iterator, Sequence
from html import escape

from backlit.derivation import expressions as tree
from backlit.derivation.expressions import Expr, Num
from backlit.render.notation import Writer, function, has_matrix, printed, symbol
from backlit.render.unicode_math import number_text

CUT = "\0"  # around a piece that is HTML, not MathML


class MathmlWriter(Writer[str]):
    """MathML alone, token by token."""

    def row(self, parts: list[str]) -> str:
        """One after the other."""
        return "".join(parts)

    def number(self, num: Num) -> str:
        """A number."""
        return digits(num)

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

    def at(self, index: tuple[str, ...], of: str) -> str:
        """[W₁]₂,₁."""
        below = '<mo separator="true">,</mo>'.join(f"<mi>{i}</mi>" for i in index)
        return element("msub", fenced("[", f"<mrow>{of}</mrow>", "]"), below)

    def partial(self, of: str, by: str) -> str:
        """∂ℓ/∂a."""
        return element("mfrac", *(f'<mo form="prefix">∂</mo><mrow>{one}</mrow>' for one in (of, by)))

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

    def matrix(self, rows: list[Sequence[str]]) -> str:
        """MathML's own table."""
        inside = "".join("<mtr>" + "".join(f"<mtd>{c}</mtd>" for c in row) + "</mtr>" for row in rows)
        return fenced("[", f"<mtable>{inside}</mtable>", "]", stretchy="true")

    def fence(self, left: str, inner: list[str], right: str) -> str:
        """Between two signs."""
        return fenced(left, self.row(inner), right)

    def fraction(self, of: tree.Frac, top: str, bottom: str) -> str:
        """A fraction."""
        return element("mfrac", top, bottom)

    def power(self, base: str, exponent: str) -> str:
        """A power."""
        return element("msup", base, exponent)

    def exponential(self, exponent: str) -> str:
        """e to a power."""
        return f"<msup><mi>e</mi><mrow>{exponent}</mrow></msup>"

    def root(self, of: str) -> str:
        """A square root."""
        return element("msqrt", of)

    def transpose(self, of: Expr, part: str) -> str:
        """Wᵀ."""
        return f"<msup><mrow>{part}</mrow><mo>⊤</mo></msup>"

    def function(self, name: str) -> str:
        """σ, σ′."""
        look, prime = function(name)
        made = identifier(look.text)
        if prime:  # as a superscript the prime, which is raised by itself, would be a speck
            made = f'<mrow>{made}<mo form="postfix" lspace="0" rspace="0">′</mo></mrow>'
        return made + '<mo form="infix" lspace="0" rspace="0">&#x2061;</mo>'

    def big(self, sign: str, index: str, upper: str, body: str) -> str:
        """A sum or a product over an index."""
        operator = f'<mo form="prefix" movablelimits="false">{sign}</mo><mrow>{lower(index)}</mrow>'
        above = f"<munderover>{operator}<mi>{upper}</mi></munderover>" if upper else f"<munder>{operator}</munder>"
        return above + body

    def mean(self, of: str) -> str:
        """A bar over it."""
        # a border, for a ¯ stretches in few fonts
        return f'<mrow style="border-top:.06em solid;padding-top:.12em"><mrow>{of}</mrow></mrow>'


class LinkedWriter(MathmlWriter):
    """A line: MathML, and between cuts HTML that leads each number to its step; elements are MathML alone."""

    def write(self, expr: Expr) -> str:
        """The formula, its elements as they are in `mathml`."""
        return tree.fold(expr, self.node, outside)

    def node(self, expr: Expr, parts: Sequence[str]) -> str:
        """An element as a whole, anything else of its parts."""
        return MATHML.write(expr) if is_element(expr) else super().node(expr, parts)

    def number(self, num: Num) -> str:
        """A number, linked to its step where it has one."""
        made = digits(num)
        if num.source is None:
            return made
        href, spoken = escape(num.source), escape(f"{number_text(num.text)}, {origin(num.source)}")
        return f'{CUT}<a href="#{href}" aria-label="{spoken}"><math>{made}</math></a>{CUT}'

    def matrix(self, rows: list[Sequence[str]]) -> str:
        """A table of linked numbers."""
        linked = "".join("<tr>" + "".join(f"<td>{cell(c)}" for c in row) for row in rows)
        return f'{CUT}<table class="m"><tbody>{linked}</tbody></table>{CUT}'

    def fence(self, left: str, inner: list[str], right: str) -> str:
        """Between two signs; around a matrix they are drawn as tall as it is."""
        body = self.row(inner)
        if CUT + "<table" in body:
            return f'{CUT}<span class="fence">{assembled(body)}</span>{CUT}'
        return fenced(left, body, right)


MATHML, LINKED = MathmlWriter(), LinkedWriter()


def is_element(expr: Expr) -> bool:
    """Whether a formula is an element that holds its operands, so that no link may stand at them."""
    elements = tree.At | tree.Partial | tree.Frac | tree.Pow | tree.Root | tree.Transpose | tree.Mean
    return isinstance(expr, elements) or (isinstance(expr, tree.Fn) and expr.name == "exp" and not has_matrix(expr))


def outside(expr: Expr) -> Iterable[Expr]:
    """The operands at which a link may stand."""
    return () if is_element(expr) else printed(expr)


def inside(expr: Expr) -> Iterator[str]:
    """The sources of the numbers at which no link may stand, in the order of printing."""
    todo = [expr]
    while todo:
        node = todo.pop()
        if is_element(node):
            yield from (num.source for num in tree.nodes(node) if isinstance(num, Num) and num.source is not None)
        else:
            todo += reversed(tree.children(node))


def element(name: str, *inner: str) -> str:
    """An element, each piece within it one child."""
    return f"<{name}>" + "".join(f"<mrow>{piece}</mrow>" for piece in inner) + f"</{name}>"


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


def cell(made: str) -> str:
    """One entry of a table: a link or a number, one `<math>`."""
    return made.replace(CUT, "") if CUT in made else f"<math>{made}</math>"


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
    return f"<math>{MATHML.write(expr)}</math>"


def pieces(expr: Expr) -> str:
    """The formula as a row of pieces: `<math>` where it is plain, tables and links where numbers can be followed.

    Of a chain the left side stands by itself, and each sign with what follows it, so that lines break before a sign and
    signs stand one below the other.
    """
    first, *rest = expr.parts if isinstance(expr, tree.Chain) else (expr,)
    signs = expr.relations if isinstance(expr, tree.Chain) else ()
    made = f'<span class="{"lhs" if isinstance(expr, tree.Chain) else "piece"}">{assembled(LINKED.write(first))}</span>'
    for sign, part in zip(signs, rest, strict=True):
        made += f'<span class="piece">{assembled(LINKED.mark(sign) + LINKED.write(part))}</span>'
    led = ", ".join(f'<a href="#{escape(source)}">{escape(source)}</a>' for source in dict.fromkeys(inside(expr)))
    return made + (f'<span class="from">with {led}</span>' if led else "")


def assembled(made: str) -> str:
    """MathML between the cuts becomes `<math>`; what stands between them is HTML already."""
    parts = made.split(CUT)
    return "".join(part if n % 2 else (f"<math>{part}</math>" if part else "") for n, part in enumerate(parts))
