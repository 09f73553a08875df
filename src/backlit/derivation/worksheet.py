"""A worksheet: the derivation with a blank for each number that is to be computed, and the file that takes the answers.

What was given stands there; what a step makes is blank, in its own line and in every later one.
"""

from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import numpy as np

from backlit.core.parameters import layout
from backlit.core.problem import Problem
from backlit.derivation import checks, update
from backlit.derivation.context import SHOWN, Context
from backlit.derivation.derive import check_options, finite
from backlit.derivation.document import BulletList, Derivation, Diagram, Line, Paragraph, Section, Step, Table
from backlit.derivation.expressions import Chain, Expr, Num, Sym, mapped, nodes
from backlit.derivation.numbers import Numbers
from backlit.derivation.sections import backward_pass, forward_pass, setup
from backlit.derivation.sections import update as update_section
from backlit.derivation.sections.losses import LOSSES
from backlit.derivation.update import quantities
from backlit.errors import ProblemError
from backlit.tables.messages import count

BLANK = Sym("blank")
IN_THE_FILE = ("z", "u", "a", "delta", "grad_a", "grad_W", "grad_b", "grad_gamma", "grad_beta")


def worksheet(problem: Problem, *, digits: int = 5, title: str = "", name: str = "PROBLEM.json") -> Derivation:
    """The steps of a problem with blanks in place of their numbers; `quantities` is the file of answers, all null.

    digits : of the numbers that are given.  name : the problem's file, for the command that marks the answers.
    Raises ProblemError if the problem has no examples, is too large to be printed whole, or overflows.
    """
    check_options(1, digits)
    check_size(problem)
    trace, grad = problem.passes()
    problem, false = checks.without_false_formulas(problem, trace, grad)
    s = Context(problem, trace, grad, Numbers(digits), false=false)
    done = update.run(problem, 1)
    if not (finite(trace, grad) and done[-1].finite()):
        raise ProblemError("a worksheet needs numbers that are finite: backlit explain says where these overflow")
    passes = (forward_pass.section(s), backward_pass.section(s))
    moves = (
        Paragraph(update_section.words(s)),
        *update_section.equations(s),
        *update_section.steps(s, done[0]),
        update_section.costs(s, done),
    )
    answers = blanked(quantities(trace, grad, done))
    answers["a"].pop("0")  # the input is given
    answers["u"] = {l: rows for l, rows in answers["u"].items() if s.layer(int(l)).norm}  # without a norm it is z
    answers = {key: value for key, value in answers.items() if value != {}}
    sections = (
        instructions(s, name),
        without_numbers(setup.setup(s)),
        *(replace(section, blocks=tuple(map(unsolved, section.blocks))) for section in passes),
        Section("update", "One step of the optimizer", tuple(map(unsolved, moves))),
        Section("answers", "Where the answers go", tuple(places(s, answers, name))),
    )
    return Derivation(title or f"Worksheet: {problem.name}", setup.introduction(s), sections, answers, digits)


def check_size(problem: Problem) -> None:
    """Raise ProblemError for a problem whose matrices would be printed in part."""
    largest, m = max(problem.net.n), len(problem.data()[0])
    if largest > SHOWN or m > LOSSES:
        raise ProblemError(
            f"a worksheet has a blank for every number, up to {SHOWN} units a layer and {LOSSES} examples; here are "
            f"{count(largest, 'unit')} and {count(m, 'example')}: take a smaller network, or some of the rows"
        )


# --- blanks -----------------------------------------------------------------------------------------------------------


def unsolved(step: Any) -> Any:
    """A step without its numbers, its checks and its remarks: the batch's line, or the entries where it has none."""
    if not isinstance(step, Step) or (step.id.startswith(("mu", "sigma2")) and not step.equation):  # running moments
        return step
    lines = step.lines if step.way == "update" else step.lines[-1:]
    worked = step.entries if bare(lines) else ()
    said = "Compute it again with the new parameters. Did it fall?" if step.id == "update_loss" else step.sentence
    return replace(
        step,
        sentence=said,
        lines=() if worked else tuple(replace(line, chain=emptied(line)) for line in lines),
        entries=tuple(replace(line, chain=emptied(line)) for line in worked),
        notes=(),
        checks=(),
        hidden="",
    )


