"""A derivation as text, plain for a file and with marks of style for a terminal."""

import textwrap
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from backlit import terminal
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
    Step,
    Table,
    Text,
)
from backlit.derivation.expressions import Chain, Expr
from backlit.drawing import SIGNS
from backlit.render.diagram_text import drawn_text
from backlit.render.unicode_math import CLOSE, OPEN, WIDTH, inline, line_of, marked_chain, plain, styled, width_of

if TYPE_CHECKING:
    from rich.console import Console
    from rich.text import Text as RichText


def to_text(derivation: Derivation, width: int = WIDTH, *, tight: bool = False) -> str:
    """The whole document, plain.  tight : whether long parts of formulas are broken too."""
    return "\n".join(plain(line).rstrip() for line in Writer(width, tight).lines(derivation)).rstrip() + "\n"


def to_terminal(derivation: Derivation) -> None:
    """The whole document on this terminal, in color, as wide as it is."""
    show(Writer(terminal.width(WIDTH), tight=True).lines(derivation))


@dataclass(frozen=True)
class Writer:
    """Writes lines of at most `width` columns, marked with styles."""

    width: int
    tight: bool = False  # whether long parts of formulas are broken too

    def lines(self, derivation: Derivation) -> Iterator[str]:
        """Title, then the sections."""
        yield styled(derivation.title, "strong")
        yield "═" * width_of(derivation.title)
        yield from self.wrapped(derivation.subtitle)
        yield ""
        for section in derivation.sections:
            yield from ("", styled(section.title, "strong"), "─" * width_of(section.title), "")
            for block in section.blocks:
                yield from self.block(block)
                yield ""

    def block(self, block: Block) -> list[str]:
        """One block."""
        match block:
            case Step():
                return list(self.step(block))
            case Paragraph():
                return self.wrapped(words(block.parts))
            case Formula():
                made = self.formula(block.chain, "    ")
                tag = styled(f"   ({block.equation})", "faint") if block.equation else ""
                return [*made[:-1], made[-1] + tag]
            case Table():
                return table_lines(block, self.width)
            case BulletList():
                return self.points(block)
            case Plot() | Diagram():
                drawn = ["    " + line if isinstance(block, Plot) else line for line in drawn_text(block, self.width)]
                return [*map(colored, drawn), *self.wrapped(styled(block.caption, "faint"))]

    def formula(self, expr: Expr, indent: str) -> list[str]:
        """A formula, broken to the width."""
        width = self.width - len(indent) if self.tight else self.width
        made = marked_chain(expr, width, tight=self.tight) if isinstance(expr, Chain) else [line_of(expr)]
        return [indent + line for line in made]

    def points(self, block: BulletList) -> list[str]:
        """A list."""
        marks = [f"{n}. " if block.numbered else "• " for n in range(1, len(block.items) + 1)]
        pairs = zip(marks, block.items, strict=True)
        return [line for mark, item in pairs for line in self.wrapped(words(item), mark, " " * len(mark))]

    def wrapped(self, text: str, first: str = "", rest: str = "") -> list[str]:
        """Words broken into lines."""
        return textwrap.wrap(
            text,
            self.width,
            initial_indent=first,
            subsequent_indent=rest,
            break_long_words=False,
            break_on_hyphens=False,
        )

    def step(self, step: Step) -> Iterator[str]:
        """One step: head, sentence, formula with shapes, numbers, entries, checks."""
        equation = styled(f"  ({step.equation})", "faint") if step.equation else ""
        head = styled(f"{SIGNS[step.way]} {step.id}", step.way)
        head, formula = f"{head}{equation}  {styled(step.title, 'strong')}:", inline(step.formula)
        fits = width_of(head) + width_of(formula) < self.width
        yield from [f"{head} {formula}"] if fits else [head, f"    {formula}"]
        yield from self.indented(step.sentence)
        if step.shapes:
            yield from self.indented("shapes: " + ", ".join(f"{inline(of)} is {size}" for of, size in step.shapes))
        for note in step.notes:
            yield from self.indented(words(note))
        for line in step.lines:
            yield from self.worked(line)
        if step.entries:
            yield styled("    entry by entry:", "faint")
            for line in step.entries:
                yield from self.worked(line, "      ")
        if step.hidden:
            yield from self.indented(step.hidden)
        if step.checks:
            yield from self.indented("checked: " + "; ".join(map(verdict, step.checks)))

    def indented(self, text: str) -> list[str]:
        """Words below a step's head."""
        return self.wrapped(text, "    ", "    ")

    def worked(self, line: Line, indent: str = "    ") -> list[str]:
        """A worked line with its label above it, or before it where the line has an id of its own."""
        if line.label and line.id:
            room = width_of(line.label) + 2
            made = replace(self, width=self.width - room * self.tight).formula(line.chain, indent)
            first = f"{indent}{styled(line.label + ':', 'faint')} {made[0][len(indent) :]}"
            return [first, *(" " * room * self.tight + other for other in made[1:])]
        label = [styled(f"{indent}{line.label}:", "faint")] if line.label else []
        return label + self.formula(line.chain, indent + ("  " if label else ""))


