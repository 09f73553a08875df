"""A derivation as one self-contained page: MathML, SVG, a little script; nothing is fetched."""

import re
from dataclasses import replace
from html import escape
from typing import Any

from backlit.derivation.document import (
    VERDICTS,
    Block,
    BulletList,
    Derivation,
    Diagram,
    Formula,
    Line,
    Node,
    Paragraph,
    Plot,
    Section,
    Step,
    Table,
    Text,
)
from backlit.derivation.expressions import Chain, Dots, Expr, Mat, Num, nodes
from backlit.drawing import SIGNS, svg
from backlit.render.diagrams import drawn
from backlit.render.mathml import mathml, pieces
from backlit.render.pages import font_face, page
from backlit.render.unicode_math import inline, width_of

SIDE = 620  # px of a drawing that stands beside the text; a wider one stands above it
SHORT = 4  # numbers of a result that a closed step shows
OPEN = ("z[1]", "delta[1]")  # steps that are open at first
READ = ("glance", "why", "forward", "backward", "update")  # the sections that are not folded
ALIKE = ("grad_W", "update_W")  # in code and in print; of examples a row in code is a column in print
ONE = re.compile(r"example (\d+)")
PARAMETERS = ("grad_W", "grad_b", "grad_gamma", "grad_beta", "update", "clip")  # steps of what no example has alone


def to_html(derivation: Derivation) -> str:
    """The whole page."""
    ids = {name for step in derivation.steps() for name in (step.id, *(line.id for line in step.entries))}
    network = derivation.network
    each = (network, *network.others) if network else ()
    pictures = [drawn(linked(one, k, ids)) for k, one in enumerate(each)]
    examples = sorted({of for step in derivation.steps() for line in step.lines if (of := line.example)})
    return page(
        "derivation.html.j2",
        derivation=derivation,
        sections=[described(section) for section in derivation.sections],
        drawings=[{"svg": svg(p, f"network-{n}"), "caption": p.title} for n, p in enumerate(pictures)],
        wide=bool(pictures) and pictures[0].width > SIDE,
        examples=examples,
        ways=[(way, SIGNS[way], step_links(derivation, way)) for way in ("forward", "backward", "update")],
        font_face=font_face(),
    )


def step_links(derivation: Derivation, way: str) -> list[dict[str, str]]:
    """The steps of a way, each by its symbol."""
    steps = [step for step in derivation.steps() if step.way == way]
    return [{"id": step.id, "title": f"{step.title}, {step.id}", "symbol": symbol_of(step)} for step in steps]


def symbol_of(step: Step) -> str:
    """What a step makes, δ₂; its id where that is no symbol."""
    made = step.formula if step.id.startswith("slope[") else step.symbol
    return mathml(made) if made else escape(step.id)


def results(step: Step) -> list[tuple[str, str]]:
    """What the lines come to, where it is short, for a step that is closed; and the example that each is of."""
    made = []
    for line in step.lines[-1:] if step.way == "update" else step.lines:
        last = line.chain.parts[-1] if isinstance(line.chain, Chain) else None
        if isinstance(last, Mat) and last.shape == (1, 1):
            last = last.rows[0][0]
        if isinstance(last, Num) or (isinstance(last, Mat) and last.shape[0] * last.shape[1] <= SHORT):
            of = line.example
            made.append((f' data-of="{of}"' if of else "", "<math><mo>=</mo></math> " + mathml(last)))
    return made


def linked(diagram: Diagram, example: int, ids: set[str]) -> Diagram:
    """The drawing, a unit leading to its own entry where that is worked, else to its step."""

    def nearest(node: Node) -> str:
        entry = f"{node.link}[{example},{node.id.partition('.')[2]}]"
        return entry if entry in ids else node.link

    return replace(diagram, nodes=tuple(replace(node, link=nearest(node)) for node in diagram.nodes))


