"""Typst: formulas; a derivation as a document, as the PDF that Typst makes of it, and an SVG a step (extra `pdf`)."""

from collections.abc import Iterable, Sequence
from itertools import groupby

from backlit.derivation import expressions as tree
from backlit.derivation.document import (
    VERDICTS,
    Block,
    BulletList,
    Check,
    Derivation,
    Diagram,
    Formula,
    Line,
    Paragraph,
    Plot,
    Section,
    Step,
    Table,
    Text,
)
from backlit.derivation.expressions import Chain, Expr, Num
from backlit.drawing import HUES, SIGNS
from backlit.errors import BacklitError
from backlit.render.diagrams import TYPST_PREAMBLE, drawn, picture_typst
from backlit.render.notation import Writer, function, symbol

OPERATORS = {
    "·": "dot",
    "−": "-",
    "≈": "approx",
    "←": "arrow.l",
    "→": "arrow.r",
    "⋯": "dots.c",
    "∑": "sum",
    "∏": "product",
}


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

    def at(self, index: tuple[str, ...], of: str) -> str:
        """[W_1]_(2,1)."""
        return f"[{of}]_({','.join(index)})"

    def partial(self, of: str, by: str) -> str:
        """frac(partial ell, partial a)."""
        return f"frac(partial {of}, partial {by})"

    def mark(self, sign: str, *, prefix: bool = False) -> str:
        """A sign."""
        return OPERATORS.get(sign, sign)

    def thin(self) -> str:
        """Between the factors of a matrix product."""
        return "thin"

    def matrix(self, rows: list[Sequence[str]]) -> str:
        """mat(…)."""
        return f'mat(delim: "[", {"; ".join(map(", ".join, rows))})'

    def fence(self, left: str, inner: list[str], right: str) -> str:
        """Between two signs that grow."""
        body = " ".join(inner)
        if left in "|‖":
            return f"{'abs' if left == '|' else 'norm'}({body})"
        return f"lr({left} {body} {right})" if left == "(" else f"[{body}]"

    def fraction(self, of: tree.Frac, top: str, bottom: str) -> str:
        """frac(a, b)."""
        return f"frac({top}, {bottom})"

    def power(self, base: str, exponent: str) -> str:
        """x^(2)."""
        return f"{base}^({exponent})"

    def exponential(self, exponent: str) -> str:
        """e^(u)."""
        return f"e^({exponent})"

    def root(self, of: str) -> str:
        """sqrt(x)."""
        return f"sqrt({of})"

    def transpose(self, of: Expr, part: str) -> str:
        """W^top."""
        return f"attach({part}, tr: top)" if isinstance(of, tree.Sym) and of.example else f"{part}^top"

    def function(self, name: str) -> str:
        """sigma'."""
        look, prime = function(name)
        return look.typst + ("'" if prime else "")

    def big(self, sign: str, index: str, upper: str, body: str) -> str:
        """sum_(k) …."""
        above = f"^({upper})" if upper else ""
        return f"{OPERATORS[sign]}_({index}){above} {body}"

    def mean(self, of: str) -> str:
        """overline(g)."""
        return f"overline({of})"


TYPST = TypstWriter()
typst = TYPST.write  # the formula without dollars


def aligned(chain: tree.Chain) -> str:
    """A chain with a row for each relation."""
    first, *rest = chain.parts
    made = typst(first)
    for n, (sign, part) in enumerate(zip(chain.relations, rest, strict=True)):
        made += f"{' ' + chr(92) if n else ''} &{TYPST.mark(sign)} {typst(part)}"
    return made


PREAMBLE = """#set page(paper: "a4", margin: (x: 1.7cm, top: 1cm, bottom: 1.2cm), numbering: "1")
#set text(size: 8.4pt)
#set par(justify: false, spacing: 0.65em)
#set block(spacing: 0.6em)
#set table(inset: (x: 5pt, y: 1.6pt))
#show table: set par(leading: 0.25em) // a formula may reach into the leading, which a row of a table lacks
#show heading.where(level: 2): set block(above: 1.3em, below: 0.7em)
"""
FITTING = """// formulas side by side; what is tall would reach into a wider leading, and so into the next line
#let entries(body) = block({ set par(leading: 0.25em); body })
// a formula as it is, or scaled down to the width of the text
#let fit(body) = layout(size => {
  let width = measure(body).width
  if width > size.width { scale(size.width / width * 100%, reflow: true, body) } else { body }
})
// a chain of formulas in one row where there is room, else a row for each relation
#let chain(row, rows) = layout(size => {
  set par(leading: 0.2em)
  if measure(row).width + 1em.to-absolute() > size.width { fit(rows) } else { pad(left: 1em, row) }
})
"""


