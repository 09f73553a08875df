"""A derivation as one self-contained page: MathML, SVG, a little script; nothing is fetched."""

from dataclasses import replace
from html import escape
from typing import Any

from backlit.derivation.document import (
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
from backlit.render.diagram_formats import svg
from backlit.render.diagrams import drawn
from backlit.render.mathml import mathml, pieces
from backlit.render.matrix_links import with_entries
from backlit.render.pages import page
from backlit.render.styles import SIGNS
from backlit.render.unicode_math import inline


def to_html(derivation: Derivation) -> str:
    """The whole page."""
    sections = [described(section) for section in derivation.sections]
    return page("derivation.html.j2", derivation=derivation, sections=sections)


def described(section: Section) -> dict[str, Any]:
    """A section for the template."""
    blocks = [block_html(block, f"{section.id}-{n}") for n, block in enumerate(section.blocks)]
    return {"id": section.id, "title": section.title, "blocks": blocks}


def block_html(block: Block, id: str) -> str:
    """One block as markup."""
    match block:
        case Step():
            return page("step.html.j2", step=block, **step_values(block))
        case Paragraph():
            return f"<p>{words(block.parts)}</p>"
        case Formula():
            anchor = f' id="{escape(block.id)}"' if block.id else ""
            tag = f'<span class="tag">({escape(block.equation)})</span>' if block.equation else ""
            row = pieces(block.chain)
            return f'<div class="line shown"{anchor} role="group" tabindex="{tab(row)}">{row}{tag}</div>'
        case Table():
            return table_html(block)
        case BulletList():
            kind = "ol" if block.numbered else "ul"
            return f"<{kind}>{''.join(f'<li>{words(item)}</li>' for item in block.items)}</{kind}>"
        case Diagram():
            around = f'class="scroll" tabindex="0" role="group" aria-label="{escape(block.caption)}"'
            made = f"<div {around}>{svg(drawn(block), id)}</div>"
            return f"<figure>{made}<figcaption>{escape(block.caption)}</figcaption></figure>"
        case Plot():
            caption = f"<figcaption>{escape(block.caption)}</figcaption>"
            return f'<figure class="small">{svg(drawn(block), id)}{caption}</figure>'


def words(parts: Text) -> str:
    """Words and formulas."""
    return "".join(escape(part) if isinstance(part, str) else mathml(part) for part in parts)


def step_values(step: Step) -> dict[str, Any]:
    """What the template of a step shows; the entries of its results lead to their own lines."""
    shown = [with_entries(step, line) for line in step.lines]
    return {
        "arrow": SIGNS[step.way],
        "way": step.way,
        "formula": mathml(step.formula),
        "spoken": inline(step.formula),
        "shapes": [(mathml(of), size) for of, size in step.shapes],
        "notes": [words(note) for note in step.notes],
        "lines": [line_values(replace(line, chain=chain)) for line, chain in zip(step.lines, shown, strict=True)],
        "chosen": any(shown[k] is not line.chain for k, line in enumerate(step.lines)),
        "entries": [line_values(line) for line in step.entries],
    }


def line_values(line: Line) -> dict[str, str]:
    """One worked line."""
    row = pieces(line.chain)
    return {"id": line.id, "label": line.label, "row": row, "tab": tab(row)}


def tab(row: str) -> str:
    """The tabindex of a line: it can be scrolled by keyboard, from a link in it or from itself."""
    return "-1" if "<a " in row else "0"


def heading(cell: Text) -> str:
    """A heading cell; a formula alone is given to screen readers as words, which they need in a heading."""
    if any(isinstance(part, str) and part.strip() for part in cell):
        return words(cell)
    spoken = "".join(part if isinstance(part, str) else inline(part) for part in cell)
    return f'<span aria-hidden="true">{words(cell)}</span><span class="sr">{escape(spoken)}</span>'


def table_html(table: Table) -> str:
    """A table whose first column heads its rows."""
    head = "".join(f'<th scope="col">{heading(cell)}</th>' for cell in table.header)
    rows = "".join(
        f'<tr><th scope="row">{heading(row[0])}</th>' + "".join(f"<td>{words(cell)}</td>" for cell in row[1:]) + "</tr>"
        for row in table.rows
    )
    return (
        f'<div class="table scroll" tabindex="0" role="group" aria-label="{escape(table.caption)}"><table><caption>'
        f"{escape(table.caption)}</caption><thead><tr>{head}</tr></thead><tbody>{rows}</tbody></table></div>"
    )