def described(section: Section) -> dict[str, Any]:
    """A section for the template."""
    shown = [
        block for block in section.blocks if not (isinstance(block, Diagram) and block.shape == "circle")
    ]  # it stands at the side
    blocks = [block_html(block, f"{section.id}-{n}") for n, block in enumerate(shown)]
    return {"id": section.id, "title": section.title, "blocks": blocks, "folded": section.id not in READ}


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
            row, hung = pieces(block.chain), hanging(block.chain)
            return f'<div class="line shown"{anchor} role="group" tabindex="{tab(row)}"{hung}>{row}{tag}</div>'
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
        "verdicts": VERDICTS,
        "way": step.way,
        "formula": mathml(step.law),
        "spoken": inline(step.formula),
        "shapes": [(mathml(of), size) for of, size in step.shapes],
        "notes": [words(note) for note in step.notes],
        "open": step.id in OPEN,
        "results": results(step),
        "lines": [
            line_values(replace(line, chain=chain), line.example) for line, chain in zip(step.lines, shown, strict=True)
        ],
        "chosen": any(shown[k] is not line.chain for k, line in enumerate(step.lines)),
        "entries": [line_values(line, entry_example(step, line)) for line in step.entries],
    }


def entry_example(step: Step, line: Line) -> str:
    """The example whose entry a line works: the first index of what has one row an example."""
    index = re.search(r"\[(\d+),\d+\]$", line.id)
    return str(int(index[1]) + 1) if index and not step.id.startswith(PARAMETERS) else ""


def line_values(line: Line, example: str) -> dict[str, str]:
    """One worked line."""
    row = pieces(line.chain)
    of = (f' data-of="{example}"' if example else "") + hanging(line.chain)
    return {"id": line.id, "label": line.label, "row": row, "tab": tab(row), "of": of}


def hanging(chain: Expr) -> str:
    """How far the left side of a chain hangs out, as a style: about as wide as it is."""
    if not isinstance(chain, Chain):
        return ""
    wide = max(width_of(part) for part in inline(chain.parts[0]).split("/"))
    return f' style="--lhs: {0.62 * min(wide, 9) + 0.3:.1f}rem"'


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


# --- which cell of a matrix is which entry, though the middle of a large one is left out ------------------------------


def places(printed: list[Expr], size: int) -> list[int]:
    """The index of each printed row or column, of `size`; what comes after the dots is counted from the end.

    >>> places([Num(0, "0", True), Dots(3), Num(1, "1", True)], 5)
    [0, -1, 4]
    """
    if len(printed) == size:
        return list(range(size))
    gap = next((k for k, cell in enumerate(printed) if isinstance(cell, Dots)), len(printed))
    return [k if k < gap else -1 if k == gap else size - len(printed) + k for k in range(len(printed))]


def with_entries(step: Step, line: Line) -> Expr:
    """The line's chain, the numbers of its result leading to the entries that the step works out."""
    chain = line.chain
    last = chain.parts[-1] if isinstance(chain, Chain) else None
    known = {entry.id: {n.text for n in nodes(entry.chain) if isinstance(n, Num)} for entry in step.entries}
    if not (isinstance(chain, Chain) and isinstance(last, Mat) and known):
        return chain
    rows = places([row[0] for row in last.rows], last.shape[0])
    columns = places(list(last.rows[0]), last.shape[1])
    made = tuple(
        tuple(led(cell, entry(step, line, rows[r], columns[c]), known) for c, cell in enumerate(row))
        for r, row in enumerate(last.rows)
    )
    return replace(chain, parts=(*chain.parts[:-1], replace(last, rows=made))) if made != last.rows else chain


def led(cell: Expr, id: str, known: dict[str, set[str]]) -> Expr:
    """The number with its entry's id as its source, where that entry is worked out and gives this number."""
    return replace(cell, source=id) if isinstance(cell, Num) and cell.text in known.get(id, ()) else cell


def entry(step: Step, line: Line, row: int, column: int) -> str:
    """The id of the entry that a cell shows; "" where the line shows a share of it only."""
    one = ONE.fullmatch(line.label)
    shape = getattr(step.value, "shape", ())
    if len(shape) == 1:
        return "" if one else f"{step.id}[{max(row, column)}]"  # a column, or a row of losses
    if step.id.startswith(ALIKE):
        return "" if one else f"{step.id}[{row},{column}]"
    example = int(one[1]) - 1 if one else column
    return f"{step.id}[{example},{row}]"