def to_typst(derivation: Derivation) -> str:
    """The whole document."""
    body = [line for section in derivation.sections for line in section_lines(section)]
    return "\n".join(
        [
            PREAMBLE + FITTING + TYPST_PREAMBLE,
            f"= {escaped(derivation.title)}",
            escaped(derivation.subtitle),
            "",
            *body,
            "",
        ]
    )


def to_pdf(derivation: Derivation) -> bytes:
    """The document as PDF.  Raises BacklitError if the extra is not installed."""
    try:
        import typst as compiler
    except ImportError:
        raise BacklitError("PDF needs Typst, which is not installed: pip install 'backlit[pdf]'") from None
    made: bytes = compiler.compile(to_typst(derivation).encode(), format="pdf")
    return made


def escaped(text: str) -> str:
    """Plain words whose marks mean nothing to Typst."""
    for mark in "\\#$*_`<>@[]~=/+-\"'":
        text = text.replace(mark, "\\" + mark)
    return text


def words(parts: Text) -> str:
    """Words and formulas."""
    return "".join(escaped(part) if isinstance(part, str) else f"${typst(part)}$" for part in parts)


def section_lines(section: Section) -> list[str]:
    """A section."""
    made = [f"== {escaped(section.title)}", ""]
    for given, blocks in groupby(section.blocks, lambda block: isinstance(block, Formula) and bool(block.id)):
        if given:
            made += [entries(side_by_side(block.chain for block in blocks if isinstance(block, Formula))), ""]
        else:
            made += [line for block in blocks for line in (*block_lines(block), "")]
    return made


def display(expr: Expr, tag: str = "") -> str:
    """A displayed formula."""
    number = f' quad "({tag})"' if tag else ""
    if isinstance(expr, Chain):
        return f"#chain([{in_a_row(expr, number)}], [$ {aligned(expr)}{number} $])"
    return f"#fit[$ {typst(expr)}{number} $]"


def above(line: str) -> str:
    """A line that stands on the page of what follows."""
    return f"#block(sticky: true)[{line}]"


def in_a_row(expr: Expr, number: str = "") -> str:
    """A formula on one line, as large as a displayed one."""
    return f"$display({typst(expr)}{number})$"


def side_by_side(chains: Iterable[Expr]) -> str:
    """Short formulas, as many in a row as there is room for."""
    return " #h(1.6em) ".join(f"#box[{in_a_row(expr)}]" for expr in chains)


def entries(formulas: str, label: str = "") -> str:
    """Rows of formulas, after their label."""
    return f"#entries[{escaped(label) + ': #h(0.6em) ' if label else ''}{formulas}]"


def block_lines(block: Block) -> list[str]:
    """One block."""
    match block:
        case Step():
            return step_lines(block)
        case Paragraph():
            return [words(block.parts)]
        case Formula():
            return [display(block.chain, block.equation)]
        case Table():
            header = ", ".join(f"[*{words(c)}*]" for c in block.header)
            rows = [", ".join(f"[{words(c)}]" for c in row) + "," for row in block.rows]
            head = f"table(columns: {len(block.header)}, stroke: 0.4pt + luma(160), table.header({header}),"
            return [above(f"_{escaped(block.caption)}_"), f"#fit({head}", *rows, "))"]
        case BulletList():
            return [f"{'+' if block.numbered else '-'} {words(item)}" for item in block.items]
        case Plot() | Diagram():
            tall = isinstance(block, Diagram) and block.shape == "box"
            picture = f"#scale({46 if tall else 60}%, reflow: true)[{picture_typst(drawn(block), escaped)}]"
            shown = [picture, "", f"_{escaped(block.caption)}_"]
            return ["#place(auto, float: true)[", *shown, "]"] if tall else shown  # it would leave half a page empty


BESIDE = 90  # characters of a step's title and remarks that stand on one line