def bare(lines: tuple[Line, ...]) -> bool:
    """Whether the lines show results alone, with nothing put in."""
    parts = [part for line in lines for part in getattr(line.chain, "parts", ())]
    return sum(any(isinstance(node, Num) for node in nodes(part)) for part in parts) <= len(lines)


def emptied(line: Line) -> Expr:
    """The chain with blanks; its last part, the result, has nothing else."""
    chain = line.chain
    assert isinstance(chain, Chain)
    *made, result = chain.parts
    parts = (*(mapped(part, blank_of) for part in made), mapped(result, lambda num: BLANK))
    return Chain(parts, tuple("=" if sign == "≈" else sign for sign in chain.relations))


def blank_of(num: Num) -> Expr:
    """A blank for a number that a step made; a given one and a setting stay."""
    return BLANK if num.source is not None and not num.source.startswith("given-") else num


def without_numbers(section: Section) -> Section:
    """The setup with the network's picture without activations and δ."""
    return replace(section, blocks=tuple(map(undrawn, section.blocks)))


def undrawn(block: Any) -> Any:
    """A drawing with empty units, to be filled in; another block as it is."""
    if not isinstance(block, Diagram):
        return block
    nodes = tuple(replace(n, label="?", below="") if n.kind == "unit" else n for n in block.nodes)
    return replace(block, caption="The network, with its weights on the lines; negative ones are dashed.", nodes=nodes)


def blanked(value: Any) -> Any:
    """The same lists and tables with null for each number."""
    if isinstance(value, dict):
        return {key: blanked(item) for key, item in value.items() if item != {}}
    return [blanked(item) for item in value] if isinstance(value, list) else None


# --- words ------------------------------------------------------------------------------------------------------------


def instructions(s: Context, name: str) -> Section:
    """What to do with the sheet."""
    items = (
        ("Fill the blanks from the top. A number that you found is needed again further down, where it is blank too.",),
        ("Five digits will do: a number is right if it is the right one rounded to the digits that you wrote.",),
        ("Write your numbers into a file, answers.json; its form is at the end of this sheet.",),
        (f"Have it marked: backlit check {name} answers.json. It says which quantity is wrong first, and by which "
         "mistake if that can be told. What you leave out isn't marked.",),
    )  # fmt: skip
    return Section("instructions", "What to do", (BulletList(items, numbered=True),))


def places(s: Context, answers: dict[str, Any], name: str) -> Iterator[Paragraph | Table]:
    """A row for each quantity of the file."""
    yield Paragraph((
        f"backlit explain {name} --worksheet --format json -o answers.json writes this file with null for each blank. "
        "In the file each example is a row, where this sheet has a column; W has rows and columns as here.",
    ))  # fmt: skip
    rows: list[tuple[tuple[str, ...], ...]] = []
    for key in ("z", "u", "a"):
        rows += [row(f"{key}[{l}]", value) for l, value in answers.get(key, {}).items()]
    rows.append((("loss",), ('"loss": null',), ("one number",)))
    for key in IN_THE_FILE[3:]:
        rows += [row(f"{key}[{l}]", value) for l, value in reversed(answers.get(key, {}).items())]
    for slot in layout(s.net):
        shape = np.shape(answers["update"][slot.name][str(slot.l)])
        said = f'"update": {{"{slot.name}": {{"{slot.l}": {form(shape)}}}}}'
        rows.append(((f"update_{slot}",), (said,), (" by ".join(map(str, shape)),)))
    rows.append((("update_loss",), ('"update": {"loss": null}',), ("one number",)))
    header = (("Step",), ("In the file",), ("Rows by columns",))
    yield Table("The file of answers", header, tuple(rows))


def row(id: str, value: Any) -> tuple[tuple[str, ...], ...]:
    """A step, its place, its shape."""
    key, _, l = id.rstrip("]").partition("[")
    shape = np.shape(value)
    return (id,), (f'"{key}": {{"{l}": {form(shape)}}}',), (" by ".join(map(str, shape)),)


def form(shape: tuple[int, ...]) -> str:
    """A list in words: `[[…], […]]`."""
    if len(shape) == 1:
        return "[…]"
    return "[" + ", ".join(["[…]"] * shape[0]) + "]"
