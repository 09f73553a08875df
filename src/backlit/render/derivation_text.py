"""A derivation as plain text for a terminal or a file."""

import textwrap

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
from backlit.derivation.expressions import Chain
from backlit.render.boxes import WIDTH, chain, width_of
from backlit.render.inline import inline

ARROWS = {"forward": "▲", "backward": "▼", "update": "●"}


def to_text(derivation: Derivation) -> str:
    """The whole document."""
    head = [derivation.title, "═" * len(derivation.title), *wrapped(derivation.subtitle), ""]
    body = [line for section in derivation.sections for line in section_lines(section)]
    return "\n".join(head + body).rstrip() + "\n"


def section_lines(section: Section) -> list[str]:
    """A section with its title."""
    made = ["", section.title, "─" * len(section.title), ""]
    for block in section.blocks:
        made += [*block_lines(block), ""]
    return made


def block_lines(block: Block) -> list[str]:
    """One block."""
    match block:
        case Step():
            return step_lines(block)
        case Paragraph():
            return wrapped(words(block.parts))
        case Formula():
            tag = f"   ({block.equation})" if block.equation else ""
            made = chain(block.chain) if isinstance(block.chain, Chain) else [inline(block.chain)]
            return ["    " + line for line in made[:-1]] + [f"    {made[-1]}{tag}"]
        case Table():
            return table_lines(block)
        case Points():
            marks = [f"{n}. " if block.numbered else "• " for n in range(1, len(block.items) + 1)]
            return [
                line
                for mark, item in zip(marks, block.items, strict=True)
                for line in wrapped(words(item), first=mark, rest=" " * len(mark))
            ]
        case Plot() | Diagram():
            return wrapped(f"[{block.caption}] {block.description}")


def words(parts: Text) -> str:
    """Words and formulas as one text."""
    return "".join(part if isinstance(part, str) else inline(part) for part in parts)


def wrapped(text: str, first: str = "", rest: str = "") -> list[str]:
    """Broken into lines."""
    return textwrap.wrap(text, WIDTH, initial_indent=first, subsequent_indent=rest, break_long_words=False)


def step_lines(step: Step) -> list[str]:
    """One step: head, sentence, formula with shapes, numbers, entries, checks."""
    equation = f"  ({step.equation})" if step.equation else ""
    made = [f"{ARROWS[step.way]} {step.id}{equation}  {step.title}: {inline(step.formula)}"]
    made += wrapped(step.sentence, "    ", "    ")
    if step.shapes:
        made.append("    shapes: " + ", ".join(f"{inline(of)} is {size}" for of, size in step.shapes))
    for note in step.notes:
        made += wrapped(words(note), "    ", "    ")
    for line in step.lines:
        made += worked(line)
    if step.entries:
        made.append("    entry by entry:")
        made += [text for line in step.entries for text in worked(line, "      ")]
    if step.hidden:
        made.append(f"    {step.hidden}")
    if step.checks:
        said = "; ".join(
            f"{c.kind} {'agrees' if c.ok else 'DISAGREES'}, relative error {c.error:.1e}" for c in step.checks
        )
        made.append(f"    checked: {said}")
    return made


def worked(line: Line, indent: str = "    ") -> list[str]:
    """A worked line with its label above it."""
    label = [f"{indent}{line.label}:"] if line.label and not line.id else []
    head = indent + ("  " if label else "")
    made = chain(line.chain) if isinstance(line.chain, Chain) else [inline(line.chain)]
    if line.id and line.label:
        made[0] = f"{line.label}: {made[0]}"
    return label + [head + text for text in made]


def table_lines(table: Table) -> list[str]:
    """Columns aligned."""
    rows = [[words(cell) for cell in row] for row in (table.header, *table.rows)]
    widths = [max(width_of(row[k]) for row in rows) for k in range(len(rows[0]))]
    made = [
        "  " + "  ".join(cell + " " * (w - width_of(cell)) for cell, w in zip(row, widths, strict=True)).rstrip()
        for row in rows
    ]
    rule = "  " + "  ".join("─" * w for w in widths)
    return [table.caption, made[0], rule, *made[1:]]