def verdict(check: Check) -> str:
    """What an independent computation gave."""
    said = VERDICTS[check.ok] if check.ok else styled(VERDICTS[check.ok].upper(), "wrong")
    return f"{check.kind} {said}, relative error {check.error:.1e}"


def words(parts: Text) -> str:
    """Words and formulas as one text."""
    return "".join(part if isinstance(part, str) else inline(part) for part in parts)


def colored(line: str) -> str:
    """A line of a drawing; after ▲ stands a value and after ▼ or δ a slope, up to the next border."""
    made, style, piece = [], "", ""
    for c in line:
        turn = {"▲": "forward", "▼": "backward", "δ": "backward"}.get(c, "" if c in "│┊╭╰─╌╮╯" else style)
        if turn != style or c in "▲▼δ":
            made.append(styled(piece, style))
            piece, style = "", turn
        piece += c
    return "".join([*made, styled(piece, style)])


def table_lines(table: Table, width: int) -> list[str]:
    """Columns aligned; where they are wider than `width`, the widest are broken between words."""
    rows = [[words(cell) for cell in row] for row in (table.header, *table.rows)]
    widths = [max(width_of(row[k]) for row in rows) for k in range(len(rows[0]))]
    over = sum(widths) + 2 * len(widths) - width
    for k in sorted(range(len(widths)), key=lambda k: -widths[k]):
        longest = max(width_of(word) for row in rows for word in ("", *row[k].split()))
        cut = min(max(over, 0), max(widths[k] - longest, 0))
        widths[k], over = widths[k] - cut, over - cut
    made = [line for row in rows for line in row_lines(row, widths)]
    rule = "  " + "  ".join("─" * w for w in widths)
    return [styled(table.caption, "faint"), made[0], rule, *made[1:]]


def row_lines(row: list[str], widths: list[int]) -> Iterator[str]:
    """A row in as many lines as its longest cell needs."""
    cells = [textwrap.wrap(cell, w, break_long_words=False) or [""] for cell, w in zip(row, widths, strict=True)]
    for n in range(max(map(len, cells))):
        texts = [cell[n] if n < len(cell) else "" for cell in cells]
        yield "  " + "  ".join(t + " " * (w - width_of(t)) for t, w in zip(texts, widths, strict=True)).rstrip()


# --- in color --------------------------------------------------------------------------------------------------------

# blue and orange, which color-blind readers tell apart on light and on dark; ▲ ▼ ● say the same without color
LOOKS = {
    "forward": "dodger_blue2",
    "backward": "dark_orange3",
    "update": "medium_orchid",
    "strong": "bold",
    "faint": "dim",
    "wrong": "bold reverse",
}


def rich_text(line: str) -> "RichText":
    """A marked line as Rich's text."""
    from rich.text import Text

    names = {mark: LOOKS[style] for style, mark in OPEN.items()}
    made, stack = Text(no_wrap=True, overflow="ignore"), [""]
    piece = ""
    for c in line:
        if c not in names and c != CLOSE:
            piece += c
            continue
        made.append(piece, " ".join(filter(None, stack)))
        piece = ""
        if c == CLOSE:
            del stack[max(len(stack) - 1, 1) :]  # a stranger's text may hold this sign alone
        else:
            stack.append(names[c])
    return made.append(piece)


def show(lines: Iterable[str], console: "Console | None" = None) -> None:
    """Print marked lines; the terminal's own width is taken as it is, so that no line is broken in two."""
    out = console or terminal.console(highlight=False)
    for line in lines:
        out.print(rich_text(line), crop=False, soft_wrap=True)
