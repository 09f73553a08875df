"""A derivation as Markdown with LaTeX between dollars, as notebooks, GitHub and pandoc read it."""

from backlit.derivation.document import (
    VERDICTS,
    Block,
    BulletList,
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
from backlit.derivation.expressions import Chain, Expr
from backlit.drawing import SIGNS
from backlit.render.derivation_latex import aligned, latex
from backlit.render.diagram_text import drawn_text

WIDTH = 100  # columns of a drawing in characters


def to_markdown(derivation: Derivation) -> str:
    """The whole document."""
    body = [line for section in derivation.sections for line in section_lines(section)]
    return "\n".join([f"# {escaped(derivation.title)}", "", escaped(derivation.subtitle), "", *body]).rstrip() + "\n"


def escaped(text: str) -> str:
    """Plain words whose marks mean nothing to Markdown."""
    for mark in r"\`*_[]<>$|":
        text = text.replace(mark, "\\" + mark)
    return text


def words(parts: Text) -> str:
    """Words and formulas."""
    return "".join(escaped(part) if isinstance(part, str) else f"${latex(part)}$" for part in parts)


def cell(parts: Text) -> str:
    """A table's cell, in which a bar would end it."""
    return "".join(escaped(p) if isinstance(p, str) else f"${latex(p)}$".replace("|", r"\vert ") for p in parts)


def section_lines(section: Section) -> list[str]:
    """A section."""
    made = [f"## {escaped(section.title)}", ""]
    for block in section.blocks:
        made += [*block_lines(block), ""]
    return made


def display(expr: Expr) -> list[str]:
    """A formula between double dollars."""
    return ["$$", aligned(expr) if isinstance(expr, Chain) else latex(expr), "$$"]


def block_lines(block: Block) -> list[str]:
    """One block."""
    match block:
        case Step():
            return step_lines(block)
        case Paragraph():
            return [words(block.parts)]
        case Formula():
            made = display(block.chain)
            return [made[0], made[1] + (rf" \qquad \text{{({block.equation})}}" if block.equation else ""), made[2]]
        case Table():
            rows = ["| " + " | ".join(cell(c) for c in row) + " |" for row in (block.header, *block.rows)]
            rule = "|" + " --- |" * len(block.header)
            return [f"*{escaped(block.caption)}*", "", rows[0], rule, *rows[1:]]
        case BulletList():
            return [
                f"{f'{n}.' if block.numbered else '-'} {words(item)}" for n, item in enumerate(block.items, start=1)
            ]
        case Plot() | Diagram():
            return ["```text", *drawn_text(block, WIDTH), "```", "", f"*{escaped(block.caption)}*"]


def step_lines(step: Step) -> list[str]:
    """One step."""
    equation = f" ({step.equation})" if step.equation else ""
    made = [
        f"### {SIGNS[step.way]} {escaped(step.title)}{equation}",
        "",
        f"`{step.id}` ${latex(step.formula)}$",
        "",
        escaped(step.sentence),
    ]
    if step.shapes:
        made += ["", "Shapes: " + ", ".join(f"${latex(of)}$ is {size}" for of, size in step.shapes) + "."]
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
        verdict = VERDICTS[check.ok] if check.ok else f"**{VERDICTS[check.ok]}**"
        made += ["", f"Checked by {check.kind}: {verdict}, relative error {check.error:.1e}."]
    return made


def worked(line: Line) -> list[str]:
    """A worked line with its label."""
    label = [f"{escaped(line.label)}:", ""] if line.label else []
    return [*label, *display(line.chain)]