def step_lines(step: Step) -> list[str]:
    """One step: what it is on one line, its words in one paragraph, then its numbers."""
    equation = f" ({step.equation})" if step.equation else ""
    sign = f'#text(fill: rgb("{HUES[step.way]}"))[{SIGNS[step.way]}]'
    head = f"{sign} *{escaped(step.title + equation)}* #h(0.6em) `{step.id}` #h(0.6em) ${typst(step.formula)}$"
    said = [escaped(step.sentence), *(words(note) for note in step.notes)]
    if step.shapes:
        said.insert(1, "Shapes: " + ", ".join(f"${typst(of)}$ is {size}" for of, size in step.shapes) + ".")
    remarks = " ".join(said)
    beside = len(step.title) + len(remarks) < BESIDE
    made = [above(f"{head} #h(0.6em) {remarks}")] if beside else [above(head), remarks]
    for line in step.lines:
        made += ["", *worked(line)]
    for label, lines in groupby(() if step.entry_repeats_line else step.entries, lambda line: line.label):
        made += ["", entries(side_by_side(line.chain for line in lines), label)]
    if step.hidden:
        made += ["", escaped(step.hidden)]
    if step.checks:
        made += ["", "Checked by " + "; ".join(checked(check) for check in step.checks) + "."]
    return ["#block(above: 1.1em)[", *made, "]"]


def checked(check: Check) -> str:
    """A check in words."""
    mantissa, exponent = f"{check.error:.1e}".split("e")
    verdict = VERDICTS[check.ok] if check.ok else f"*{VERDICTS[check.ok]}*"
    return f"{check.kind}: {verdict}, relative error ${mantissa} times 10^({int(exponent)})$"


def worked(line: Line) -> list[str]:
    """A worked line with its label."""
    label = [f"{escaped(line.label)}:", ""] if line.label else []
    return [*label, display(line.chain)]


# --- pictures for slides: a step each, with its law, its words, some of its numbers, and what was checked -------------

SLIDE = (190.0, 150.0)  # pt that a picture has for the network's drawing
SLIDES = """#set page(width: 16cm, height: 9cm, margin: 0.8cm)
#set text(size: 11pt)
// what does not fit its room is set wider and made smaller
#let shrunk(body) = layout(size => {
  let k = 1.0
  while k < 4 and measure(block(width: size.width * k, body)).height > size.height * k { k += 0.1 }
  scale(100% / k, origin: top + left, reflow: true, block(width: size.width * k, body))
})
"""


def svg_steps(derivation: Derivation) -> dict[str, str]:
    """An SVG a step by its file's name, such as `03-delta-2.svg`; BacklitError if Typst is not installed."""
    try:
        import typst as compiler
    except ImportError:
        raise BacklitError("SVGs are drawn by Typst, which is not installed: pip install 'backlit[pdf]'") from None
    steps = list(derivation.steps())
    source = "\n".join([SLIDES, FITTING + TYPST_PREAMBLE, "#pagebreak()\n".join(
        typst_page(step, derivation.network) for step in steps)])  # fmt: skip
    pages = compiler.compile(source.encode(), format="svg")
    drawn_pages = [pages] if isinstance(pages, bytes) else pages
    digits = len(str(len(steps)))
    names = (f"{n:0{digits}}-{step.id.replace('[', '-').replace(']', '')}.svg" for n, step in enumerate(steps, start=1))
    return {name: page.decode() for name, page in zip(names, drawn_pages, strict=True)}


def typst_page(step: Step, network: Diagram | None) -> str:
    """One slide: words and numbers, and the network beside them."""
    number = f" ({step.equation})" if step.equation else ""
    sign = f'#text(fill: rgb("{HUES[step.way]}"))[{SIGNS[step.way]}]'
    made = [f"#text(size: 15pt)[{sign} *{escaped(step.title + number)}*]", "", display(step.law), ""]
    made += [escaped(step.sentence)]
    for line in step.in_brief:
        label = f"#text(size: 9pt)[{escaped(line.label)}]\n\n" if line.label else ""
        made += ["", label + display(line.chain)]
    for check in step.checks:
        made += ["", f"#text(size: 8pt)[Checked by {checked(check)}.]"]
    beside = picture_typst(drawn(network), escaped, SLIDE) if network else ""
    text = "\n".join(made)
    return f"#shrunk[#grid(columns: (1fr, auto), gutter: 0.5cm)[\n{text}\n][\n{beside}\n]]\n"
