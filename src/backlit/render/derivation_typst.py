"""A derivation as a Typst document, and as the PDF that Typst makes of it (extra `pdf`)."""

from backlit.derivation.document import (
    Block,
    Derivation,
    Diagram,
    Formula,
    Line,
    Paragraph,
    Plot,
    Points,
    Section,
    Step,
    Table,
    Text,
)
from backlit.derivation.expressions import Chain, Expr
from backlit.errors import BacklitError
from backlit.render.drawings import drawn
from backlit.render.picture import HUES
from backlit.render.picture_typst import PREAMBLE as MARKS
from backlit.render.picture_typst import picture_typst
from backlit.render.typst import aligned, typst
from backlit.render.ways import SIGNS

PREAMBLE = """#set page(paper: "a4", margin: 2.2cm, numbering: "1")
#set text(size: 10pt)
#set par(justify: false)
#show heading.where(level: 3): set text(size: 10pt)
// a formula as it is, or scaled down to the width of the text
#let fit(body) = layout(size => {
  let width = measure(body).width
  if width > size.width { scale(size.width / width * 100%, reflow: true, body) } else { body }
})
"""


def to_typst(derivation: Derivation) -> str:
    """The whole document."""
    body = [line for section in derivation.sections for line in section_lines(section)]
    return "\n".join([PREAMBLE + MARKS, f"= {escaped(derivation.title)}", escaped(derivation.subtitle), "", *body, ""])


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
    for block in section.blocks:
        made += [*block_lines(block), ""]
    return made


def display(expr: Expr, tag: str = "") -> str:
    """A displayed formula."""
    shown = aligned(expr) if isinstance(expr, Chain) else typst(expr)
    return f'#fit[$ {shown}{f""" quad "({tag})" """ if tag else ""} $]'


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
            return [f"_{escaped(block.caption)}_", "", f"#fit({head}", *rows, "))"]
        case Points():
            return [f"{'+' if block.numbered else '-'} {words(item)}" for item in block.items]
        case Plot() | Diagram():
            return [picture_typst(drawn(block), escaped), "", f"_{escaped(block.caption)}_"]


def step_lines(step: Step) -> list[str]:
    """One step."""
    equation = f" ({step.equation})" if step.equation else ""
    sign = f'#text(fill: rgb("{HUES[step.way]}"))[{SIGNS[step.way]}]'
    made = [f"=== {sign} {escaped(step.title + equation)}", "", f"`{step.id}` #h(1em) ${typst(step.formula)}$", ""]
    made.append(escaped(step.sentence))
    if step.shapes:
        made += ["", "Shapes: " + ", ".join(f"${typst(of)}$ is {size}" for of, size in step.shapes) + "."]
    for note in step.notes:
        made += ["", words(note)]
    for line in step.lines:
        made += ["", *worked(line)]
    if step.entries:
        made += ["", "Entry by entry:"]
        made += [text for line in step.entries for text in ("", *worked(line))]
    if step.hidden:
        made += ["", escaped(step.hidden)]
    for check in step.checks:
        mantissa, exponent = f"{check.error:.1e}".split("e")
        verdict = "agrees" if check.ok else "*disagrees*"
        made += ["", f"Checked by {check.kind}: {verdict}, relative error ${mantissa} times 10^({int(exponent)})$."]
    return made


def worked(line: Line) -> list[str]:
    """A worked line with its label."""
    label = [f"{escaped(line.label)}:", ""] if line.label else []
    return [*label, display(line.chain)]
