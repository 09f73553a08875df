"""`backlit explain`: a problem in, its worked derivation out."""

from enum import StrEnum
from pathlib import Path
from typing import Annotated

from typer import Argument, Option

from backlit.errors import DomainError


class Shown(StrEnum):
    """The formats of a derivation."""

    text = "text"
    markdown = "markdown"
    latex = "latex"
    beamer = "beamer"
    typst = "typst"
    html = "html"
    pdf = "pdf"
    json = "json"


def command(
    problem: Annotated[Path | None, Argument(help="A problem file: JSON, TOML or YAML.", show_default=False)] = None,
    example: Annotated[
        str | None,
        Option(help="A built-in problem: worked, mazur, softmax, batch-norm, residual, deep-sigmoid."),
    ] = None,
    model: Annotated[Path | None, Option(help="A model file that `backlit train` wrote.", show_default=False)] = None,
    member: Annotated[
        int | None, Option(help="Of an ensemble: which network, from 0; else the heaviest.", show_default=False)
    ] = None,
    table: Annotated[
        Path | None, Option(help="With --model: a table with the columns of its training.", show_default=False)
    ] = None,
    row: Annotated[
        int | None, Option(help="With --model: the row of the table, counted from 0.", show_default=False)
    ] = None,
    format: Annotated[Shown, Option(help="How to show the derivation.")] = Shown.text,
    output: Annotated[
        Path | None, Option("--output", "-o", help="Write here, else to standard output.", show_default=False)
    ] = None,
    svg_steps: Annotated[
        Path | None, Option(help="Write an SVG of each step into this folder, for slides.", show_default=False)
    ] = None,
    steps: Annotated[int, Option(help="Optimizer steps to take.")] = 1,
    digits: Annotated[int, Option(help="Significant digits that are printed.")] = 5,
    fractions: Annotated[bool, Option("--fractions", help="Print fractions where numbers are rational.")] = False,
    entry: Annotated[
        str | None, Option(help="Work one entry alone, such as grad_W[2][0,1].", show_default=False)
    ] = None,
    worksheet: Annotated[
        bool,
        Option("--worksheet", help="Leave a blank for each number; --format json is the file that takes the answers."),
    ] = False,
) -> int:
    """Show where every number of a gradient comes from."""
    from backlit.files import check_outputs
    from backlit.render.explanation import check_format, explain

    check_outputs(output, inputs=(problem, model, table))
    check_format(output, format.value)
    made = explain(
        problem,
        example=example,
        model=model,
        member=member,
        table=table,
        row=row,
        steps=steps,
        digits=digits,
        entry=entry,
        fractions=fractions,
        worksheet=worksheet,
    )
    if svg_steps is not None:
        written = made.write_svg_steps(svg_steps)
        if output is None and format is Shown.text:
            print(f"{len(written)} steps are in {svg_steps}: {written[0].name} to {written[-1].name}")
            return 0
    made.write(format.value, output)
    if made.derivation.stopped:  # what is shown ends there, which a program must learn without reading it
        where = f"{problem or model or example}: {made.derivation.stopped}"
        raise DomainError(f"{where} is not finite, and what hangs on it is not worked out: use smaller numbers")
    return 0
